/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective configuration: what flags, the YAML file and SONDE_* variables say, flags first, then environment, then
 * file, then defaults. All of them, --help and docs/CONFIG.md come from one option table (config/options.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "config/collectors.h"

enum config_backend {
	BACKEND_AUTO,
	BACKEND_FENTRY,
	BACKEND_KPROBE,
	BACKEND_TRACEPOINT,
	BACKEND_NONE, /* no capture: the host's own metrics alone */
};

/* Where the value of an option was said; a later kind wins over an earlier one. */
enum config_origin_kind {
	ORIGIN_DEFAULT,
	ORIGIN_FILE,
	ORIGIN_OTEL, /* an OTEL_* variable */
	ORIGIN_ENVIRONMENT,
	ORIGIN_FLAG,
};

struct config_origin {
	enum config_origin_kind kind;
	unsigned int line; /* of the file, from 1 */
};

#define CONFIG_OPTIONS_MAX 256 /* rows of the option table */
#define CONFIG_LIST_MAX 1024   /* values of one repeatable option */
#define CONFIG_VALUE_MAX 4095  /* bytes of one value */
#define CONFIG_ERROR_SIZE 1024 /* enough for every message of config_load */

struct string_list {
	char **items; /* owned, each NUL-terminated */
	size_t count;
};

struct number_list {
	uint64_t *items; /* owned */
	size_t count;
};

/* What collectors of the host take, by collector. Patterns are regular expressions; "" is none. */
struct config_host {
	char *arp_device_exclude, *arp_device_include;
	char *diskstats_device_exclude, *diskstats_device_include;
	char *filesystem_mount_points_exclude, *filesystem_mount_points_include;
	char *filesystem_fs_types_exclude, *filesystem_fs_types_include;
	uint64_t filesystem_mount_timeout_ns; /* 1 s, for all mounts of a scrape together */
	uint64_t filesystem_stat_workers;     /* 4 */
	char *hwmon_chip_exclude, *hwmon_chip_include, *hwmon_sensor_exclude, *hwmon_sensor_include;
	char *powersupply_ignored_supplies;
	char *interrupts_name_exclude, *interrupts_name_include;
	char *netclass_ignored_devices;
	char *netstat_fields, *vmstat_fields;
	char *systemd_unit_include, *systemd_unit_exclude;
	struct string_list textfile_directories;
	char *netdev_device_exclude, *netdev_device_include;
	bool arp_netlink;                   /* of no effect: net/arp says the same */
	bool cpu_guest;                     /* true */
	bool rapl_enable_zone_label;        /* false */
	bool interrupts_include_zeros;      /* true */
	bool netclass_ignore_invalid_speed; /* false */
	bool netdev_netlink;                /* true */
	bool stat_softirq;                  /* false */
	bool systemd_private;               /* false */
	bool systemd_enable_task_metrics;   /* false, as the next two */
	bool systemd_enable_restarts_metrics, systemd_enable_start_time_metrics;
};

enum config_sampler {
	SAMPLER_ALWAYS_ON,
	SAMPLER_ALWAYS_OFF,
	SAMPLER_RATIO,
	SAMPLER_PARENT_ALWAYS_ON,
	SAMPLER_PARENT_ALWAYS_OFF,
	SAMPLER_PARENT_RATIO,
};

enum config_temporality {
	TEMPORALITY_CUMULATIVE,
	TEMPORALITY_DELTA,
	TEMPORALITY_LOW_MEMORY, /* histograms as with delta; what is read anew each time, as all counters here are, not
				 */
};

enum config_histograms {
	HISTOGRAMS_EXPLICIT,
	HISTOGRAMS_EXPONENTIAL,
};

/* How requests to the collector are made; what is empty or 0 in the set of one signal is taken from that of both. */
struct config_otlp {
	char *endpoint;
	char *protocol;             /* http/protobuf http/json grpc */
	struct string_list headers; /* "NAME=VALUE", percent-encoded */
	char *compression;          /* none gzip */
	uint64_t timeout_ns;
	char *certificate;
	char *client_certificate;
	char *client_key;
};

enum config_otlp_set {
	OTLP_SET_BOTH,
	OTLP_SET_TRACES,
	OTLP_SET_METRICS,
	OTLP_SET_COUNT,
};

struct config {
	char *config_file;
	struct string_list web_listen_addresses; /* "HOST:PORT", default ":9100" */
	char *web_telemetry_path;                /* "/metrics" */
	uint64_t web_max_requests;               /* 40: beyond it 503 */
	enum config_backend backend;
	enum config_sampler trace_sampler;
	enum config_temporality otlp_temporality;
	enum config_histograms otlp_histograms;
	struct string_list select_cgroups;
	struct number_list select_ports;
	struct string_list select_exes; /* globs */
	struct number_list select_pids; /* as this process sees pids */
	struct number_list ignore_ports;
	uint64_t capture_ring_bytes;      /* 4 MiB; a power of two of pages */
	uint64_t capture_max_connections; /* 65,536 */
	uint64_t capture_max_call_bytes;  /* captured of one call at most: 128 KiB */
	bool capture_unix;                /* true */
	bool capture_tls;                 /* true */
	bool capture_program_stats;       /* false: time spent in each BPF program */
	bool usage_scheduler;             /* true: run-queue latency and the like, for each container */
	bool usage_memory;                /* true */
	bool usage_block;                 /* true */
	bool usage_tcp;                   /* true */
	struct string_list http_routes;   /* templates */
	uint64_t http_route_values;       /* 32 */
	uint64_t metrics_series_limit;    /* 10,000 per metric */
	uint64_t metrics_idle_timeout_ns; /* 15 minutes */
	bool metrics_native_histograms;   /* true */
	bool trace_remote_parents;        /* true */
	bool otlp_traces;                 /* true */
	bool otlp_metrics;                /* true */
	bool stdout_spans;                /* false */
	bool container_enabled;           /* true */
	uint64_t container_limit;         /* 10,000 cgroups */
	uint64_t container_keep_ns;       /* 2 minutes */
	char *path_procfs;                /* "/proc" */
	char *path_sysfs;                 /* "/sys" */
	char *path_rootfs;                /* "/": where the host's root is mounted */
	char *path_udev_data;             /* "/run/udev/data" */
	char *log_level;                  /* debug info warn error */
	char *log_format;                 /* logfmt json */
	char *trace_sampler_arg;          /* "1.0" */
	uint64_t trace_slow_ns;
	bool trace_slow_p99;
	uint64_t trace_rate;                     /* spans in a second; 0: no cap */
	struct string_list trace_service_ratios; /* "GLOB=RATIO" */
	struct string_list trace_route_ratios;
	struct string_list trace_excluded; /* globs of paths */
	struct string_list trace_query_keys;
	struct string_list trace_request_headers;
	struct string_list trace_response_headers;
	bool trace_query_text; /* false */
	struct config_otlp otlp[OTLP_SET_COUNT];
	char *otlp_proxy;
	char *otlp_service_name;
	struct string_list otlp_resource_attributes; /* "KEY=VALUE", percent-encoded */
	uint64_t otlp_metrics_interval_ns;           /* 60 s */
	uint64_t otlp_queue_bytes;                   /* 8 MiB */
	uint64_t otlp_queue_spans;                   /* 0: as many as fit */
	uint64_t otlp_batch_spans;
	uint64_t otlp_batch_delay_ns;
	uint64_t otlp_shutdown_timeout_ns;

	bool web_disable_exporter_metrics; /* false */
	uint64_t runtime_gomaxprocs;       /* of no effect: node_exporter's command lines have it */
	bool collector_disable_defaults;   /* false */
	bool collectors[COLLECTOR_NAMES];  /* by enum host_collector: what holds, disable-defaults included */
	struct config_host host;

	struct config_origin origins[CONFIG_OPTIONS_MAX]; /* by place in the option table */
};

/* What config_load was called with, kept by the agent to load anew on SIGHUP. Borrowed from main's arguments. */
struct config_source {
	int argc;
	char *const *argv; /* the flags alone, without program and command */
	char *const *environment;
};

/*
 * Reads flags (`argv` without program and command), environment and file, checks every value of all three, also of
 * those that another one overrides, and the conflicts between options. 0; else a negative errno and ONE line without
 * newline in `error`, which names the flag, variable or file:line and key, the value and what is allowed: -EINVAL for
 * what the user said, -ENOMEM, or what reading the file said. What it returns belongs to config_free.
 */
MUST_CHECK int config_load(int argc, char *const *argv, char *const *environment, struct config *ret_config,
			   char *error, size_t error_size);
/* Frees the contents. Takes NULL and zeroed ones. */
void config_free(struct config *config);

/* How many options differ that only a restart can change; their names, with ", " between, go to `names` (cut to fit).
 */
size_t config_reload_check(const struct config *old, const struct config *new, char *names, size_t size);
