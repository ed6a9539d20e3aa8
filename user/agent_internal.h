/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the agent share: the stages and what the agent itself counts. For agent*.c only.
 */
#pragma once

#include "aggregate/aggregate.h"
#include "base/hash_table.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "container/container.h"
#include "container/usage.h"
#include "exporters/otlp/otlp.h"
#include "exporters/stdout/stdout.h"
#include "exporters/web/web.h"
#include "model/keep.h"
#include "host/host.h"
#include "identity/identity.h"
#include "load/capture.h"
#include "load/cgroups.h"
#include "load/tls.h"
#include "load/usage.h"
#include "stream/stream.h"
#include "stream/tls.h"
#include "trace/trace.h"

struct agent {
	struct config *config;
	const struct config_source *source;
	struct loop *loop;
	struct capture *capture; /* NULL: nothing is captured */
	bool capture_failed;     /* though it should be */
	struct host *host;
	struct log_limit host_limits[COLLECTOR_COUNT];
	struct stream_table *streams;
	struct containers *containers;
	struct tls_hooks *tls_hooks; /* NULL: TLS libraries are not hooked, as `tls` */
	struct tls_table *tls;
	struct identity *identity;
	struct cgroup_watch *births; /* NULL: births and deaths of cgroups are not told */
	struct loop_source *young_timer;
	bool young_ticks;                /* it runs */
	struct container_table *cgroups; /* NULL: switched off, or none are mounted */
	struct aggregate *aggregate;
	struct web *web;
	struct usage *usage; /* agent_usage.c; NULL when it is off, or the host does not allow it */
	struct usage_table *usage_table;
	uint64_t usage_refreshed_ns;
	struct agent_export *export; /* agent_export.c; NULL when nothing is exported */
	struct trace *trace;         /* its; likewise */
	struct snapshot snapshot;
	struct loop_source *drain_timer;
	size_t held_peak;              /* bytes, about, since memory was given back last */
	struct hash_table executables; /* agent_select.c: processes whose executable was looked at */
	uint64_t drain_interval_ns;
	uint64_t idle_drains; /* in a row that found nothing */
	uint64_t now_ns;      /* CLOCK_MONOTONIC of the drain at hand */
	uint64_t epoch_ns;    /* clock_epoch_ns() of the last housekeeping: one for all spans of a second */
	uint64_t drained_ns;  /* of the last one that ended */
	uint64_t housekept_ns;
	uint64_t expired_ns;
	uint64_t started_realtime_ns;
	uint64_t lost_before;      /* events lost at the last look, for health */
	uint64_t lost_realtime_ns; /* when a look last found more */
	struct log_limit loss_limit;
};

/* --- agent.c: takes what the kernel side has sent so far */
void agent_drain(struct agent *agent);

/* --- agent_host.c: the host's collectors, and what a scrape asks for */
MUST_CHECK int agent_make_host(struct agent *agent, uint64_t hash_seed);
/* Before every walk: a scrape sees all that happened before it. */
int agent_refresh(void *ctx, const struct snapshot_filter *filter, char *ret_error, size_t error_size);

/* --- agent_sink.c: the records of the kernel side into the stages */
struct capture_sink agent_sink(struct agent *agent);
struct stream_callbacks agent_stream_callbacks(struct agent *agent);
/* Looks at the sessions with databases that there are now. */
void agent_count_sessions(struct agent *agent);
void agent_count_unparsed(struct agent *agent, const struct unparsed_report *report);

/* --- agent_tls.c: TLS libraries, and what of their plaintext goes where */
MUST_CHECK int agent_tls_begin(struct agent *agent);
void agent_tls_done(struct agent *agent);
void agent_tls_tick(struct agent *agent);
void agent_tls_exec(struct agent *agent, uint32_t tgid);
struct capture_control agent_tls_control(struct agent *agent);
struct snapshot_source agent_tls_source(struct agent *agent);

