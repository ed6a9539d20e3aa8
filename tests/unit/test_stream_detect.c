/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detection in stream: which protocol, which side, from which byte on; what is given up, and how it is told.
 */
#include <string.h>

#include "stream_world.h"

static void assert_report(const struct world *world, size_t at, enum unparsed_reason reason, uint64_t received,
			  uint64_t sent, bool final)
{
	assert_true(at < world->report_count);
	assert_int_equal(world->reports[at].conn_id, 1);
	assert_int_equal(world->reports[at].tgid, 77);
	assert_int_equal(world->reports[at].reason, reason);
	assert_int_equal(world->reports[at].bytes[DIRECTION_RECEIVE], received);
	assert_int_equal(world->reports[at].bytes[DIRECTION_SEND], sent);
	assert_int_equal(world->reports[at].final, final);
}

static void sides_follow_from_direction(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_send(&world, "Q000000");
	world_receive(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].side, SIDE_CLIENT);
	assert_int_equal(world.exchanges[0].request_position, 2000);
	world_assert_lossless(&world);
	world_done(&world);
}

static void joins_first_bytes_over_calls(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q");
	assert_false(stream_table_waiting(world.table)); /* only bytes can help, no time */
	world_tick(&world, 100 * WORLD_HOLD_NS);
	world_tick(&world, 100 * WORLD_HOLD_NS);
	world_receive(&world, "0");
	world_receive(&world, "00000");
	world_send(&world, "R");
	world_send(&world, "000000");
	assert_int_equal(world.exchange_count, 1);
	world_assert_lossless(&world);
	world_done(&world);
}

static void first_bytes_in_both_directions(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q");
	world_send(&world, "R000000"); /* decides, then waits for the request that is not whole */
	assert_int_equal(world.exchange_count, 0);
	world_receive(&world, "000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].side, SIDE_SERVER);
	world_assert_lossless(&world);
	world_done(&world);
}

static void unknown_is_told_twice_and_muted(void **state)
{
	struct world world;
	struct connection_end end;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "hello");
	assert_int_equal(world.report_count, 1);
	assert_report(&world, 0, UNPARSED_UNKNOWN, 5, 0, false);
	assert_int_equal(world.mute_count, 1);
	assert_int_equal(world.mutes[0], 1);
	world_send(&world, "Q000000"); /* was on its way when the kernel was told */
	end = (struct connection_end){
		.conn_id = 1, .time_ns = world.now_ns + 50, .kind = END_CLOSED, .skipped = { 100, UINT64_C(1) << 40 }
	};
	stream_on_end(world.table, &end);
	assert_int_equal(world.report_count, 2);
	assert_report(&world, 1, UNPARSED_UNKNOWN, 100, 7 + (UINT64_C(1) << 40), true);
	assert_int_equal(world.reports[1].lifetime_ns, 51);
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(world.exchange_count, 0);
	world_assert_lossless(&world);
	world_done(&world);
}

static void tls_is_recognised(void **state)
{
	static const char *const hellos[] = { "\x16\x03\x01\x02", "\x16\x03\x03zzz", "\x17\x03\x03xyz" };
	struct world world;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		world_init(&world);
		world_open(&world);
		world_receive(&world, hellos[i]);
		assert_report(&world, 0, UNPARSED_TLS, strlen(hellos[i]), 0, false);
		assert_int_equal(world.mute_count, 1);
		world_done(&world);
	}
}

/* World's strings end at a zero byte: a server's first frame is put in by hand. */
static void say_bytes(struct world *world, enum direction direction, const uint8_t *bytes, uint32_t length)
{
	struct segment segment = { .conn_id = 1, .time_ns = ++world->now_ns, .tgid = 77, .direction = direction };

	segment.position = direction == DIRECTION_RECEIVE ? 1000 : 2000;
	segment.length = segment.captured_length = length;
	segment.data = bytes;
	stream_on_segment(world->table, &segment);
}

static void http2_is_recognised(void **state)
{
	static const uint8_t settings[] = { 0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100 };
	static const uint8_t other[] = { 0, 0, 12, 4, 1, 0, 0, 0, 0, 0 };
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "PRI * HTTP/2.0\r\n");
	assert_int_equal(world.report_count, 0);
	world_receive(&world, "\r\nSM\r\n\r\n");
	assert_report(&world, 0, UNPARSED_HTTP2, 24, 0, false);
	world_done(&world);
	world_init(&world);
	world_open(&world);
	say_bytes(&world, DIRECTION_SEND, settings, sizeof(settings));
	assert_report(&world, 0, UNPARSED_HTTP2, 0, sizeof(settings), false);
	world_done(&world);
	world_init(&world);
	world_open(&world);
	say_bytes(&world, DIRECTION_SEND, other, sizeof(other));
	assert_report(&world, 0, UNPARSED_UNKNOWN, 0, sizeof(other), false);
	world_done(&world);
}

