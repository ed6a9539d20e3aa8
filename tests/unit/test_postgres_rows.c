/* SPDX-License-Identifier: Apache-2.0 */
/* Long results of PostgreSQL, of which the ends of calls are seen alone: what is told, and when it is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/proto.h"

#define STARTUP "\0\0\0\x20\0\3\0\0user\0app\0database\0shop\0\0"
#define READY "Z\0\0\0\5I"
#define ROW "D\0\0\0\x0b\0\1\0\0\0\1x"
#define DONE "C\0\0\0\x10SELECT 4242\0"
#define SELECT "Q\0\0\0\x14SELECT * FROM t\0"
#define SIZED(bytes) bytes, sizeof(bytes) - 1

struct world {
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	uint32_t position[2];
	uint64_t now_ns;
	int exchanges, asks;
	struct exchange last;
	char code[8];
};

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	world->exchanges++;
	world->last = *exchange;
	world->code[0] = '\0';
	if (exchange->db.status.length > 0 && exchange->db.status.length < sizeof(world->code)) {
		memcpy(world->code, exchange->db.status.data, exchange->db.status.length);
		world->code[exchange->db.status.length] = '\0';
	}
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	(void)ctx, (void)flow, (void)position;
}

static void on_ends_only(void *ctx, enum proto_flow flow)
{
	assert_int_equal(flow, FLOW_RESPONSE);
	((struct world *)ctx)->asks++;
}

/* `bytes` NULL: they crossed unseen. */
static enum proto_status feed(struct world *world, enum proto_flow flow, const char *bytes, size_t length, bool no_wait)
{
	struct proto_chunk chunk = {
		.data = (const uint8_t *)bytes,
		.length = length,
		.time_ns = world->now_ns += 10,
		.position = world->position[flow],
		.peer_position = world->position[!flow],
		.no_wait = no_wait,
	};
	size_t consumed = 0;
	enum proto_status status = postgres_ops.feed(world->state, &world->sink, flow, &chunk, &consumed);

	assert_true(status != PROTO_OK || consumed == length);
	world->position[flow] += (uint32_t)consumed;
	return status;
}

#define send(world, bytes) assert_int_equal(feed(world, FLOW_REQUEST, SIZED(bytes), false), PROTO_OK)
#define receive(world, bytes) assert_int_equal(feed(world, FLOW_RESPONSE, SIZED(bytes), false), PROTO_OK)
#define unseen(world, length) assert_int_equal(feed(world, FLOW_RESPONSE, NULL, length, false), PROTO_OK)

/* A connection that has asked for rows, has got some, and then only ends of calls. */
static void begin(struct world *world)
{
	*world = (struct world){ .position = { 100, 200 } };
	world->sink = (struct proto_sink){ .ctx = world,
					   .exchange = on_exchange,
					   .skip_until = on_skip_until,
					   .ends_only = on_ends_only,
					   .losses = &world->losses };
	world->state = postgres_ops.state_new();
	assert_non_null(world->state);
	send(world, STARTUP);
	receive(world, "R\0\0\0\x08\0\0\0\0" READY);
	send(world, SELECT);
	receive(world, "T\0\0\0\x06\0\0" ROW ROW "D\0\0");
	unseen(world, 7000);
}

static void end(struct world *world)
{
	postgres_ops.state_free(world->state);
}

static void test_end_is_seen(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	assert_int_equal(world.asks, 1);
	receive(&world, "x of a row" ROW ROW);
	unseen(&world, 7680);
	receive(&world, "xyz" ROW DONE READY);
	assert_int_equal(world.exchanges, 1);
	assert_int_equal(world.last.db.rows, 4242);
	assert_true(world.last.db.rows_known);
	assert_int_equal(world.last.response_last_ns, world.now_ns);
	/* In step again. */
	send(&world, SELECT);
	receive(&world, "T\0\0\0\x06\0\0" ROW "C\0\0\0\x0dSELECT 1\0" READY);
	assert_int_equal(world.exchanges, 2);
	assert_int_equal(world.last.db.rows, 1);
	for (int i = 0; i < STEP_REASON_COUNT; i++)
		assert_int_equal(world.losses.out_of_step[i], 0);
	end(&world);
}

/* Calls end anywhere, also inside of the messages that end the result; short ones are seen whole. */
static void test_every_split(void **state)
{
	static const char last[] = "xyz" ROW DONE READY;

	(void)state;
	for (size_t split = 1; split < sizeof(last) - 1; split++) {
		struct world world;

		begin(&world);
		assert_int_equal(feed(&world, FLOW_RESPONSE, last, split, false), PROTO_OK);
		assert_int_equal(world.exchanges, 0);
		assert_int_equal(feed(&world, FLOW_RESPONSE, last + split, sizeof(last) - 1 - split, false), PROTO_OK);
		assert_int_equal(world.exchanges, 1);
		assert_int_equal(world.last.db.rows, 4242);
		end(&world);
	}
}

