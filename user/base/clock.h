/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks, read only at the edges (agent, load): everything else gets its time as a parameter, so that tests
 * own it. CLOCK_MONOTONIC is what bpf_ktime_get_ns tells; the real time is for people and for exported timestamps.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MINUTE (60 * NS_PER_SECOND)

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	/* Cannot fail: both clocks exist on every Linux, and `now` is ours. */
	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* Since the epoch. */
static inline uint64_t clock_realtime_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

/*
 * What to add to CLOCK_MONOTONIC for the time since the epoch. A thread that is held up between its looks at the two
 * clocks would be wrong by that long: the closest of a few looks is taken.
 */
static inline uint64_t clock_epoch_ns(void)
{
	uint64_t closest = UINT64_MAX, epoch_ns = 0;

	for (int look = 0; look < 4 && closest > NS_PER_US; look++) {
		uint64_t before = clock_monotonic_ns(), real = clock_realtime_ns();
		uint64_t took = clock_monotonic_ns() - before;

		if (took < closest) {
			closest = took;
			epoch_ns = real - before - took / 2;
		}
	}
	return epoch_ns;
}
