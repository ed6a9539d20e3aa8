/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1 against any bytes, gaps, losses and ends, in both flows and any order. What must always hold is asserted here;
 * what is right for sound bytes is for the golden cases.
 * Input: a byte that says how the connection ends, then records of {kind, length, bytes}. The corpus has the golden
 * cases in this form, and under found-* what the fuzzer added to their coverage.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

#define BIT_RESPONSE 0x01
#define BIT_NO_WAIT 0x02
#define BIT_KNOWN 0x04 /* peer_position is told */
#define KIND(byte) ((byte) >> 4 & 7)
#define PIPELINE_MAX 1024
#define REQUEST_MEMORY_MAX (256 + 1024 + 255 + 740 + KEEP_QUERY_BYTES + KEEP_FIELDS_BYTES)
#define MEMORY_MAX (1024 + 2 * 2048 + PIPELINE_MAX * REQUEST_MEMORY_MAX)

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
	int active;
	bool ended[2];
	bool dead[2];
	bool opaque;
	bool asked;
};

static const char *const query_keys[] = { "a", "q", "token" };
static const struct keep keep = {
	.fields = { { { "host", 4, "host" }, { "x", 1, "x" }, { "referer", 7, "referer" } },
		    { { "server", 6, "server" } } },
	.field_counts = { 3, 1 },
	.letters = { 1u << ('h' & 31) | 1u << ('x' & 31) | 1u << ('r' & 31), 1u << ('s' & 31) },
	.query_keys = query_keys,
	.query_key_count = 3,
};

static void check_kept(const struct world *world, const struct http_facts *http)
{
	struct text rest = http->fields;
	struct kept_field field;

	assert(world->sink.keep || http->query.length + http->fields.length == 0);
	assert(http->query.length <= KEEP_QUERY_BYTES && http->fields.length <= KEEP_FIELDS_BYTES);
	assert(memchr(http->query.data ? http->query.data : "", '#', http->query.length) == NULL);
	while (kept_next(&rest, &field)) {
		assert(field.side < KEEP_SIDE_COUNT && field.index < keep.field_counts[field.side]);
		assert(field.value.length > 0 && field.value.length <= KEEP_VALUE_BYTES);
		assert(field.index != 2 || memchr(field.value.data, '?', field.value.length) == NULL);
	}
	assert(rest.length == 0);
}

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	assert(!world->opaque);
	assert(exchange->protocol == PROTOCOL_HTTP1);
	assert(exchange->request_first_ns != 0 && exchange->request_first_ns <= world->time_ns);
	assert(exchange->response_first_ns == 0 || exchange->response_first_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns >= exchange->response_first_ns);
	assert(exchange->response_last_ns >= exchange->request_first_ns);
	assert(exchange->response_last_ns <= world->time_ns);
	assert(exchange->http.path.length <= 1024 && exchange->http.host.length <= 255);
	assert(exchange->error != EXCHANGE_COMPLETE || exchange->http.status >= 101);
	assert(exchange->request_body_bytes <= world->crossed[FLOW_REQUEST]);
	assert(exchange->response_body_bytes <= world->crossed[FLOW_RESPONSE]);
	check_kept(world, &exchange->http);
	if (exchange->http.path.length > 0)
		assert(memchr(exchange->http.path.data, '?', exchange->http.path.length) == NULL);
}

static void on_begin(void *ctx, struct exchange *exchange)
{
	(void)ctx;
	assert(exchange->http.method_original.length <= 32);
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct world *world = ctx;

	assert(position - world->position[flow] > 0 && position - world->position[flow] <= 1u << 31);
	world->asked = true;
}

static void on_active(void *ctx, enum http_method method, int change)
{
	struct world *world = ctx;

	assert((unsigned int)method < HTTP_METHOD_COUNT);
	assert(change == 1 || change == -1);
	world->active += change;
	assert(world->active >= 0 && world->active <= PIPELINE_MAX);
}

static void answer(struct world *world, enum proto_flow flow, const struct proto_chunk *chunk, enum proto_status status,
		   size_t consumed)
{
	assert(consumed <= chunk->length);
	assert(status != PROTO_OK || consumed == chunk->length);
	assert(status != PROTO_WAIT || !chunk->no_wait);
	assert(!world->opaque || (status == PROTO_OPAQUE && consumed == 0));
	assert(!world->dead[flow] || status == PROTO_MALFORMED || status == PROTO_OPAQUE);
	if (status == PROTO_OPAQUE)
		world->opaque = true;
	if (status == PROTO_MALFORMED)
		world->dead[flow] = true;
	if (status == PROTO_LOST)
		http1_ops.lost(world->state, &world->sink, flow);
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
		status = http1_ops.feed(world->state, &world->sink, flow, &chunk, &consumed);
		answer(world, flow, &chunk, status, consumed);
		chunk.data = chunk.data ? chunk.data + consumed : NULL;
		chunk.length -= consumed;
		chunk.position += (uint32_t)consumed;
		world->position[flow] = chunk.position;
		chunk.no_wait = true;
	}
	world->position[flow] = chunk.position + (uint32_t)chunk.length;
	assert(http1_ops.memory(world->state) <= MEMORY_MAX);
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
		http1_ops.lost(world->state, &world->sink, flow);
		break;
	case KIND_END:
		if (!world->ended[flow])
			http1_ops.end(world->state, &world->sink, flow, world->time_ns);
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
	size_t length = size < 2 * http1_ops.detect_max ? size : 2 * http1_ops.detect_max;
	enum proto_detect whole = http1_ops.detect(data, length);

	assert(length < http1_ops.detect_max || whole != DETECT_MORE);
	/* What is decided stays decided. */
	for (size_t i = 0; i < length; i += 1 + i / 16) {
		enum proto_detect part = http1_ops.detect(data, i);

		assert(part == DETECT_MORE || part == whole || i >= http1_ops.detect_max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .time_ns = 1, .position = { 0xffffff00, 77 } };

	if (size < 1)
		return 0;
	check_detect(data + 1, size - 1);
	/* Half of the inputs: something is kept, too. */
	world.sink = (struct proto_sink){
		.ctx = &world,
		.exchange = on_exchange,
		.skip_until = on_skip_until,
		.active = on_active,
		.losses = &world.losses,
		.begin = data[0] & 0x80 ? on_begin : NULL,
		.keep = data[0] & 0x80 ? &keep : NULL,
	};
	world.state = http1_ops.state_new();
	if (!world.state)
		return 0;
	for (size_t at = 1; at + 2 <= size;) {
		size_t length = data[at + 1];
		uint8_t kind = data[at];

		at += 2;
		if (length > size - at)
			length = size - at;
		world.time_ns++;
		play(&world, kind, data + at, length);
		if (KIND(kind) == KIND_BYTES || KIND(kind) > KIND_JUMP)
			at += length;
	}
	world.time_ns++;
	world.opaque = false;
	http1_ops.close(world.state, &world.sink, data[0] % 3, world.time_ns);
	assert(world.active == 0);
	http1_ops.state_free(world.state);
	return 0;
}
