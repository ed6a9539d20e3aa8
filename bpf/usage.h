/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side keeps for each cgroup, and the buckets of its latencies: values of the maps of host.bpf.c, read
 * by user space when scraped. Included on both sides, like events.h: so one bucket function serves both.
 */
#ifndef SONDE_USAGE_H
#define SONDE_USAGE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * One bucket for each doubling. Bucket 0 holds all up to 2^-20 s (0.95 us), bucket n what is in (2^(n-21), 2^(n-20)] s,
 * the last all above 2^10 s. Powers of two of a second, not of a nanosecond: so these are the native histograms'
 * buckets of schema 0, and classic bounds may be any of them. A bound in whole nanoseconds is 10^9 * 2^(n-20), rounded
 * down, which decides the same for integers.
 */
#define LATENCY_BUCKETS 32
#define LATENCY_LOWEST_EXPONENT (-20)

static inline __attribute__((always_inline)) __u32 latency_bound_below(__u32 bucket, __u64 ns)
{
	return ((1000000000ULL << bucket) >> 20) < ns;
}

/* How many of the 31 bounds are below: five steps, no branch, no table. */
static inline __attribute__((always_inline)) __u32 latency_bucket(__u64 ns)
{
	__u32 bucket = latency_bound_below(15, ns) << 4;

	bucket += latency_bound_below(bucket + 7, ns) << 3;
	bucket += latency_bound_below(bucket + 3, ns) << 2;
	bucket += latency_bound_below(bucket + 1, ns) << 1;
	bucket += latency_bound_below(bucket, ns);
	return bucket;
}

struct latency_value {
	__u64 sum_ns;
	__u64 counts[LATENCY_BUCKETS];
};
_Static_assert(sizeof(struct latency_value) == 264, "latency_value");

/* Of one cgroup on one CPU. Written with preemption off, by its CPU alone. */
struct cpu_usage {
	__u64 run_ns;
	__u64 involuntary;
	__u64 migrations;
	struct latency_value wait; /* for a CPU, ready to run */
};
_Static_assert(sizeof(struct cpu_usage) == 288, "cpu_usage");

/* What the kernel's own account of a thread said when it was last added to its cgroup. */
struct task_account {
	__u64 run_ns;
	__u64 wait_ns;
	__u64 involuntary;
	__u64 migrations;
};
_Static_assert(sizeof(struct task_account) == 32, "task_account");

/* What could not be counted, one per-CPU array. */
enum usage_loss {
	USAGE_LOST_TASK,   /* a thread without an account: unseen birth, or no memory */
	USAGE_LOST_CGROUP, /* a cgroup without a record: no memory, or too many cgroups */
	USAGE_LOSS_COUNT,
};

#endif
