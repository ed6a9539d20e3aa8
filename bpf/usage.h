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

#include "fault_wait.h"

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
	__u64 fault_wait_ns;       /* in major page faults */
	struct latency_value wait; /* for a CPU, ready to run */
};
_Static_assert(sizeof(struct cpu_usage) == 296, "cpu_usage");

/* What the kernel's own account of a thread said when it was last added to its cgroup; counts by their lower half. With
 * more than 48 bytes the kernel takes the next larger piece of memory for each thread. */
struct task_account {
	__u64 run_ns;
	__u64 wait_ns;
	__u32 involuntary;
	__u32 migrations;
	struct fault_wait fault;
};
_Static_assert(sizeof(struct task_account) == 48, "task_account");

/* Who a thread reclaims memory for: the host is short of it, or its cgroup is at its limit. */
enum reclaim_scope {
	RECLAIM_HOST,
	RECLAIM_CGROUP,
	RECLAIM_SCOPES,
};

/* Why a TCP connection that a process asked for did not come about. */
enum connect_failure {
	CONNECT_REFUSED,
	CONNECT_TIMEOUT,
	CONNECT_UNREACHABLE,
	CONNECT_ABORTED, /* the process closed the socket before */
	CONNECT_OTHER,
	CONNECT_FAILURES,
};

/* What is rare beside switches: of one cgroup on all CPUs, written by atomic additions. */
struct event_usage {
	__u64 reclaims[RECLAIM_SCOPES];
	__u64 reclaim_ns[RECLAIM_SCOPES];
	__u64 retransmits; /* segments */
	__u64 resets_sent;
	__u64 resets_received;
	__u64 accept_drops; /* connections that a listening socket dropped */
	__u64 connect_failures[CONNECT_FAILURES];
	__u64 sent_bytes; /* of connections that are over */
	__u64 received_bytes;
	struct latency_value connect;
	struct latency_value round_trip;      /* of connections that are over */
	struct latency_value open_round_trip; /* of those that are open, each time they are looked at */
};
_Static_assert(sizeof(struct event_usage) == 912, "event_usage");

/* Figures of a cgroup that are told apart by more: a device and an operation, or the name of a process. */
enum detail_kind {
	DETAIL_BLOCK,
	DETAIL_OOM_KILL,
};

enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_OTHER,
};

struct detail_key {
	__u64 cgroup;
	__u32 kind;
	__u32 operation; /* enum block_operation */
	__u32 major;
	__u32 minor;
	__u8 name[16]; /* of the victim, zero-padded */
};
_Static_assert(sizeof(struct detail_key) == 40, "detail_key");

struct detail_value {
	__u64 errors;
	struct latency_value latency; /* OOM kills: bucket 0 counts */
};
_Static_assert(sizeof(struct detail_value) == 272, "detail_value");

/* A listening socket. */
struct listening {
	__u64 cgroup;
	__u32 drops; /* of sk_drops, those that were added to the cgroup */
	__u32 reserved;
};
_Static_assert(sizeof(struct listening) == 16, "listening");

/* A TCP connection that is being made. */
struct connecting {
	__u64 start_ns;
	__u64 cgroup;
};
_Static_assert(sizeof(struct connecting) == 16, "connecting");

#define CGROUP_NAME_BYTES 256

/* The path of a cgroup, from its first thread until user space has taken it: it may be gone by then. */
struct cgroup_name {
	__u8 path[CGROUP_NAME_BYTES];
};
_Static_assert(sizeof(struct cgroup_name) == 256, "cgroup_name");

/* What could not be counted, one per-CPU array. */
enum usage_loss {
	USAGE_LOST_TASK,    /* a thread without an account: unseen birth, or no memory */
	USAGE_LOST_CGROUP,  /* a cgroup without a record: no memory, or too many cgroups */
	USAGE_LOST_RECLAIM, /* the start of a reclaim was not remembered: too many at once */
	USAGE_LOST_SOCKET,  /* a connection or a listening socket found no room */
	USAGE_LOST_OWNER,   /* something happened to a socket of which nobody knows whose it is */
	USAGE_LOST_DETAIL,  /* no room for one more device, operation or victim */
	USAGE_LOST_REQUEST, /* a block request without a start time: the device's iostats are off */
	USAGE_LOSS_COUNT,
};

#endif
