/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beginnings that are not wanted, and are asked for later: the open requests of one process, over all connections, from
 * inside of a callback as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "stream/stream.h"

#define OK "HTTP/1.1 204 No Content\r\n\r\n"

struct seen {
	uint64_t conn_id;
	uint32_t position;
	uint32_t tgid;
	uint16_t remote_port;
	char path[16];
};

struct world {
	struct stream_table *table;
	struct seen seen[8];
	size_t count;
	size_t exchanges;
	uint64_t now_ns;
	uint32_t leaf;  /* whose beginnings are not wanted */
	uint32_t asked; /* whose are asked for when another's begins; 0: nobody's */
};

static void on_begin(void *ctx, const struct exchange *exchange)
{
	struct world *world = ctx;
	struct seen *seen = &world->seen[world->count++];
	uint32_t asked = world->asked;

	assert_true(world->count <= 8);
	world->asked = 0;
	if (asked)
		stream_each_open(world->table, asked);
	/* What was lent for this call still stands. */
	*seen = (struct seen){ exchange->conn_id, exchange->request_position, exchange->tgid, exchange->remote->port,
			       "" };
	assert_true(exchange->http.path.length < sizeof(seen->path));
	memcpy(seen->path, exchange->http.path.data, exchange->http.path.length);
}

static bool is_wanted(void *ctx, uint32_t tgid)
{
	const struct world *world = ctx;

	return tgid != world->leaf;
}

static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct world *world = ctx;

	(void)exchange;
	world->exchanges++;
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	(void)ctx, (void)conn_id, (void)tgid, (void)side, (void)method, (void)change;
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	(void)ctx, (void)report;
}

static void skip_until(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	(void)ctx, (void)conn_id, (void)direction, (void)position;
}

static void mute(void *ctx, uint64_t conn_id)
{
	(void)ctx, (void)conn_id;
}

static void world_init(struct world *world)
{
	struct stream_config config = { .max_connections = 16, .max_bytes = 1 << 20, .hold_ns = 1000 };
	struct stream_callbacks callbacks = {
		.ctx = world,
		.exchange = on_exchange,
		.begin = on_begin,
		.begin_wanted = is_wanted,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .skip_until = skip_until, .mute = mute },
	};

	*world = (struct world){ .leaf = 2 };
	assert_int_equal(stream_table_new(&config, &callbacks, &world->table), 0);
}

static void open_connection(struct world *world, uint64_t conn_id, uint32_t tgid, enum connection_role role)
{
	struct connection_open open = {
		.conn_id = conn_id,
		.local = { .family = AF_INET, .port = 8080 },
		.remote = { .family = AF_INET, .port = (uint16_t)conn_id },
		.role = role,
		.from_start = true,
		.tgid = tgid,
		.position = { 1000, 1000 },
		.shared = true,
	};

	stream_on_open(world->table, &open);
}

static void move(struct world *world, uint64_t conn_id, uint32_t tgid, enum direction direction, uint32_t position,
		 const char *text)
{
	struct segment segment = {
		.conn_id = conn_id,
		.time_ns = ++world->now_ns,
		.tgid = tgid,
		.tid = tgid,
		.direction = direction,
		.position = position,
		.length = (uint32_t)strlen(text),
		.captured_length = (uint32_t)strlen(text),
		.data = (const uint8_t *)text,
	};

	stream_on_segment(world->table, &segment);
}

static void open_requests_are_told_when_asked_for(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	for (uint32_t conn = 1; conn <= 4; conn++)
		open_connection(&world, conn, conn == 3 ? 3 : 2, conn == 4 ? ROLE_CLIENT : ROLE_SERVER);
	/* One is answered, one is open, one is another's, one is a call: those two are wanted. */
	move(&world, 1, 2, DIRECTION_RECEIVE, 1000, "GET /r/1 HTTP/1.1\r\nHost: shop\r\n\r\n");
	move(&world, 1, 2, DIRECTION_SEND, 1000, OK);
	move(&world, 2, 2, DIRECTION_RECEIVE, 1000, "GET /r/2 HTTP/1.1\r\nHost: shop\r\n\r\n");
	move(&world, 3, 3, DIRECTION_RECEIVE, 1000, "GET /r/3 HTTP/1.1\r\nHost: shop\r\n\r\n");
	move(&world, 1, 2, DIRECTION_RECEIVE, 1034, "GET /r/5 HTTP/1.1\r\nHost: sh");
	assert_int_equal(world.exchanges, 1);
	assert_int_equal(world.count, 1);
	assert_string_equal(world.seen[0].path, "/r/3");
	world.asked = 2;
	move(&world, 4, 2, DIRECTION_SEND, 1000, "GET /r/4 HTTP/1.1\r\nHost: shop\r\n\r\n");
	assert_int_equal(world.count, 3);
	assert_string_equal(world.seen[1].path, "/r/4");
	assert_true(world.seen[1].conn_id == 4 && world.seen[1].remote_port == 4);
	assert_string_equal(world.seen[2].path, "/r/2");
	assert_true(world.seen[2].conn_id == 2 && world.seen[2].remote_port == 2);
	assert_true(world.seen[2].tgid == 2 && world.seen[2].position == 1000);
	stream_table_free(world.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_requests_are_told_when_asked_for),
	};

	return cmocka_run_group_tests_name("stream_open", tests, NULL, NULL);
}