/* --- agent_select.c: --select.exe, which needs paths and so user space */
void agent_select_running(struct agent *agent);
void agent_select_exec(struct agent *agent, uint32_t tgid, const char *filename);
void agent_select_fork(struct agent *agent, uint32_t parent, uint32_t child);
void agent_select_exit(struct agent *agent, uint32_t tgid);
bool agent_selects(struct agent *agent, uint32_t tgid);
void agent_select_done(struct agent *agent);

/* --- agent_container.c: containers and units by their cgroups */
/* Before identity, which asks it. */
MUST_CHECK int agent_containers_new(struct agent *agent, uint64_t seed);
/* A host without cgroups is told in the log, and has no such metrics. */
void agent_cgroups_new(struct agent *agent, uint64_t seed);
/* Births and deaths into the loop. */
MUST_CHECK int agent_cgroups_watch(struct agent *agent);
/* What was told since, into the table. */
void agent_cgroups_drain(struct agent *agent);
void agent_containers_done(struct agent *agent);

/* --- agent_metrics.c: the agent's own figures */
struct snapshot_source agent_source(struct agent *agent);
const char *agent_version(void);
const char *agent_revision(void);

/* --- agent_process.c: process_*, as every exporter tells them of itself */
struct snapshot_source agent_process_source(struct agent *agent);

/* --- agent_usage.c: what containers and services use, as only the kernel knows it */
void agent_usage_start(struct agent *agent, uint64_t seed);
void agent_usage_done(struct agent *agent);
/* Reads the kernel side; `now` or, without it, when it was not read for a while. */
void agent_usage_refresh(struct agent *agent, bool now);
/* What the kernel side could not count. */
void agent_usage_visit_losses(const struct agent *agent, const struct metric_visitor *out);
/* --- agent_resource.c: what is known of processes and services */
#define AGENT_HOST_ID_BYTES 33
/* The host's machine id, as the conventions want it; false when there is none. */
bool agent_host_id(const struct config *config, char id[AGENT_HOST_ID_BYTES]);
struct otlp_resources agent_resources(struct agent *agent);
/* Whether metrics are exported, and services' resources will be asked for. */
bool agent_export_metrics(const struct config *config);
bool agent_go_version(void *ctx, uint32_t tgid, char *version, size_t size);
enum trace_runtime agent_trace_runtime(void *ctx, uint32_t tgid);

/* --- agent_export.c: spans, when they are wanted */
MUST_CHECK int agent_export_new(struct agent *agent, uint64_t seed);
MUST_CHECK int agent_export_loop(struct agent *agent);
void agent_export_sources(struct agent *agent);
/* Warns of problems at most once a minute. */
void agent_export_watch(struct agent *agent);
/* Bytes that wait to be exported. */
size_t agent_export_queued(const struct agent *agent);
/* Sends what is left. */
void agent_export_end(struct agent *agent);
void agent_export_free(struct agent *agent);
/* What spans are to tell of messages beyond what metrics need; NULL: nothing, or there are none. */
const struct keep *agent_export_keep(const struct agent *agent);

/* --- agent_keep.c */
struct agent_keep {
	struct keep keep;
	char *texts[KEEP_SIDE_COUNT][KEEP_FIELDS_MAX]; /* owned: attributes, whose ends are the names */
};

/* -ENOMEM. The configuration is borrowed. */
MUST_CHECK int agent_keep_make(const struct config *config, struct agent_keep *keep);
void agent_keep_done(struct agent_keep *keep);
bool agent_keep_any(const struct agent_keep *keep);

/* --- agent_health.c */
size_t agent_health(void *ctx, struct web_check *ret_checks);
/* Looks at the kernel side's losses; warns at most once a minute. */
void agent_watch_losses(struct agent *agent);

/* --- agent_privileges.c: gives up what is not needed after start. */
/* `keep_admin`: uprobes on this kernel need CAP_SYS_ADMIN. */
MUST_CHECK int agent_drop_privileges(bool keep_admin);
