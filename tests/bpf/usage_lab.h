/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in the cgroup of usage_world.h, and what the usage programs tell of it.
 */
#pragma once

#include "usage_world.h"

#define VICTIM "sonde-victim"

struct found {
	uint64_t id;
	struct usage_events events;
	uint64_t kills;
};

static inline void find_events(void *ctx, uint64_t cgroup, const struct usage_events *events)
{
	struct found *found = ctx;

	if (cgroup == found->id)
		found->events = *events;
}

static inline void find_kills(void *ctx, const struct usage_detail *detail)
{
	struct found *found = ctx;

	if (detail->kind == USAGE_DETAIL_OOM_KILL && detail->cgroup == found->id && !strcmp(detail->name, VICTIM))
		found->kills += detail->latency.counts[0];
}

static inline struct found usage_now(const struct world *world)
{
	struct found found = { .id = world->id };

	assert_int_equal(usage_each_events(world->usage, find_events, &found), 0);
	assert_int_equal(usage_each_detail(world->usage, find_kills, &found), 0);
	return found;
}

static inline uint64_t observations(const struct usage_latency *latency)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		sum += latency->counts[i];
	return sum;
}

/* In a child inside the cgroup; returns how it ended. */
static inline int run_inside(const struct world *world, void (*work)(void))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (!pid) {
		enter_world(world);
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}
