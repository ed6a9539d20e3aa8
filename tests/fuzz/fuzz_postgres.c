/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's protocol against any bytes, gaps, losses and ends, in both flows and any order. What must always hold is
 * asserted here; what is right for sound bytes is for the golden cases. Input: a byte that says how the connection
 * ends, then records of {kind, length, bytes}. The corpus has the golden cases in this form, and under found-* what the
 * fuzzer added to their coverage.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

#define BIT_RESPONSE 0x01
#define BIT_NO_WAIT 0x02
#define BIT_KNOWN 0x04 /* peer_position is told */
#define KIND(byte) ((byte) >> 4 & 7)
#define MEMORY_MAX (KEEP_STATEMENT_BYTES + 512 + 8192 * 80 + 512 * 24 + 4096)

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
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	uint64_t time_ns;
	uint32_t position[2];
	uint64_t crossed[2];
	bool ended[2];
	bool dead[2];
	bool opaque;
	bool asked;
};

static const struct keep keep = { .query_text = true };

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	assert(!world->opaque);
	assert(exchange->protocol == PROTOCOL_POSTGRESQL);
	assert(exchange->request_first_ns != 0 && exchange->request_first_ns <= world->time_ns);
	assert(exchange->response_first_ns == 0 || exchange->response_first_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns >= exchange->response_first_ns);
	assert(exchange->response_last_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns <= world->time_ns);
	assert(exchange->db.operation.length <= 32 && exchange->db.collection.length <= 127);
	assert(exchange->db.summary.length <= 255 && exchange->db.name_space.length <= 63);
	assert(exchange->db.query_text.length <= (world->sink.keep ? KEEP_STATEMENT_BYTES : 0));
	assert(exchange->db.status.length <= 5 && !memchr(exchange->db.status.data, 0, exchange->db.status.length));
	assert(exchange->error == EXCHANGE_COMPLETE || exchange->db.status.length == 0);
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct world *world = ctx;

	assert(position - world->position[flow] > 0 && position - world->position[flow] <= 1u << 31);
	world->asked = true;
}

static void on_active(void *ctx, enum http_method method, int change)
{
	(void)ctx;
	(void)method;
	(void)change;
	assert(false);
}

static void on_transaction(void *ctx, const struct db_transaction *transaction)
{
	struct world *world = ctx;

	assert(transaction->duration_ns <= world->time_ns);
	assert(transaction->idle_ns <= world->time_ns);
	assert(transaction->name_space.length <= 63);
}

static void answer(struct world *world, enum proto_flow flow, const struct proto_chunk *chunk, enum proto_status status,
		   size_t consumed)
{
	assert(consumed <= chunk->length);
	assert(status != PROTO_OK || consumed == chunk->length);
	assert(status != PROTO_WAIT || !chunk->no_wait);
	assert(!world->opaque || ((status == PROTO_OPAQUE || status == PROTO_ENCRYPTED) && consumed == 0));
	assert(!world->dead[flow] || status == PROTO_MALFORMED || status == PROTO_OPAQUE || status == PROTO_ENCRYPTED);
	if (status == PROTO_OPAQUE || status == PROTO_ENCRYPTED)
		world->opaque = true;
	if (status == PROTO_MALFORMED)
		world->dead[flow] = true;
	if (status == PROTO_LOST)
		postgres_ops.lost(world->state, &world->sink, flow);
}

static void feed(struct world *world, enum proto_flow flow, const uint8_t *data, size_t length, uint8_t kind)
{
	struct proto_chunk chunk = {
		.data = data,
		.length = length,
		.time_ns = world->time_ns,
		.position = world->position[flow],
		.peer_position = kind & BIT_KNOWN ? world->position[!flow] : 0,
		.missing = !data && kind & 8,
		.no_wait = kind & BIT_NO_WAIT,
	};
	size_t consumed = SIZE_MAX;
	enum proto_status status = PROTO_WAIT;

	if (world->ended[flow])
		return;
	world->crossed[flow] += length;
	while (status == PROTO_WAIT) {
		status = postgres_ops.feed(world->state, &world->sink, flow, &chunk, &consumed);
		answer(world, flow, &chunk, status, consumed);
		chunk.data = chunk.data ? chunk.data + consumed : NULL;
		chunk.length -= consumed;
		chunk.position += (uint32_t)consumed;
		world->position[flow] = chunk.position;
		chunk.no_wait = true;
	}
	world->position[flow] = chunk.position + (uint32_t)chunk.length;
	assert(postgres_ops.memory(world->state) <= MEMORY_MAX);
}

/* A small piece many times over makes what no short input could: large heads, deep pipelines. */
static void feed_repeated(struct world *world, enum proto_flow flow, const uint8_t *data, size_t length, uint8_t kind)
{
	static uint8_t bytes[16384];
	size_t filled = 0;

	while (length > 0 && filled + length <= sizeof(bytes)) {
		memcpy(bytes + filled, data, length);
		filled += length;
	}
	feed(world, flow, bytes, filled, kind);
}

static void play(struct world *world, uint8_t kind, const uint8_t *data, size_t length)
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
		postgres_ops.lost(world->state, &world->sink, flow);
		break;
	case KIND_END:
		if (!world->ended[flow])
			postgres_ops.end(world->state, &world->sink, flow, world->time_ns);
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

static void check_detect(const uint8_t *data, size_t size)
{
	size_t length = size < 2 * postgres_ops.detect_max ? size : 2 * postgres_ops.detect_max;
	enum proto_detect whole = postgres_ops.detect(data, length);

	assert(length < postgres_ops.detect_max || whole != DETECT_MORE);
	/* What is decided stays decided. */
	for (size_t i = 0; i < length; i += 1 + i / 16) {
		enum proto_detect part = postgres_ops.detect(data, i);

		assert(part == DETECT_MORE || part == whole || i >= postgres_ops.detect_max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct db_session session;
	void *shared;
	struct world world = { .time_ns = 1, .position = { 0xffffff00, 77 } };

	if (size < 1)
		return 0;
	check_detect(data + 1, size - 1);
	world.sink = (struct proto_sink){
		.ctx = &world,
		.exchange = on_exchange,
		.skip_until = on_skip_until,
		.active = on_active,
		.losses = &world.losses,
		.transaction = on_transaction,
		.keep = data[0] & 0x80 ? &keep : NULL,
	};
	world.state = postgres_ops.state_new();
	shared = postgres_ops.shared_new(1);
	if (!world.state || !shared)
		abort();
	postgres_ops.join(world.state, shared);
	for (size_t at = 1; at + 2 <= size;) {
		size_t length = data[at + 1];
		uint8_t kind = data[at];

		at += 2;
		if (length > size - at)
			length = size - at;
		world.time_ns++;
		if (postgres_ops.session(world.state, &session))
			assert(session.state < DB_SESSION_STATE_COUNT);
		play(&world, kind, data + at, length);
		if (KIND(kind) == KIND_BYTES || KIND(kind) > KIND_JUMP)
			at += length;
	}
	world.time_ns++;
	world.opaque = false;
	postgres_ops.close(world.state, &world.sink, data[0] % 3, world.time_ns);
	(void)postgres_ops.session(world.state, &session);
	postgres_ops.state_free(world.state);
	postgres_ops.shared_free(shared);
	return 0;
}
