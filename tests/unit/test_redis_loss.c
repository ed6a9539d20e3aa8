/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted of pipelines when events are lost: thousands of batches of commands and their replies, of which some
 * are told in part and some not at all, as a ring that is full does it. What was told as calls must be right, command
 * by command; what was not must be counted as lost: all of it where the bytes of one flow were seen, else no more than
 * there was, and no less than the bound that is told allows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "stream/stream.h"

#define ROUNDS 2000
#define COMMANDS_MAX (ROUNDS * 64)
#define TRUSTED_ROUNDS 4
#define HOLD_NS 1000
#define CUT 512

enum fate {
	WHOLE,
	CUT_SHORT,
	DROPPED,
};

struct sent {
	uint32_t request;
	uint32_t reply;
	bool told;
};

struct world {
	struct stream_table *table;
	struct sent *sent; /* in the order of positions; owned */
	size_t count;
	size_t told;
	uint64_t now_ns;
	uint32_t position[2];
	uint32_t random;
	char bytes[2][65536];
	size_t length[2];
};

static struct world world;

static uint32_t pick(uint32_t below)
{
	world.random = world.random * 1664525 + 1013904223;
	return (world.random >> 8) % below;
}

static int by_request(const void *a, const void *b)
{
	uint32_t left = ((const struct sent *)a)->request, right = ((const struct sent *)b)->request;

	return left < right ? -1 : left > right;
}

/* Every call that is told was sent, once, and has the reply that it got. */
static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct sent key = { .request = exchange->request_position };
	struct sent *sent = bsearch(&key, world.sent, world.count, sizeof(key), by_request);

	(void)ctx;
	assert_non_null(sent);
	assert_false(sent->told);
	if (exchange->error == EXCHANGE_COMPLETE)
		assert_int_equal(exchange->response_position, sent->reply);
	sent->told = true;
	world.told++;
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	(void)ctx, (void)conn_id, (void)tgid, (void)side, (void)method, (void)change;
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	(void)ctx, (void)report;
	fail_msg("given up");
}

static void on_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	(void)ctx, (void)conn_id, (void)direction, (void)position;
}

static void on_mute(void *ctx, uint64_t conn_id)
{
	(void)ctx, (void)conn_id;
}

static void begin(uint32_t seed)
{
	struct stream_config config = { .max_connections = 10, .max_bytes = 64 << 20, .hold_ns = HOLD_NS };
	struct stream_callbacks callbacks = {
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .skip_until = on_skip, .mute = on_mute },
	};
	struct connection_open open = { .conn_id = 1, .time_ns = 1, .from_start = true, .role = ROLE_SERVER };

	world = (struct world){ .now_ns = 1000, .random = seed, .sent = calloc(COMMANDS_MAX, sizeof(struct sent)) };
	assert_non_null(world.sent);
	world.position[DIRECTION_RECEIVE] = 1000;
	world.position[DIRECTION_SEND] = 5000;
	open.position[DIRECTION_RECEIVE] = 1000;
	open.position[DIRECTION_SEND] = 5000;
	assert_int_equal(stream_table_new(&config, &callbacks, &world.table), 0);
	stream_on_open(world.table, &open);
}

static void append(enum direction direction, const char *text)
{
	size_t length = strlen(text);

	assert_true(world.length[direction] + length < sizeof(world.bytes[0]));
	memcpy(world.bytes[direction] + world.length[direction], text, length);
	world.length[direction] += length;
}

static void append_string(enum direction direction, unsigned int length)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "$%u\r\n%0*d\r\n", length, (int)length, 7);
	append(direction, text);
}

