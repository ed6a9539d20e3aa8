/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup was made, or is gone. Plain record, made by load, handed on to container. Borrowed for the call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cgroup_life {
	bool born; /* else: died */
	uint64_t id;
	uint64_t time_ns;   /* CLOCK_MONOTONIC */
	uint32_t hierarchy; /* as /proc/PID/cgroup numbers it; 0: v2 */
	const char *path;   /* NUL-terminated; the kernel cuts it at 1,023 bytes */
	/* What the kernel's account was at a death. */
	bool cpu_known;
	bool memory_known;
	uint64_t cpu_ns;
	uint64_t user_ns; /* by ticks: their proportion is right, their sum is not */
	uint64_t system_ns;
	uint64_t memory_peak_pages;
	uint64_t oom_kills;
};