static void tls_is_recognised_byte_by_byte(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "\x16");
	world_receive(&world, "\x03");
	assert_int_equal(world.report_count, 0);
	world_receive(&world, "\x01");
	assert_report(&world, 0, UNPARSED_TLS, 3, 0, false);
	assert_int_equal(stream_table_bytes(world.table), 0);
	world_done(&world);
}

static void almost_tls_is_unknown(void **state)
{
	static const char *const greetings[] = { "\x16\x02\x01", "\x16\x03\x05", "\x15\x03\x01" };
	struct world world;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		world_init(&world);
		world_open(&world);
		world_receive(&world, greetings[i]);
		assert_report(&world, 0, UNPARSED_UNKNOWN, 3, 0, false);
		world_done(&world);
	}
}

static void silent_connections_are_not_told(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.report_count, 0);
	assert_int_equal(stream_table_connections(world.table), 0);
	world_done(&world);
}

static void undecided_at_the_end_is_unknown(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q");
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.report_count, 2);
	assert_report(&world, 0, UNPARSED_UNKNOWN, 1, 0, false);
	assert_report(&world, 1, UNPARSED_UNKNOWN, 0, 0, true);
	assert_int_equal(world.mute_count, 0);
	world_done(&world);
}

static void old_connection_begins_at_a_boundary(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open_old(&world);
	world_receive(&world, "rest of a body");
	world_send(&world, "rest of a response");
	world_receive(&world, "Q000000"); /* the protocol is known, the response's lane still stands inside a message */
	world_send(&world, "more rest");
	assert_int_equal(world_skipped(&world, SKIP_BEFORE_START), 14 + 18 + 9);
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world_skipped(&world, SKIP_BEFORE_START), 14 + 18 + 9);
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 0);
	assert_int_equal(world.report_count, 0);
	world_done(&world);
}

static void old_response_does_not_wait(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open_old(&world);
	world_send(&world, "R000003abc"); /* its request was before our time */
	assert_false(stream_table_waiting(world.table));
	world_receive(&world, "Q000000");
	world_send(&world, "R000001z");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].response_bytes, 1);
	world_done(&world);
}

static void old_connection_is_given_up_when_both_fail(void **state)
{
	struct world world;
	unsigned int i;

	(void)state;
	world_init(&world);
	world_open_old(&world);
	for (i = 0; i < 100; i++)
		world_send(&world, "....");
	assert_int_equal(world.report_count, 0); /* a long download: the requests may still show */
	for (i = 0; i < 15; i++)
		world_receive(&world, "ab");
	assert_int_equal(world.report_count, 0);
	world_receive(&world, "ab");
	assert_report(&world, 0, UNPARSED_UNKNOWN, 32, 400, false);
	assert_int_equal(world.mute_count, 1);
	assert_int_equal(world_skipped(&world, SKIP_BEFORE_START), 0); /* told as unparsed already */
	world_done(&world);
}

static void old_connection_one_sided_is_given_up_at_last(void **state)
{
	struct world world;
	unsigned int i;

	(void)state;
	world_init(&world);
	world_open_old(&world);
	for (i = 0; i < 5000 && !world.report_count; i++)
		world_send(&world, "....");
	assert_int_equal(i, 4096);
	assert_report(&world, 0, UNPARSED_UNKNOWN, 0, 4 * 4096, false);
	world_done(&world);
}

static void lost_first_bytes_are_searched_for(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world.position[0] += 7;
	world_receive(&world, "body");
	assert_true(stream_table_waiting(world.table));
	world_outwait(&world);
	assert_int_equal(world.report_count, 0);
	assert_int_equal(world_steps(&world, STEP_GAP), 1);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 7);
	world_partial(&world, DIRECTION_RECEIVE, 9, 2, "Q000000"); /* its begin was not captured */
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	world_done(&world);
}

static void uncaptured_first_bytes_are_passed_over(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_partial(&world, DIRECTION_RECEIVE, 9, 0, ""); /* nothing of it was captured */
	assert_int_equal(world.report_count, 0);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 9);
	world_receive(&world, "Q");
	world_partial(&world, DIRECTION_RECEIVE, 9, 2, "Q000000"); /* does not continue the byte before */
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	world_done(&world);
}

static void hole_ends_the_wait_for_more(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q");
	world.position[0] += 3;
	world_receive(&world, "xyz");
	assert_true(stream_table_waiting(world.table));
	world_outwait(&world);
	assert_report(&world, 0, UNPARSED_UNKNOWN, 4, 0, false);
	world_done(&world);
}

