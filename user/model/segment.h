/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment: the bytes that crossed one direction of one connection in one system call (or one kernel function call),
 * known only when the call has returned, by its return value. One call may be told in several segments (I/O vectors,
 * large captures): their positions follow each other. Made by load from the kernel's events, read by stream.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/connection.h"

struct segment {
	uint64_t conn_id;
	uint64_t time_ns; /* CLOCK_MONOTONIC when the call returned */
	uint32_t tgid;    /* process and thread that made the call; initial pid namespace */
	uint32_t tid;
	uint32_t goroutine; /* of a process of Go 1.18 or later: its own within the process; 0: not known */
	enum direction direction;
	uint32_t position;        /* of the first byte, modulo 2^32: TCP's own sequence numbers, a counter for unix */
	uint32_t peer_position;   /* the other direction's position at this moment (TCP only, else 0) */
	uint32_t length;          /* bytes that crossed; 0 with an end of stream read by the process */
	uint32_t captured_offset; /* data[0] is the byte at position + captured_offset */
	uint32_t captured_length; /* bytes at data; captured_offset + captured_length <= length */
	bool reached;             /* length is not known (0): all that comes before `position` has been read, unseen */
	const uint8_t *data;      /* borrowed: valid during the call that hands the segment over */
};

/*
 * What stream tells the kernel about a connection, so that bytes nobody needs are not copied. Requests are hints: they
 * take effect for later calls, segments already on their way still come. Implemented by load, by a fake in tests.
 */
struct capture_control {
	void *ctx;
	/* Bytes of this direction before `position` are not needed (a body of known length). The kernel stays silent
	 * until a call crosses or reaches `position`; that call's segment is delivered (with what lies beyond
	 * captured). */
	void (*skip_until)(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position);
	/* Of each call of this direction its last bytes are enough, as long as the other direction stands at `other`.
	 */
	void (*ends_only)(void *ctx, uint64_t conn_id, enum direction direction, uint32_t other);
	/* Nothing more of this connection is needed: count its bytes in the kernel, tell them with its end. */
	void (*mute)(void *ctx, uint64_t conn_id);
	/* The connection's protocol is known, and read. May be NULL. */
	void (*recognised)(void *ctx, uint64_t conn_id);
};