/* One command and its reply, of one of the kinds that benchmarks send. */
static void add_command(void)
{
	struct sent *sent = &world.sent[world.count++];

	assert_true(world.count <= COMMANDS_MAX);
	sent->request = world.position[DIRECTION_RECEIVE] + (uint32_t)world.length[DIRECTION_RECEIVE];
	sent->reply = world.position[DIRECTION_SEND] + (uint32_t)world.length[DIRECTION_SEND];
	switch (pick(4)) {
	case 0:
		append(DIRECTION_RECEIVE, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n");
		append_string(DIRECTION_RECEIVE, 1 + pick(80));
		append(DIRECTION_SEND, "+OK\r\n");
		break;
	case 1:
		append(DIRECTION_RECEIVE, "*2\r\n$3\r\nGET\r\n");
		append_string(DIRECTION_RECEIVE, 1 + pick(20));
		append_string(DIRECTION_SEND, 1 + pick(80));
		break;
	case 2:
		append(DIRECTION_RECEIVE, "*2\r\n$4\r\nINCR\r\n");
		append_string(DIRECTION_RECEIVE, 1 + pick(20));
		append(DIRECTION_SEND, ":7\r\n");
		break;
	default:
		append(DIRECTION_RECEIVE, "*2\r\n$3\r\nGET\r\n");
		append_string(DIRECTION_RECEIVE, 1 + pick(20));
		append(DIRECTION_SEND, "$-1\r\n");
		break;
	}
}

static void move(enum direction direction, enum fate fate)
{
	uint32_t length = (uint32_t)world.length[direction];
	struct segment segment = {
		.conn_id = 1,
		.time_ns = ++world.now_ns,
		.tgid = 1,
		.tid = 1,
		.direction = direction,
		.position = world.position[direction],
		.peer_position = world.position[!direction],
		.length = length,
		.captured_length = fate == CUT_SHORT && length > CUT ? CUT : length,
		.data = (const uint8_t *)world.bytes[direction],
	};

	world.position[direction] += length;
	if (fate != DROPPED)
		stream_on_segment(world.table, &segment);
	world.length[direction] = 0;
}

/* A batch is read at once and answered at once. Time passes, mostly. */
static void play_round(enum fate requests, enum fate replies)
{
	for (uint32_t i = 1 + pick(64); i > 0; i--)
		add_command();
	move(DIRECTION_RECEIVE, requests);
	move(DIRECTION_SEND, replies);
	for (int i = 0; i < 2 && pick(8) > 0; i++)
		stream_tick(world.table, world.now_ns += 2 * HOLD_NS);
}

/* Ends the connection. What was lost, as counted, and at most. */
static void finish(uint64_t *ret_lost, uint64_t *ret_unseen)
{
	struct connection_end end = {
		.conn_id = 1,
		.kind = END_CLOSED,
		.positions_known = true,
		.position = { world.position[0], world.position[1] },
		.time_ns = world.now_ns + 1,
	};
	const struct stream_losses *losses;

	stream_on_end(world.table, &end);
	for (int i = 0; i < 4; i++)
		stream_tick(world.table, world.now_ns += 2 * HOLD_NS);
	assert_int_equal(stream_table_connections(world.table), 0);
	losses = stream_table_losses(world.table);
	*ret_lost = losses->out_of_step[STEP_RESPONSE_ALONE] + losses->out_of_step[STEP_REQUEST_LOST];
	*ret_unseen = losses->unseen_exchanges_max;
	/* One connection; the shortest command and reply have 11 and 4 bytes. */
	assert_int_equal(losses->unseen_connections, *ret_unseen > 0);
	assert_true(losses->unseen_request_bytes >= *ret_unseen * 11 &&
		    losses->unseen_response_bytes >= *ret_unseen * 4);
	assert_int_equal(losses->unseen_request_bytes > 0, *ret_unseen > 0);
	stream_table_free(world.table);
	free(world.sent);
}

static void nothing_lost_is_all_counted(void **state)
{
	uint64_t lost, unseen;

	(void)state;
	begin(1);
	for (int round = 0; round < ROUNDS; round++)
		play_round(WHOLE, WHOLE);
	finish(&lost, &unseen);
	assert_int_equal(world.told, world.count);
	assert_int_equal(lost + unseen, 0);
}

/* Each round one flow may lose bytes; not two rounds in turn all of them. */
static void play_one_sided(uint32_t seed, bool flows_change, uint64_t *ret_lost, uint64_t *ret_unseen)
{
	bool requests = seed & 1, dropped = false;

	begin(seed);
	for (int round = 0; round < ROUNDS; round++) {
		enum fate fate = round < TRUSTED_ROUNDS ? WHOLE : pick(dropped ? 2 : 3);

		dropped = fate == DROPPED;
		if (flows_change && fate != DROPPED)
			requests = pick(2);
		play_round(requests ? fate : WHOLE, requests ? WHOLE : fate);
	}
	finish(ret_lost, ret_unseen);
}

static void what_one_flow_lost_the_other_tells(void **state)
{
	uint64_t lost, unseen;

	(void)state;
	for (uint32_t seed = 1; seed <= 10; seed++) {
		play_one_sided(seed, false, &lost, &unseen);
		assert_true(world.told < world.count && world.told > world.count / 4);
		assert_int_equal(world.told + lost, world.count);
		assert_int_equal(unseen, 0);
	}
}

static void flows_that_lose_in_turn_tell_all_of_it(void **state)
{
	uint64_t lost, unseen;

	(void)state;
	for (uint32_t seed = 1; seed <= 10; seed++) {
		play_one_sided(seed, true, &lost, &unseen);
		assert_true(world.told < world.count && world.told > world.count / 4);
		assert_int_equal(world.told + lost, world.count);
	}
}

/* Nobody can count what left no trace: it lies between two numbers. */
static void what_both_flows_lost_has_bounds(void **state)
{
	uint64_t lost, unseen;

	(void)state;
	for (uint32_t seed = 1; seed <= 15; seed++) {
		begin(seed);
		for (int round = 0; round < ROUNDS; round++)
			play_round(pick(4) ? WHOLE : pick(3), pick(4) ? WHOLE : pick(3));
		finish(&lost, &unseen);
		assert_true(world.told < world.count && world.told > world.count / 4);
		assert_true(world.told + lost <= world.count);
		assert_true(world.told + lost + unseen >= world.count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_lost_is_all_counted),
		cmocka_unit_test(what_one_flow_lost_the_other_tells),
		cmocka_unit_test(flows_that_lose_in_turn_tell_all_of_it),
		cmocka_unit_test(what_both_flows_lost_has_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
