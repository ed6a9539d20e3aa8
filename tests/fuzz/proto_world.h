/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A protocol against any bytes, gaps, losses and ends, in both flows and any order: what all fuzz targets of protocols
 * share. What must always hold is asserted, here for each protocol, in the target for its own; what is right for sound
 * bytes is for the golden cases.
 * Input: a byte that says how the connection ends, its highest bit for the target to use, then records of {kind,
 * length, bytes}. The corpora have the golden cases in this form, and under found-* what the fuzzer added to their
 * coverage.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

#define BIT_TARGET 0x80 /* of the input's first byte */
#define BIT_RESPONSE 0x01
#define BIT_NO_WAIT 0x02
#define BIT_KNOWN 0x04   /* peer_position is told */
#define BIT_MISSING 0x08 /* of a gap */
#define KIND(byte) ((byte) >> 4 & 7)

enum kind {
	KIND_BYTES,
	KIND_GAP,
	KIND_BIG_GAP,
	KIND_LOST,
	KIND_END,
	KIND_JUMP, /* bytes that were never offered */
	KIND_REPEAT,
};

struct world {
	const struct proto_ops *ops;
	size_t memory_max;     /* of the connection's state; or it is */
	size_t memory_of_byte; /* that much more for each byte of requests */
	void (*check)(const struct world *world, const struct exchange *exchange); /* what holds for this protocol */
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	uint64_t time_ns;
	uint32_t position[2];
	uint64_t crossed[2];
	bool ended[2];
	bool dead[2];
	bool opaque;
};

static inline void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	assert(!world->opaque);
	assert(exchange->protocol == world->ops->protocol);
	assert(exchange->request_first_ns != 0 && exchange->request_first_ns <= world->time_ns);
	assert(exchange->response_first_ns == 0 || exchange->response_first_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns >= exchange->response_first_ns);
	assert(exchange->response_last_ns == 0 || exchange->response_last_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns <= world->time_ns);
	world->check(world, exchange);
}

static inline void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct world *world = ctx;

	assert(position - world->position[flow] > 0 && position - world->position[flow] <= 1u << 31);
}

/* Of protocols that have no such gauge. */
static inline void on_active(void *ctx, enum http_method method, int change)
{
	(void)ctx, (void)method, (void)change;
	assert(false);
}

static inline bool is_over(enum proto_status status)
{
	return status == PROTO_OPAQUE || status == PROTO_ENCRYPTED;
}

static inline void answer(struct world *world, enum proto_flow flow, const struct proto_chunk *chunk,
			  enum proto_status status, size_t consumed)
{
	assert(consumed <= chunk->length);
	assert(status != PROTO_OK || consumed == chunk->length);
	assert(status != PROTO_WAIT || !chunk->no_wait);
	assert(status != PROTO_ENCRYPTED || world->ops->protocol == PROTOCOL_POSTGRESQL);
	assert(!world->opaque || (is_over(status) && consumed == 0));
	assert(!world->dead[flow] || status == PROTO_MALFORMED || is_over(status));
	if (is_over(status))
		world->opaque = true;
	if (status == PROTO_MALFORMED)
		world->dead[flow] = true;
	if (status == PROTO_LOST)
		world->ops->lost(world->state, &world->sink, flow);
}

static inline void feed(struct world *world, enum proto_flow flow, const uint8_t *data, size_t length, uint8_t kind)
{
	struct proto_chunk chunk = {
		.data = data,
		.length = length,
		.time_ns = world->time_ns,
		.position = world->position[flow],
		.peer_position = kind & BIT_KNOWN ? world->position[!flow] : 0,
		.missing = !data && kind & BIT_MISSING,
		.no_wait = kind & BIT_NO_WAIT,
	};
	size_t consumed = SIZE_MAX;
	enum proto_status status = PROTO_WAIT;

	if (world->ended[flow])
		return;
	world->crossed[flow] += length;
	while (status == PROTO_WAIT) {
		status = world->ops->feed(world->state, &world->sink, flow, &chunk, &consumed);
		answer(world, flow, &chunk, status, consumed);
		chunk.data = chunk.data ? chunk.data + consumed : NULL;
		chunk.length -= consumed;
		chunk.position += (uint32_t)consumed;
		world->position[flow] = chunk.position;
		chunk.no_wait = true;
	}
	world->position[flow] = chunk.position + (uint32_t)chunk.length;
	assert(world->ops->memory(world->state) <=
	       world->memory_max + world->memory_of_byte * world->crossed[FLOW_REQUEST]);
}