static void full_table_is_told(void **state)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };
	struct connection_open opened = { .conn_id = 2, .tgid = 5, .from_start = true };
	struct connection_end end = { .conn_id = 2, .kind = END_CLOSED, .skipped = { 10, 20 } };
	struct segment segment = { .conn_id = 2, .length = 1, .captured_length = 1, .data = (const uint8_t *)"Q" };
	struct world world;

	(void)state;
	world_init_with(&world,
			(struct stream_config){ .max_connections = 1, .max_bytes = 100000, .protocols = protocols });
	world_open(&world);
	stream_on_open(world.table, &opened);
	assert_int_equal(stream_table_connections(world.table), 1);
	assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
	assert_int_equal(world.report_count, 1);
	assert_int_equal(world.reports[0].reason, UNPARSED_NO_ROOM);
	assert_int_equal(world.reports[0].tgid, 5);
	assert_int_equal(world.mutes[0], 2);
	stream_on_segment(world.table, &segment);
	assert_int_equal(stream_table_losses(world.table)->unopened_segments, 1);
	stream_on_end(world.table, &end);
	assert_int_equal(world.report_count, 2);
	assert_int_equal(world.reports[1].reason, UNPARSED_NO_ROOM);
	assert_int_equal(world.reports[1].bytes[1], 20);
	assert_true(world.reports[1].final);
	world_done(&world);
}

static void the_dead_make_room_after_a_loss(void **state)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };
	struct connection_open opened = { .conn_id = 2, .from_start = true };
	struct world world;

	(void)state;
	world_init_with(&world,
			(struct stream_config){ .max_connections = 1, .max_bytes = 100000, .protocols = protocols });
	world_open(&world);
	world_receive(&world, "Q000000");
	opened.time_ns = world.now_ns + 3600 * UINT64_C(1000000000);
	stream_on_open(world.table, &opened); /* nothing was lost: the idle one is alive */
	assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
	stream_on_loss(world.table);
	opened.conn_id = 3;
	stream_on_open(world.table, &opened);
	assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
	assert_int_equal(stream_table_connections(world.table), 1);
	assert_int_equal(world.active, 0);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_NO_RESPONSE);
	world_done(&world);
}

static void growing_parsers_are_bounded(void **state)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };
	struct world world;

	(void)state;
	world_init_with(&world,
			(struct stream_config){ .max_connections = 2, .max_bytes = 100000, .protocols = protocols });
	world_open(&world);
	world_receive(&world, "H080000");
	assert_int_equal(world.report_count, 0);
	world_receive(&world, "H080000Q00");
	assert_report(&world, 0, UNPARSED_NO_ROOM, 0, 0, false);
	assert_int_equal(world.active, 0);
	assert_int_equal(world_steps(&world, STEP_REQUEST_LOST), 2);
	assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
	assert_int_equal(stream_table_bytes(world.table), 0);
	assert_int_equal(world.mute_count, 1);
	world_done(&world);
}

static void segments_of_nobody_are_counted(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_receive(&world, "Q000000");
	assert_int_equal(stream_table_losses(world.table)->unopened_segments, 1);
	world_open(&world);
	world_open(&world); /* told twice: harmless */
	assert_int_equal(stream_table_connections(world.table), 1);
	world_done(&world);
}

static void all_bytes_lost_is_unknown(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world.position[DIRECTION_RECEIVE] += 30;
	world.position[DIRECTION_SEND] += 7;
	world_end(&world, END_CLOSED, END_NORMAL);
	world_outwait(&world);
	assert_int_equal(world.report_count, 2);
	assert_report(&world, 0, UNPARSED_UNKNOWN, 30, 7, false);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 37);
	world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sides_follow_from_direction),
		cmocka_unit_test(joins_first_bytes_over_calls),
		cmocka_unit_test(first_bytes_in_both_directions),
		cmocka_unit_test(unknown_is_told_twice_and_muted),
		cmocka_unit_test(tls_is_recognised),
		cmocka_unit_test(http2_is_recognised),
		cmocka_unit_test(tls_is_recognised_byte_by_byte),
		cmocka_unit_test(almost_tls_is_unknown),
		cmocka_unit_test(silent_connections_are_not_told),
		cmocka_unit_test(undecided_at_the_end_is_unknown),
		cmocka_unit_test(all_bytes_lost_is_unknown),
		cmocka_unit_test(old_connection_begins_at_a_boundary),
		cmocka_unit_test(old_response_does_not_wait),
		cmocka_unit_test(old_connection_is_given_up_when_both_fail),
		cmocka_unit_test(old_connection_one_sided_is_given_up_at_last),
		cmocka_unit_test(lost_first_bytes_are_searched_for),
		cmocka_unit_test(uncaptured_first_bytes_are_passed_over),
		cmocka_unit_test(hole_ends_the_wait_for_more),
		cmocka_unit_test(full_table_is_told),
		cmocka_unit_test(the_dead_make_room_after_a_loss),
		cmocka_unit_test(growing_parsers_are_bounded),
		cmocka_unit_test(segments_of_nobody_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
