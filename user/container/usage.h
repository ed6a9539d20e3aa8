/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the kernel knows of containers and services: how long their threads waited, how often they were pushed
 * aside. Takes the kernel side's figures of each cgroup, adds those of cgroups inside a container to the container's,
 * keeps what cgroups that are gone have used, and tells it all as families of metrics.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "container/container.h"
#include "model/snapshot.h"
#include "model/usage.h"

struct usage_table;

/* The kernel side, as the table needs it. */
struct usage_source {
	void *ctx;
	int (*each_cpu)(void *ctx, void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_cpu *cpu),
			void *visit_ctx);
	int (*each_events)(void *ctx,
			   void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_events *events),
			   void *visit_ctx);
	int (*each_detail)(void *ctx, void (*visit)(void *visit_ctx, const struct usage_detail *detail),
			   void *visit_ctx);
	/* The path of a cgroup that the kernel side saw being born: true when it knows it, asked once. */
	bool (*take_path)(void *ctx, uint64_t cgroup, char *ret_path, size_t size);
	void (*forget)(void *ctx, uint64_t cgroup);
	void (*forget_block)(void *ctx, uint64_t cgroup); /* where the block controller has a tree of its own */
};

struct usage_table_config {
	const char *mounts;           /* "/proc/self/mounts" */
	const char *sysfs;            /* "/sys"; borrowed */
	const char *controller;       /* v1 controller whose hierarchy the cgroups are of; "" for v2 */
	const char *block_controller; /* the same for block requests */
	struct usage_source source;
	const struct container_table *cgroups; /* borrowed: for labels; NULL: the id alone */
	bool scheduler, memory, block, tcp;    /* what is told */
	bool faults;                           /* with the scheduler's */
	size_t limit;                          /* cgroups, and containers, at most */
	uint64_t keep_gone_ns;                 /* how long a container that is gone is still told */
	size_t gone_max;                       /* of them, so many at most: the first to go leave first */
	uint64_t hash_seed;
	bool native_histograms;
};

MUST_CHECK int usage_table_new(const struct usage_table_config *config, struct usage_table **ret_table);
/* Takes NULL. */
void usage_table_free(struct usage_table *table);

/* Reads the kernel side and looks which cgroups are gone: before a walk, and now and then without one. `now_ns` is
 * CLOCK_MONOTONIC. */
void usage_table_refresh(struct usage_table *table, uint64_t now_ns);
/* Families of metrics. The table is the ctx. */
struct snapshot_source usage_table_source(struct usage_table *table);