static void test_fails_midway(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	receive(&world, "xyz" ROW "E\0\0\0\x13SERROR\0C22012\0\0" READY);
	assert_int_equal(world.exchanges, 1);
	assert_string_equal(world.code, "22012");
	end(&world);
}

/* Copied out: rows are CopyData. */
static void test_copy(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	receive(&world, "d\0\0\0\x06x\n"
			"c\0\0\0\x04"
			"C\0\0\0\x0e"
			"COPY 4242\0" READY);
	assert_int_equal(world.exchanges, 1);
	assert_int_equal(world.last.db.rows, 4242);
	end(&world);
}

/* What a row may hold: the last message alone, one that is too long, one without its NUL, a status that is none. */
static void test_rows_that_look_like_an_end(void **state)
{
	static const char *const rows[] = {
		"xyz" READY,
		"xyz" ROW READY,
		"C\0\0\0\x11SELECT 4242\0" READY,
		"C\0\0\0\x10SELECT 42424" READY,
		"C\0\0\0\x10SELECT 4242\0Z\0\0\0\x05x",
		"C\0\0\0\x10SELECT 4242\0" READY "x",
		"C\0\0\0\x10SELECT 4242\0Q\0\0\0\x04" READY,
	};
	static const size_t lengths[] = { 9, 21, 23, 23, 23, 24, 28 };
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(&world);
		assert_int_equal(feed(&world, FLOW_RESPONSE, rows[i], lengths[i], false), PROTO_OK);
		assert_int_equal(world.exchanges, 0);
		unseen(&world, 100);
		receive(&world, DONE READY);
		assert_int_equal(world.exchanges, 1);
		end(&world);
	}
}

/* A request that is seen before the end waits for it; without patience both are lost, and that is counted. */
static void test_request_meanwhile(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	assert_int_equal(feed(&world, FLOW_REQUEST, SIZED(SELECT), false), PROTO_WAIT);
	receive(&world, DONE READY);
	send(&world, SELECT);
	assert_int_equal(world.exchanges, 1);
	end(&world);

	begin(&world);
	assert_int_equal(feed(&world, FLOW_REQUEST, SIZED(SELECT), true), PROTO_OK);
	assert_int_equal(feed(&world, FLOW_RESPONSE, NULL, 10, false), PROTO_LOST);
	postgres_ops.lost(world.state, &world.sink, FLOW_RESPONSE);
	postgres_ops.close(world.state, &world.sink, END_NORMAL, world.now_ns);
	assert_int_equal(world.exchanges, 0);
	assert_int_equal(world.losses.out_of_step[STEP_REQUEST_LOST], 2);
	end(&world);
}

/* Where more than the rows of one statement is under way, or what is missing was lost, nothing is passed over. */
static void test_not_alone(void **state)
{
	struct proto_chunk lost = { .length = 500, .missing = true };
	struct world world;
	size_t consumed;

	(void)state;
	begin(&world);
	receive(&world, DONE READY);
	send(&world, SELECT SELECT);
	receive(&world, "T\0\0\0\x06\0\0" ROW);
	assert_int_equal(feed(&world, FLOW_RESPONSE, NULL, 500, false), PROTO_LOST);
	end(&world);

	begin(&world);
	lost.position = world.position[FLOW_RESPONSE];
	assert_int_equal(postgres_ops.feed(world.state, &world.sink, FLOW_RESPONSE, &lost, &consumed), PROTO_LOST);
	end(&world);
}

/* The ends of calls are asked for once 64 KiB of rows have come, and once. */
static void test_asks(void **state)
{
	struct world world;
	int asks_before;

	(void)state;
	begin(&world);
	receive(&world, DONE READY);
	send(&world, SELECT);
	receive(&world, "T\0\0\0\x06\0\0");
	asks_before = world.asks;
	for (int i = 0; i < 65536 / 12 - 1; i++)
		receive(&world, ROW);
	assert_int_equal(world.asks, asks_before);
	for (int i = 0; i < 1000; i++)
		receive(&world, ROW);
	assert_int_equal(world.asks, asks_before + 1);
	receive(&world, DONE READY);
	assert_int_equal(world.exchanges, 2);
	end(&world);
}

/* A portal's rows are counted one by one: how many were passed over is not known. */
static void test_rows_not_known(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	receive(&world, DONE READY);
	send(&world, "P\0\0\0\x17\0SELECT * FROM t\0\0\0"
		     "B\0\0\0\x0c\0\0\0\0\0\0\0\0"
		     "E\0\0\0\x09\0\0\0\x13\x88"
		     "S\0\0\0\x04");
	receive(&world, "1\0\0\0\x04"
			"2\0\0\0\x04" ROW ROW);
	unseen(&world, 5000);
	receive(&world, "xyz" ROW "s\0\0\0\x04" READY);
	assert_int_equal(world.exchanges, 2);
	assert_false(world.last.db.rows_known);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_is_seen),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_fails_midway),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_rows_that_look_like_an_end),
		cmocka_unit_test(test_request_meanwhile),
		cmocka_unit_test(test_not_alone),
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_rows_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
