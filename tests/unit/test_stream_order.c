/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order in stream: what comes in order is parsed at once, what comes early is held, what does not come is a hole; holes
 * in bodies cost nothing, others cost the step; the two directions may overtake each other.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "stream_world.h"

static void pairs_what_comes_in_order(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000005hello");
	assert_int_equal(world.active, 1);
	world_send(&world, "R000002ok");
	assert_int_equal(world.active, 0);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].side, SIDE_SERVER);
	assert_int_equal(world.exchanges[0].protocol, PROTOCOL_HTTP1);
	assert_int_equal(world.exchanges[0].conn_id, 1);
	assert_int_equal(world.exchanges[0].tgid, 77);
	assert_int_equal(world.exchanges[0].request_bytes, 5);
	assert_int_equal(world.exchanges[0].response_bytes, 2);
	assert_int_equal(world.exchanges[0].request_position, 1000);
	assert_int_equal(world.exchanges[0].local.port, 80);
	assert_int_equal(world.exchanges[0].local.family, AF_INET);
	assert_int_equal(world.exchanges[0].remote.port, 40000);
	assert_int_equal(world.exchanges[0].remote.address[3], 2);
	world_assert_lossless(&world);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(stream_table_bytes(world.table), 0);
	assert_int_equal(world.report_count, 0);
	world_done(&world);
}

static void takes_any_split(void **state)
{
	static const char requests[] = "Q000005helloQ000000Q000003abc", responses[] = "R000002okR000000R000001x";
	struct world world;
	size_t i;
	char byte[2] = "";

	(void)state;
	world_init(&world);
	world_open(&world);
	for (i = 0; i < strlen(requests); i++) {
		byte[0] = requests[i];
		world_receive(&world, byte);
	}
	for (i = 0; i < strlen(responses); i++) {
		byte[0] = responses[i];
		world_send(&world, byte);
	}
	assert_int_equal(world.exchange_count, 3);
	assert_int_equal(world.exchanges[2].request_bytes, 3);
	assert_int_equal(world.exchanges[2].response_bytes, 1);
	world_assert_lossless(&world);
	world_done(&world);
}

static void puts_reordered_segments_right(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q0000");
	world_segment(&world, DIRECTION_RECEIVE, 1017, "90123456789");
	world_segment(&world, DIRECTION_RECEIVE, 1010, "bcdefgh");
	assert_true(stream_table_waiting(world.table));
	assert_true(stream_table_bytes(world.table) > 18);
	world_segment(&world, DIRECTION_RECEIVE, 1005, "20abc");
	assert_false(stream_table_waiting(world.table));
	/* 1005..1010 "20abc", 1010..1017, 1017..1028: body 1007..1027, one byte of the next message. */
	assert_int_equal(world.active, 1);
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].request_bytes, 20);
	assert_int_equal(stream_table_losses(world.table)->reordered_segments, 2);
	assert_int_equal(world_steps(&world, STEP_MALFORMED), 1);
	world_done(&world);
}

static void reach(struct world *world, uint32_t position)
{
	struct segment segment = {
		.conn_id = 1,
		.time_ns = ++world->now_ns,
		.tgid = 77,
		.direction = DIRECTION_RECEIVE,
		.position = position,
		.reached = true,
	};

	stream_on_segment(world->table, &segment);
}

/* A body that was read by splice is told by how far the socket has been read, in several steps; what is told twice, or
 * was told already, is nothing. */
static void takes_what_was_reached_for_read(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000020abc");
	reach(&world, 1015);
	reach(&world, 1015);
	reach(&world, 1012);
	reach(&world, 1027);
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].request_bytes, 20);
	assert_int_equal(stream_table_losses(world.table)->reached_bytes, 17);
	world.position[0] = 1027;
	world_receive(&world, "Q000002xy");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 2);
	world_assert_lossless(&world);
	world_done(&world);
}

/* What is held for a segment that is late has been told. */
static void reached_begins_behind_what_is_held(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q0000");
	world_segment(&world, DIRECTION_RECEIVE, 1010, "defgh");
	reach(&world, 1027);
	assert_int_equal(stream_table_losses(world.table)->reached_bytes, 12);
	world_segment(&world, DIRECTION_RECEIVE, 1005, "20abc");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].request_bytes, 20);
	world_done(&world);
}

static void hole_costs_the_step_after_hold(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	world.position[0] += 7; /* a request that was lost */
	world_receive(&world, "Q000002");
	world_receive(&world, "xy");
	world_tick(&world, 1);
	world_tick(&world, WORLD_HOLD_NS - 1);
	assert_true(stream_table_waiting(world.table));
	assert_int_equal(world_steps(&world, STEP_GAP), 0);
	world_tick(&world, 1);
	assert_false(stream_table_waiting(world.table));
	assert_int_equal(world_steps(&world, STEP_GAP), 1);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 7);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 0);
	world_send(&world, "R000001z");
	assert_int_equal(world.exchange_count, 2);
	assert_int_equal(world.exchanges[1].request_bytes, 2);
	/* What was given up comes after all: it contradicts nothing, and is told already. */
	world_segment(&world, DIRECTION_RECEIVE, 1007, "Q000000");
	assert_int_equal(world_steps(&world, STEP_OVERLAP), 0);
	assert_int_equal(world.exchange_count, 2);
	world_done(&world);
}

