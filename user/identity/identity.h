/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process to service: the name under which a process's numbers appear. Learned at exec (kernel event) or from /proc at
 * first sight, kept for a while after exit, because the last exchanges of a process come after its death.
 * Order of precedence: OTEL_SERVICE_NAME in the environment, service.name in OTEL_RESOURCE_ATTRIBUTES, the container
 * (its workload in Kubernetes), systemd unit (never a user session's or login scope), then what a person would call it:
 * an interpreter's script or module, a jar, the executable (rules: identity/command.h). docs/IDENTITY.md tells all.
 *
 * A forked child has its parent's name until it execs, whatever title it writes; only php-fpm's children are told
 * apart, by their pools. Names are valid UTF-8, printable, at most 128 bytes. Events may be lost and pids come again:
 * a record that is asked for is compared with /proc, by start time and executable, every 10 s (1 s when dead).
 * Environments hold secrets: they are read for two variables, wiped and never kept.
 * Known limits: of a process that overwrote its environment before it was first seen (nginx does) the variables are
 * lost; a variable beyond the first 256 KiB of an environment is not seen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct identity;
struct containers;

struct identity_config {
	const char *procfs;            /* "/proc" */
	struct containers *containers; /* borrowed; NULL: processes are not named by their containers */
	bool services;                 /* identity_service_resource will be asked */
	/* Whether a process is a Go program, and which Go's; NULL: nobody knows. Asked once for each executable. */
	bool (*go_version)(void *ctx, uint32_t tgid, char *version, size_t size);
	void *go_ctx;
	size_t max_processes; /* records kept; the longest dead leave first, then the least recently asked */
	uint64_t keep_dead_ns;
	uint64_t hash_seed;
};

/* What the kernel told at exec: so that a process that lives for milliseconds has its name. All borrowed. */
struct identity_exec {
	uint32_t tgid;
	uint64_t time_ns;
	const char *filename;  /* as given to execve */
	const char *arguments; /* NUL-separated, maybe cut */
	size_t arguments_length;
	const char *environment; /* NUL-separated, maybe cut; read once, never kept */
	size_t environment_length;
};

MUST_CHECK int identity_new(const struct identity_config *config, struct identity **ret_identity);
void identity_free(struct identity *identity);

void identity_on_exec(struct identity *identity, const struct identity_exec *exec);
/* The same facts of a process that ran before the agent: taken when nothing is known of it. */
void identity_on_sight(struct identity *identity, const struct identity_exec *exec);
void identity_on_fork(struct identity *identity, uint32_t parent_tgid, uint32_t child_tgid, uint64_t time_ns);
void identity_on_exit(struct identity *identity, uint32_t tgid, uint64_t time_ns);
/* Lets the long dead go. */
void identity_tick(struct identity *identity, uint64_t now_ns);

/* Never NULL: "unknown" when nothing can be learned. Valid until the next call of any identity function. Who asks adds
 * to the service's numbers what the process did: identity_service_resource. */
const char *identity_service(struct identity *identity, uint32_t tgid, uint64_t now_ns);
/* The executable's path when known, else "" (for --select.exe). Same lifetime. */
const char *identity_executable(struct identity *identity, uint32_t tgid, uint64_t now_ns);
/* What OpenTelemetry's resource conventions say of the process, its container and its pod, as far as it is known: lines
 * "process.pid=12\n", clean UTF-8. "" when nothing is. Same lifetime. */
const char *identity_resource(struct identity *identity, uint32_t tgid, uint64_t now_ns);
/* Such lines of a service: those that all processes have in common that identity_service was asked for, and that it
 * answered with this name. Up to the last identity_gather. Same lifetime. */
const char *identity_service_resource(struct identity *identity, const char *service);
void identity_gather(struct identity *identity, uint64_t now_ns);
/* Forgets services that identity_service_resource was not asked for since the last time: their numbers are gone. */
void identity_forget_services(struct identity *identity);
