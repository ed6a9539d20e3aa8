/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recording world of stream's tests.
 */
#include <string.h>
#include <sys/socket.h>

#include "stream_world.h"

static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct world *world = ctx;
	struct seen_exchange *seen = &world->exchanges[world->exchange_count++];

	assert_true(world->exchange_count < WORLD_MAX);
	*seen = (struct seen_exchange){
		.side = exchange->side,
		.protocol = exchange->protocol,
		.error = exchange->error,
		.conn_id = exchange->conn_id,
		.tgid = exchange->tgid,
		.request_bytes = exchange->request_body_bytes,
		.response_bytes = exchange->response_body_bytes,
		.request_first_ns = exchange->request_first_ns,
		.response_last_ns = exchange->response_last_ns,
		.request_position = exchange->request_position,
		.status = exchange->http.status,
		.local = *exchange->local,
		.remote = *exchange->remote,
	};
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	struct world *world = ctx;

	(void)side;
	(void)method;
	assert_int_not_equal(conn_id, 0);
	assert_true(change == 1 || change == -1);
	world->tgid = tgid;
	world->active += change;
	assert_true(world->active >= 0);
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	struct world *world = ctx;

	world->reports[world->report_count++] = *report;
	assert_true(world->report_count < WORLD_MAX);
}

static void on_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	struct world *world = ctx;

	world->skips[world->skip_count++] = (struct seen_skip){ conn_id, direction, position };
	assert_true(world->skip_count < WORLD_MAX);
}

static void on_mute(void *ctx, uint64_t conn_id)
{
	struct world *world = ctx;

	world->mutes[world->mute_count++] = conn_id;
	assert_true(world->mute_count < WORLD_MAX);
}

void world_init_with(struct world *world, struct stream_config config)
{
	struct stream_callbacks callbacks = {
		.ctx = world,
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .ctx = world, .skip_until = on_skip, .mute = on_mute },
	};

	*world = (struct world){ .now_ns = 1000000, .position = { 1000, 2000 } };
	assert_int_equal(stream_table_new(&config, &callbacks, &world->table), 0);
}

void world_init(struct world *world)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };

	world_init_with(world, (struct stream_config){
				       .max_connections = 16,
				       .max_bytes = 1 << 20,
				       .hold_ns = WORLD_HOLD_NS,
				       .hash_seed = 42,
				       .protocols = protocols,
			       });
}

void world_done(struct world *world)
{
	stream_table_free(world->table);
}

static void open_connection(struct world *world, bool from_start)
{
	struct connection_open opened = {
		.conn_id = 1,
		.time_ns = world->now_ns,
		.local = { .family = AF_INET, .port = 80, .address = { 127, 0, 0, 1 } },
		.remote = { .family = AF_INET, .port = 40000, .address = { 127, 0, 0, 2 } },
		.from_start = from_start,
		.tgid = 77,
		.position = { world->position[0], world->position[1] },
	};

	stream_on_open(world->table, &opened);
}

void world_open(struct world *world)
{
	open_connection(world, true);
}

void world_open_old(struct world *world)
{
	open_connection(world, false);
}

static struct segment segment_of(struct world *world, enum direction direction, const char *bytes)
{
	return (struct segment){
		.conn_id = 1,
		.time_ns = ++world->now_ns,
		.tgid = 77,
		.tid = 78,
		.direction = direction,
		.position = world->position[direction],
		.length = (uint32_t)strlen(bytes),
		.captured_length = (uint32_t)strlen(bytes),
		.data = (const uint8_t *)bytes,
	};
}

static void go_on(struct world *world, enum direction direction, const char *bytes)
{
	struct segment segment = segment_of(world, direction, bytes);

	stream_on_segment(world->table, &segment);
	world->position[direction] += segment.length;
}

void world_receive(struct world *world, const char *bytes)
{
	go_on(world, DIRECTION_RECEIVE, bytes);
}

void world_send(struct world *world, const char *bytes)
{
	go_on(world, DIRECTION_SEND, bytes);
}

void world_segment(struct world *world, enum direction direction, uint32_t position, const char *bytes)
{
	struct segment segment = segment_of(world, direction, bytes);

	segment.position = position;
	stream_on_segment(world->table, &segment);
}

void world_partial(struct world *world, enum direction direction, uint32_t length, uint32_t offset, const char *bytes)
{
	struct segment segment = segment_of(world, direction, bytes);

	segment.length = length;
	segment.captured_offset = offset;
	stream_on_segment(world->table, &segment);
	world->position[direction] += length;
}

void world_tick(struct world *world, uint64_t pass_ns)
{
	world->now_ns += pass_ns;
	stream_tick(world->table, world->now_ns);
}

void world_outwait(struct world *world)
{
	unsigned int i;

	for (i = 0; i < 16 && stream_table_waiting(world->table); i++)
		world_tick(world, WORLD_HOLD_NS);
	assert_false(stream_table_waiting(world->table));
}

void world_end(struct world *world, enum connection_end_kind kind, enum connection_end_reason reason)
{
	struct connection_end end = {
		.conn_id = 1,
		.time_ns = ++world->now_ns,
		.kind = kind,
		.reason = reason,
		.positions_known = true,
		.position = { world->position[0], world->position[1] },
	};

	stream_on_end(world->table, &end);
}

uint64_t world_skipped(const struct world *world, enum skip_reason reason)
{
	return stream_table_losses(world->table)->skipped_bytes[reason];
}

uint64_t world_steps(const struct world *world, enum out_of_step_reason reason)
{
	return stream_table_losses(world->table)->out_of_step[reason];
}

void world_assert_lossless(const struct world *world)
{
	unsigned int i;

	for (i = 0; i < SKIP_REASON_COUNT; i++)
		assert_int_equal(world_skipped(world, i), 0);
	for (i = 0; i < STEP_REASON_COUNT; i++)
		assert_int_equal(world_steps(world, i), 0);
}