static void hole_in_a_body_costs_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000020abc");
	world.position[0] += 10;
	world_receive(&world, "0123456");
	assert_false(stream_table_waiting(world.table)); /* nor time: the kernel may skip what it was not asked to */
	world_segment(&world, DIRECTION_RECEIVE, 1010, "late bytes"); /* it had not */
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].request_bytes, 20);
	world.position[0] += 1; /* behind the body a hole is a loss */
	world_receive(&world, "Q000000");
	assert_true(stream_table_waiting(world.table));
	world_assert_lossless(&world);
	world_done(&world);
}

static void resynchronises_at_starts_only(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q0000");
	world.position[0] += 3;
	world_receive(&world, "xxQ000000"); /* a message begins inside: not taken */
	world_outwait(&world);
	world_receive(&world, "zz");
	world_receive(&world, "R000000"); /* begins a message, but not of this flow */
	assert_int_equal(world_skipped(&world, SKIP_GAP), 3);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 18);
	world_receive(&world, "Q"); /* a begin split over calls */
	world_receive(&world, "000001a");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 18);
	assert_int_equal(world_steps(&world, STEP_GAP), 1);
	world_done(&world);
}

static void chunks_of_a_call_are_no_starts(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q0000");
	world.position[0] += 3;
	world_receive(&world, "payload of a call");
	world_outwait(&world);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 17);
	world_receive(&world, "a chunk");
	world.now_ns -= 1; /* the next segment has the time of this one */
	world_receive(&world, "Q000000");
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 31);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 31);
	world_done(&world);
}

static void skipped_bodies_need_no_hold(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q500000abc");
	assert_int_equal(world.skip_count, 1);
	assert_int_equal(world.skips[0].direction, DIRECTION_RECEIVE);
	assert_int_equal(world.skips[0].position, 1000 + 7 + 500000);
	/* The kernel is silent, then tells the call that reaches the position: 100 bytes of body, then a message. */
	world.position[0] = 1000 + 7 + 500000 - 100;
	world_partial(&world, DIRECTION_RECEIVE, 107, 100, "Q000000");
	assert_false(stream_table_waiting(world.table));
	assert_int_equal(world.active, 2);
	world_send(&world, "R000000R000000");
	assert_int_equal(world.exchange_count, 2);
	assert_int_equal(world.exchanges[0].request_bytes, 500000);
	world_assert_lossless(&world);
	/* Beyond the position a hole is a hole again. */
	world.position[0] += 1;
	world_receive(&world, "Q000000");
	assert_true(stream_table_waiting(world.table));
	world_done(&world);
}

static void small_bodies_are_not_worth_asking(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000100abc");
	assert_int_equal(world.skip_count, 0);
	world_done(&world);
}

static void uncaptured_parts_are_holes(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_partial(&world, DIRECTION_RECEIVE, 107, 0, "Q000100abc"); /* the end of the body was not captured */
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	world_assert_lossless(&world);
	world_partial(&world, DIRECTION_RECEIVE, 17, 0, "Q000"); /* here the head was not */
	assert_int_equal(world_steps(&world, STEP_GAP), 1);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 13);
	world_partial(&world, DIRECTION_RECEIVE, 17, 10, "Q000000");
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 17);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 2);
	world_done(&world);
}

static void overlaps_are_trimmed_and_counted(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000004ab");
	world_segment(&world, DIRECTION_RECEIVE, 1000, "Q000004ab"); /* all of it old */
	assert_int_equal(world_steps(&world, STEP_OVERLAP), 1);
	world_segment(&world, DIRECTION_RECEIVE, 1007, "abcd"); /* half of it old */
	assert_int_equal(world_steps(&world, STEP_OVERLAP), 2);
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	world.position[0] = 1011;
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 2);
	world_done(&world);
}

static void positions_wrap(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world.position[0] = UINT32_MAX - 3;
	world.position[1] = UINT32_MAX;
	world_open(&world);
	world_receive(&world, "Q000002xy");
	world_segment(&world, DIRECTION_RECEIVE, world.position[0] + 7, "Q000000");
	world_receive(&world, "Q000000");
	world_send(&world, "R000000R000000R000000");
	assert_int_equal(world.exchange_count, 3);
	world_assert_lossless(&world);
	world_done(&world);
}

static void response_waits_for_its_request(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "R000002ok"); /* read by one thread before the request of another is told */
	assert_int_equal(world.exchange_count, 0);
	assert_true(stream_table_waiting(world.table));
	world_receive(&world, "R000001");
	world_receive(&world, "z");
	world_send(&world, "Q000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].side, SIDE_CLIENT);
	assert_true(stream_table_waiting(world.table));
	world_send(&world, "Q000000");
	assert_int_equal(world.exchange_count, 2);
	assert_int_equal(world.exchanges[1].response_bytes, 1);
	assert_false(stream_table_waiting(world.table));
	world_assert_lossless(&world);
	world_done(&world);
}

