/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See http1_world.h.
 */
#include <stdlib.h>
#include <string.h>

#include "http1_world.h"

static void keep(char *to, size_t size, const struct text *from)
{
	assert_true(from->length < size);
	memcpy(to, from->data, from->length);
	to[from->length] = '\0';
}

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct http1_world *world = ctx;
	struct http1_seen *seen = &world->seen[world->seen_count++];

	assert_true(world->seen_count <= HTTP1_SEEN_MAX);
	seen->exchange = *exchange;
	keep(seen->path, sizeof(seen->path), &exchange->http.path);
	keep(seen->host, sizeof(seen->host), &exchange->http.host);
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct http1_world *world = ctx;

	assert_true(world->asked_count < 64);
	world->asked[world->asked_count++] =
		world->offset[flow] + (uint32_t)(position - (world->start[flow] + (uint32_t)world->offset[flow]));
}

static void on_active(void *ctx, enum http_method method, int change)
{
	struct http1_world *world = ctx;

	(void)method;
	world->active += change;
	assert_true(world->active >= 0);
	if (world->active > world->active_max)
		world->active_max = world->active;
}

void http1_world_init(struct http1_world *world, uint32_t start)
{
	*world = (struct http1_world){ .now_ns = 100, .tgid = 7, .start = { start, start } };
	world->sink = (struct proto_sink){
		.ctx = world,
		.exchange = on_exchange,
		.skip_until = on_skip_until,
		.active = on_active,
		.losses = &world->losses,
	};
	world->seen = calloc(HTTP1_SEEN_MAX, sizeof(*world->seen));
	world->state = http1_ops.state_new();
	assert_non_null(world->seen);
	assert_non_null(world->state);
}

void http1_world_done(struct http1_world *world)
{
	http1_ops.state_free(world->state);
	free(world->seen);
}

static enum proto_status feed(struct http1_world *world, enum proto_flow flow, const char *bytes, size_t length)
{
	struct proto_chunk chunk = {
		.data = (const uint8_t *)bytes,
		.length = length,
		.time_ns = world->now_ns,
		.tgid = world->tgid,
		.tid = world->tgid + 1,
		.position = world->start[flow] + (uint32_t)world->offset[flow],
		.peer_position = world->blind ? 0 : world->start[!flow] + (uint32_t)world->offset[!flow],
		.no_wait = world->no_wait,
	};
	enum proto_status status = http1_ops.feed(world->state, &world->sink, flow, &chunk, &world->consumed);

	assert_true(world->consumed <= length);
	world->offset[flow] += world->consumed;
	world->now_ns += 10;
	return status;
}

enum proto_status http1_world_bytes(struct http1_world *world, enum proto_flow flow, const char *bytes, size_t length)
{
	return feed(world, flow, bytes, length);
}

enum proto_status http1_world_text(struct http1_world *world, enum proto_flow flow, const char *text)
{
	return feed(world, flow, text, strlen(text));
}

enum proto_status http1_world_gap(struct http1_world *world, enum proto_flow flow, size_t length)
{
	return feed(world, flow, NULL, length);
}

void http1_world_close(struct http1_world *world, enum connection_end_reason reason)
{
	http1_ops.close(world->state, &world->sink, reason, world->now_ns);
	assert_int_equal(world->active, 0);
}
