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

/* Who threads reclaimed memory for. */
enum usage_reclaim {
	USAGE_RECLAIM_HOST,
	USAGE_RECLAIM_CGROUP,
	USAGE_RECLAIMS,
};

enum usage_connect_failure {
	USAGE_CONNECT_REFUSED,
	USAGE_CONNECT_TIMEOUT,
	USAGE_CONNECT_UNREACHABLE,
	USAGE_CONNECT_ABORTED,
	USAGE_CONNECT_OTHER,
	USAGE_CONNECT_FAILURES,
};

/* What is rarer than switches. */
struct usage_events {
	uint64_t reclaims[USAGE_RECLAIMS];
	uint64_t reclaim_ns[USAGE_RECLAIMS];
	uint64_t retransmits; /* segments */
	uint64_t resets_sent;
	uint64_t resets_received;
	uint64_t accept_drops;
	uint64_t connect_failures[USAGE_CONNECT_FAILURES];
	uint64_t sent_bytes; /* of connections that are over */
	uint64_t received_bytes;
	struct usage_latency connect;
	struct usage_latency round_trip;      /* of connections that are over */
	struct usage_latency open_round_trip; /* of those that are open, once a minute */
};

enum usage_detail_kind {
	USAGE_DETAIL_BLOCK,
	USAGE_DETAIL_OOM_KILL,
};

enum usage_operation {
	USAGE_READ,
	USAGE_WRITE,
	USAGE_FLUSH,
	USAGE_DISCARD,
	USAGE_OTHER,
	USAGE_OPERATIONS,
};

/* Requests to one device, or OOM kills of one name (counts[0]). */
struct usage_detail {
	uint64_t cgroup;
	enum usage_detail_kind kind;
	uint32_t operation;
	uint32_t major, minor;
	char name[17]; /* of the victim */
	uint64_t errors;
	struct usage_latency latency;
};

struct usage_cpu {
	uint64_t run_ns;
	uint64_t involuntary; /* switches */
	uint64_t migrations;
	uint64_t fault_wait_ns; /* in major page faults */
	struct usage_latency wait;
};
