/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for tests of stream: a table whose callbacks and capture control only record, and helpers that play the
 * kernel. The fake protocol has no more to it than stream needs: "Q000005hello" is a request with a body of five bytes,
 * "R000002ok" its response, "U" a response until the end, "O" one after which the connection is opaque, "H000100" a
 * request whose parser grows by 100 bytes. It waits for requests, skips bodies, and calls the rest malformed.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/proto.h"
#include "stream/stream.h"

#define WORLD_MAX 256
#define WORLD_HOLD_NS 1000

struct seen_exchange {
	enum side side;
	enum protocol protocol;
	enum exchange_error error;
	uint64_t conn_id;
	uint32_t tgid;
	uint64_t request_bytes;
	uint64_t response_bytes;
	uint64_t request_first_ns;
	uint64_t response_last_ns;
	uint32_t request_position;
	uint16_t status;
	struct endpoint local;
	struct endpoint remote;
};

struct seen_skip {
	uint64_t conn_id;
	enum direction direction;
	uint32_t position;
};

struct world {
	struct stream_table *table;
	struct seen_exchange exchanges[WORLD_MAX];
	size_t exchange_count;
	struct unparsed_report reports[WORLD_MAX];
	size_t report_count;
	struct seen_skip skips[WORLD_MAX];
	size_t skip_count;
	uint64_t mutes[WORLD_MAX];
	size_t mute_count;
	int active;
	uint64_t now_ns;
	uint32_t position[2]; /* where send and receive go on */
	uint32_t tgid;
};

extern const struct proto_ops fake_ops;

/* protocols: NULL for proto_table. */
void world_init_with(struct world *world, struct stream_config config);
/* The fake protocol, room for plenty. */
void world_init(struct world *world);
void world_done(struct world *world);

/* Connection 1, from its start, positions[] = 1000 and 2000. */
void world_open(struct world *world);
/* Likewise, but older than the agent. */
void world_open_old(struct world *world);
/* One segment of connection 1 where the direction goes on. */
void world_receive(struct world *world, const char *bytes);
void world_send(struct world *world, const char *bytes);
/* One segment anywhere. */
void world_segment(struct world *world, enum direction direction, uint32_t position, const char *bytes);
/* `length` bytes crossed, of which the kernel captured `bytes` at `offset`. */
void world_partial(struct world *world, enum direction direction, uint32_t length, uint32_t offset, const char *bytes);
void world_tick(struct world *world, uint64_t pass_ns);
/* Twice hold_ns and more: nothing waits any longer. */
void world_outwait(struct world *world);
void world_end(struct world *world, enum connection_end_kind kind, enum connection_end_reason reason);

uint64_t world_skipped(const struct world *world, enum skip_reason reason);
uint64_t world_steps(const struct world *world, enum out_of_step_reason reason);
/* No byte skipped, nothing out of step. */
void world_assert_lossless(const struct world *world);
