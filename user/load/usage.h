/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usage programs as the agent sees them: what each cgroup took of the host, counted in the kernel. An object of its
 * own beside capture: a host may allow the one and not the other. The reader asks for all of it when it is scraped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "load/capture.h"
#include "model/usage.h"

struct usage;

/* What can be switched on and off, or be missing on a host, on its own. */
enum usage_family {
	USAGE_SCHEDULER,
	USAGE_MEMORY,
	USAGE_BLOCK,
	USAGE_TCP,
	USAGE_FAMILIES,
};

/* Loads and attaches what `config` leaves on. Cgroups have ids of one hierarchy: the v2 tree, or the v1 controller that
 * usage_controller names. */
MUST_CHECK int usage_new(const struct config *config, struct usage **ret_usage, struct capture_error *ret_error);
/* Detaches and unloads. Takes NULL. */
void usage_free(struct usage *usage);

/* Is a family counted? */
bool usage_has(const struct usage *usage, enum usage_family family);
/* Why a family that is switched on is not told, or not whole; "" when it is. */
const char *usage_missing(const struct usage *usage, enum usage_family family);
/* Are waits in page faults told with USAGE_SCHEDULER? */
bool usage_has_faults(const struct usage *usage);
/* "cpu", or "" for the v2 tree. */
const char *usage_controller(const struct usage *usage);
/* Whose ids details of USAGE_DETAIL_BLOCK have: "blkio", or "" for the v2 tree. */
const char *usage_block_controller(const struct usage *usage);

/* Every cgroup that has had a thread and was not forgotten; a callback may forget the one at hand. */
MUST_CHECK int usage_each_cpu(struct usage *usage,
			      void (*visit)(void *ctx, uint64_t cgroup, const struct usage_cpu *cpu), void *ctx);
MUST_CHECK int usage_each_events(struct usage *usage,
				 void (*visit)(void *ctx, uint64_t cgroup, const struct usage_events *events),
				 void *ctx);
MUST_CHECK int usage_each_detail(struct usage *usage, void (*visit)(void *ctx, const struct usage_detail *detail),
				 void *ctx);
#define USAGE_PATH_MAX 256

/* Takes the path of a cgroup whose first thread came after the start; true once, when it is known. */
bool usage_take_path(struct usage *usage, uint64_t cgroup, char ret_path[USAGE_PATH_MAX]);
/* The cgroup is gone and its figures are kept elsewhere; the second, where the block controller has ids of its own. */
void usage_forget(struct usage *usage, uint64_t cgroup);
void usage_forget_block(struct usage *usage, uint64_t cgroup);
/* Looks for threads that the hooks missed. */
void usage_repair(struct usage *usage);

/* Tells the round-trip times of connections that are open, once a minute. Each call looks at some thousand open files
 * of the host's processes, at most: to be called once a second. */
void usage_look_at_connections(struct usage *usage, uint64_t now_ns);

#define USAGE_LOSSES_MAX 8

struct usage_losses {
	struct capture_counter lost[USAGE_LOSSES_MAX];
	size_t count;
};

MUST_CHECK int usage_read_losses(struct usage *usage, struct usage_losses *ret_losses);
void usage_each_map(struct usage *usage, void (*visit)(void *ctx, const struct capture_map *map), void *ctx);
void usage_each_program(struct usage *usage, void (*visit)(void *ctx, const struct capture_program *program),
			void *ctx);
