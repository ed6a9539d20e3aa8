/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one cgroup took of the host, as the kernel side counted it: its own threads alone, not those of cgroups below.
 */
#pragma once

#include <stdint.h>

/* Bucket 0: up to 2^LOWEST_EXPONENT s; n: (2^(LOWEST_EXPONENT+n-1), 2^(LOWEST_EXPONENT+n)] s; the last: all above. */
#define USAGE_LATENCY_BUCKETS 32
#define USAGE_LATENCY_LOWEST_EXPONENT (-20)

struct usage_latency {
	uint64_t sum_ns;
	uint64_t counts[USAGE_LATENCY_BUCKETS]; /* not cumulative */
};

struct usage_cpu {
	uint64_t run_ns;
	uint64_t involuntary; /* switches */
	uint64_t migrations;
	struct usage_latency wait;
};