/* A small piece many times over makes what no short input could: large heads, deep pipelines. */
static inline void feed_repeated(struct world *world, enum proto_flow flow, const uint8_t *data, size_t length,
				 uint8_t kind)
{
	static uint8_t bytes[16384];
	size_t filled = 0;

	while (length > 0 && filled + length <= sizeof(bytes)) {
		memcpy(bytes + filled, data, length);
		filled += length;
	}
	feed(world, flow, bytes, filled, kind);
}

static inline void play(struct world *world, uint8_t kind, const uint8_t *data, size_t length)
{
	enum proto_flow flow = kind & BIT_RESPONSE ? FLOW_RESPONSE : FLOW_REQUEST;
	CLEANUP_FREE uint8_t *exact = NULL;

	switch ((enum kind)KIND(kind)) {
	case KIND_GAP:
		feed(world, flow, NULL, length, kind);
		break;
	case KIND_BIG_GAP:
		feed(world, flow, NULL, (length + 1) << 22, kind);
		break;
	case KIND_LOST:
		world->ops->lost(world->state, &world->sink, flow);
		break;
	case KIND_END:
		if (!world->ended[flow])
			world->ops->end(world->state, &world->sink, flow, world->time_ns);
		world->ended[flow] = true;
		break;
	case KIND_JUMP:
		world->position[flow] += (uint32_t)length << 8;
		break;
	case KIND_REPEAT:
		feed_repeated(world, flow, data, length, kind);
		break;
	default:
		/* A copy of just this length: reading past it is seen. */
		exact = malloc(length + 1);
		if (!exact)
			return;
		memcpy(exact, data, length);
		feed(world, flow, exact, length, kind);
		break;
	}
}

static inline void check_detect(const struct proto_ops *ops, const uint8_t *data, size_t size)
{
	size_t length = size < 2 * ops->detect_max ? size : 2 * ops->detect_max;
	enum proto_detect whole = ops->detect(data, length);

	assert(length < ops->detect_max || whole != DETECT_MORE);
	/* What is decided stays decided. */
	for (size_t i = 0; i < length; i += 1 + i / 16) {
		enum proto_detect part = ops->detect(data, i);

		assert(part == DETECT_MORE || part == whole || i >= ops->detect_max);
	}
}

static inline void check_session(const struct world *world)
{
	struct db_session session;

	if (world->ops->session && world->ops->session(world->state, &session))
		assert(session.state < DB_SESSION_STATE_COUNT);
}

static inline void play_all(struct world *world, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 2 <= size;) {
		size_t length = data[at + 1];
		uint8_t kind = data[at];

		at += 2;
		if (length > size - at)
			length = size - at;
		world->time_ns++;
		check_session(world);
		play(world, kind, data + at, length);
		if (KIND(kind) == KIND_BYTES || KIND(kind) > KIND_JUMP)
			at += length;
	}
}

/* One input, size > 0. `world` has its ops, bounds and check, and of the sink what the target adds; `begun`, which may
 * be NULL, is called with the new state. Returns with the state freed. */
static inline void proto_run(struct world *world, const uint8_t *data, size_t size, void (*begun)(void *state))
{
	void *shared = world->ops->shared_new ? world->ops->shared_new(1) : NULL;

	check_detect(world->ops, data + 1, size - 1);
	world->time_ns = 1;
	world->position[0] = 0xffffff00;
	world->position[1] = 77;
	world->sink.ctx = world;
	world->sink.exchange = on_exchange;
	world->sink.skip_until = on_skip_until;
	world->sink.losses = &world->losses;
	if (!world->sink.active)
		world->sink.active = on_active;
	world->state = world->ops->state_new();
	if (!world->state || (world->ops->shared_new && !shared))
		abort();
	if (shared)
		world->ops->join(world->state, shared);
	if (begun)
		begun(world->state);
	play_all(world, data + 1, size - 1);
	world->time_ns++;
	world->opaque = false;
	world->ops->close(world->state, &world->sink, (data[0] & ~BIT_TARGET) % 3, world->time_ns);
	check_session(world);
	world->ops->state_free(world->state);
	if (shared)
		world->ops->shared_free(shared);
}