static void waiting_ends_after_hold(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "R000002ok");
	world_tick(&world, 1);
	world_tick(&world, WORLD_HOLD_NS);
	assert_false(stream_table_waiting(world.table));
	assert_int_equal(world.exchange_count, 0);
	world_send(&world, "Q000000");
	world_receive(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	world_done(&world);
}

static void each_hole_has_its_own_time(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q00");
	world_segment(&world, DIRECTION_RECEIVE, 1005, "00Q0");
	world_tick(&world, 1);
	world_tick(&world, WORLD_HOLD_NS - 2);
	world_segment(&world, DIRECTION_RECEIVE, 1011, "000");
	world_segment(&world, DIRECTION_RECEIVE, 1003, "00"); /* the first hole is filled, the second is younger */
	world_tick(&world, 5);
	world_tick(&world, WORLD_HOLD_NS - 1);
	assert_int_equal(world_steps(&world, STEP_GAP), 0);
	world_segment(&world, DIRECTION_RECEIVE, 1009, "00");
	assert_false(stream_table_waiting(world.table));
	world_send(&world, "R000000R000000");
	assert_int_equal(world.exchange_count, 2);
	world_assert_lossless(&world);
	world_done(&world);
}

static void old_holes_go_together(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_segment(&world, DIRECTION_RECEIVE, 1010, "Q000000");
	world_segment(&world, DIRECTION_RECEIVE, 1020, "Q000000");
	world_tick(&world, 1);
	world_tick(&world, WORLD_HOLD_NS);
	assert_false(stream_table_waiting(world.table));
	assert_int_equal(world_steps(&world, STEP_GAP), 2);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 6);
	world_done(&world);
}

static void send_to(struct world *world, uint64_t conn_id, uint32_t position)
{
	struct segment segment = {
		.conn_id = conn_id,
		.time_ns = ++world->now_ns,
		.tgid = 77,
		.position = position,
		.length = 7,
		.captured_length = 7,
		.data = (const uint8_t *)"Q000000",
	};

	stream_on_segment(world->table, &segment);
}

/* In which order they are filled: by position in the list of those that wait. */
static void several_connections_wait(void **state)
{
	static const uint64_t orders[][3] = { { 1, 2, 3 }, { 2, 1, 3 }, { 3, 2, 1 }, { 2, 3, 1 } };
	struct world world;
	uint64_t id;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		world_init(&world);
		for (id = 1; id <= 3; id++) {
			struct connection_open opened = { .conn_id = id, .from_start = true };

			stream_on_open(world.table, &opened);
			send_to(&world, id, 0);
			send_to(&world, id, 14);
		}
		for (k = 0; k < 3; k++) {
			assert_int_equal(world.active, 3 + 2 * (int)k);
			assert_true(stream_table_waiting(world.table));
			world_tick(&world, 1);
			send_to(&world, orders[i][k], 7);
		}
		assert_int_equal(world.active, 9);
		assert_false(stream_table_waiting(world.table));
		world_assert_lossless(&world);
		world_done(&world);
	}
}

static void memory_for_holding_is_bounded(void **state)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };
	struct world world;
	unsigned int i;

	(void)state;
	world_init_with(&world, (struct stream_config){ .max_connections = 2,
							.max_bytes = 20000,
							.hold_ns = WORLD_HOLD_NS,
							.protocols = protocols });
	world_open(&world);
	world_receive(&world, "Q000000");
	for (i = 0; i < 200; i++) {
		world.position[0] += 1;
		world_receive(&world, "Q000000");
		assert_true(stream_table_bytes(world.table) <= 20000);
	}
	assert_true(world_steps(&world, STEP_GAP) > 0);
	world_outwait(&world);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 200);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.active, 0);
	assert_int_equal(stream_table_bytes(world.table), 0);
	world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_what_comes_in_order),          cmocka_unit_test(takes_any_split),
		cmocka_unit_test(puts_reordered_segments_right),      cmocka_unit_test(takes_what_was_reached_for_read),
		cmocka_unit_test(reached_begins_behind_what_is_held), cmocka_unit_test(hole_costs_the_step_after_hold),
		cmocka_unit_test(hole_in_a_body_costs_nothing),       cmocka_unit_test(resynchronises_at_starts_only),
		cmocka_unit_test(chunks_of_a_call_are_no_starts),     cmocka_unit_test(skipped_bodies_need_no_hold),
		cmocka_unit_test(small_bodies_are_not_worth_asking),  cmocka_unit_test(uncaptured_parts_are_holes),
		cmocka_unit_test(overlaps_are_trimmed_and_counted),   cmocka_unit_test(positions_wrap),
		cmocka_unit_test(response_waits_for_its_request),     cmocka_unit_test(waiting_ends_after_hold),
		cmocka_unit_test(each_hole_has_its_own_time),         cmocka_unit_test(old_holes_go_together),
		cmocka_unit_test(several_connections_wait),           cmocka_unit_test(memory_for_holding_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
