/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends in stream: half-closes, closes, resets; what is still awaited then; malformed and opaque connections; the
 * process that a request belongs to; names of unix sockets.
 */
#include <string.h>
#include <sys/socket.h>

#include "stream_world.h"

static void end_at(struct world *world, enum connection_end_kind kind, uint32_t received, uint32_t sent)
{
	struct connection_end end = {
		.conn_id = 1,
		.time_ns = ++world->now_ns,
		.kind = kind,
		.positions_known = true,
		.position = { received, sent },
	};

	stream_on_end(world->table, &end);
}

static void open_request_ends_with_the_connection(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_NO_RESPONSE);
	assert_int_equal(world.exchanges[0].response_last_ns, world.now_ns);
	assert_int_equal(world.active, 0);
	assert_int_equal(stream_table_connections(world.table), 0);
	world_done(&world);
}

static void reset_is_told(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "Uxxx");
	world_end(&world, END_CLOSED, END_RESET); /* no end: what runs until close is not complete */
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_CONNECTION_RESET);
	world_done(&world);
}

static void half_close_ends_a_response(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "Uxxx");
	assert_int_equal(world.exchange_count, 0);
	world_end(&world, END_SEND, END_NORMAL);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_COMPLETE);
	assert_int_equal(world.exchanges[0].response_bytes, 3);
	assert_int_equal(stream_table_connections(world.table), 1);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.exchange_count, 1);
	world_assert_lossless(&world);
	world_done(&world);
}

static void arrived_bytes_may_be_read_much_later(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_send(&world, "Q000000");
	world_receive(&world, "U");
	end_at(&world, END_RECEIVE, 1001 + 4, 0); /* four bytes arrived, the process has not read them */
	assert_false(stream_table_waiting(world.table));
	world_tick(&world, 1000 * WORLD_HOLD_NS);
	world_tick(&world, 1000 * WORLD_HOLD_NS);
	world_receive(&world, "ab");
	assert_int_equal(world.exchange_count, 0);
	world_receive(&world, "cd");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].response_bytes, 4);
	world_assert_lossless(&world);
	world_done(&world);
}

static void sent_bytes_that_are_missing_are_given_up(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "Uab");
	end_at(&world, END_SEND, 0, 2003 + 4);
	assert_true(stream_table_waiting(world.table));
	assert_int_equal(world.exchange_count, 0);
	world_outwait(&world);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].response_bytes, 6);
	world_done(&world);
}

static void end_read_by_the_process(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_send(&world, "Q000000");
	world_receive(&world, "Uabc");
	world_receive(&world, "");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].response_bytes, 3);
	world_send(&world, ""); /* means nothing */
	world_end(&world, END_RECEIVE, END_NORMAL);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.exchange_count, 1);
	world_done(&world);
}

static void end_overtakes_bytes(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_send(&world, "Q000000");
	world_receive(&world, "Ua");
	world_segment(&world, DIRECTION_RECEIVE, 1005, ""); /* end of stream, told before the bytes before it */
	assert_int_equal(world.exchange_count, 0);
	world_segment(&world, DIRECTION_RECEIVE, 1002, "bcd");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].response_bytes, 4);
	world_assert_lossless(&world);
	world_done(&world);
}

static void bytes_after_the_end_are_counted(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_receive(&world, "");
	world_receive(&world, "Q000000");
	assert_int_equal(world_skipped(&world, SKIP_RESYNC), 7);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.exchange_count, 1);
	world_done(&world);
}

static void close_overtakes_a_request(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	world_send(&world, "R000001z");
	end_at(&world, END_CLOSED, 1014, 2015);
	assert_true(stream_table_waiting(world.table));
	assert_int_equal(stream_table_connections(world.table), 1);
	world_receive(&world, "Q000000"); /* told late, by another processor */
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(world.exchange_count, 2);
	assert_int_equal(world.exchanges[1].error, EXCHANGE_COMPLETE);
	world_assert_lossless(&world);
	world_done(&world);
}

static void close_waits_no_longer_than_hold(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R0000");
	world_segment(&world, DIRECTION_SEND, 2010, "R000000");
	end_at(&world, END_CLOSED, 1007 + 9, 2017 + 5);
	world_tick(&world, 1);
	assert_int_equal(stream_table_connections(world.table), 1);
	world_tick(&world, WORLD_HOLD_NS);
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_false(stream_table_waiting(world.table));
	assert_int_equal(world.active, 0);
	assert_int_equal(world_skipped(&world, SKIP_GAP), 9 + 5 + 5);
	assert_int_equal(stream_table_bytes(world.table), 0);
	world_done(&world);
}

static void close_inside_a_skipped_body(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R500000abc");
	assert_int_equal(world.skip_count, 1);
	end_at(&world, END_CLOSED, 1007, 2000 + 7 + 400000);
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_NO_RESPONSE);
	world_assert_lossless(&world);
	world_done(&world);
}

static void positions_may_be_unknown(void **state)
{
	struct connection_end end = { .conn_id = 1, .kind = END_CLOSED };
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "Uab");
	stream_on_end(world.table, &end);
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].error, EXCHANGE_COMPLETE);
	world_assert_lossless(&world);
	world_done(&world);
}

static void malformed_flow_leaves_the_other(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000??????");
	assert_int_equal(world_skipped(&world, SKIP_MALFORMED), 6);
	assert_int_equal(world.report_count, 0);
	world_send(&world, "R000000"); /* of the sound request */
	assert_int_equal(world.exchange_count, 1);
	world_receive(&world, "???");
	assert_int_equal(world_skipped(&world, SKIP_MALFORMED), 9);
	world_send(&world, "!");
	assert_int_equal(world.report_count, 1);
	assert_int_equal(world.reports[0].reason, UNPARSED_MALFORMED);
	assert_int_equal(world.reports[0].bytes[DIRECTION_RECEIVE], 9);
	assert_int_equal(world.reports[0].bytes[DIRECTION_SEND], 1);
	assert_int_equal(world.mute_count, 1);
	world_send(&world, "!!");
	assert_int_equal(world_skipped(&world, SKIP_MALFORMED), 12);
	world_end(&world, END_CLOSED, END_NORMAL);
	assert_int_equal(world.report_count, 2);
	assert_true(world.reports[1].final);
	assert_int_equal(world.reports[1].bytes[DIRECTION_SEND], 2);
	assert_int_equal(world_steps(&world, STEP_GAP), 0);
	world_done(&world);
}

static void malformed_is_told_at_the_end_at_latest(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000??");
	world.position[0] += 5; /* never seen, malformed all the same */
	world_end(&world, END_CLOSED, END_NORMAL);
	world_outwait(&world);
	assert_int_equal(world_skipped(&world, SKIP_MALFORMED), 7);
	assert_int_equal(world_steps(&world, STEP_GAP), 0);
	assert_int_equal(world.report_count, 2);
	assert_int_equal(world.reports[0].reason, UNPARSED_MALFORMED);
	assert_int_equal(world.reports[0].bytes[DIRECTION_RECEIVE], 7);
	assert_true(world.reports[1].final);
	assert_int_equal(world.active, 0);
	world_done(&world);
}

static void opaque_is_told_with_its_lifetime(void **state)
{
	struct connection_end end = { .conn_id = 1, .kind = END_CLOSED, .skipped = { 1000, 2000 } };
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "Ohello");
	assert_int_equal(world.report_count, 1);
	assert_int_equal(world.reports[0].reason, UNPARSED_UPGRADED);
	assert_int_equal(world.reports[0].bytes[DIRECTION_SEND], 6);
	assert_int_equal(world.mute_count, 1);
	world_receive(&world, "\x16\x03\x01 anything");
	end.time_ns = world.now_ns + 499;
	stream_on_end(world.table, &end);
	assert_int_equal(world.report_count, 2);
	assert_int_equal(world.reports[1].bytes[DIRECTION_RECEIVE], 1012);
	assert_int_equal(world.reports[1].bytes[DIRECTION_SEND], 2000);
	assert_int_equal(world.reports[1].lifetime_ns, 500);
	assert_true(world.reports[1].final);
	world_assert_lossless(&world);
	world_done(&world);
}

static void request_stays_with_its_process(void **state)
{
	struct segment segment = { .conn_id = 1,
				   .tgid = 500,
				   .direction = DIRECTION_RECEIVE,
				   .length = 7,
				   .captured_length = 7,
				   .data = (const uint8_t *)"Q000000" };
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	segment.position = world.position[0];
	stream_on_segment(world.table, &segment);
	assert_int_equal(world.tgid, 500); /* the socket was passed on before its first byte */
	world_send(&world, "R000000");     /* by 77, a child perhaps */
	assert_int_equal(world.tgid, 500);
	assert_int_equal(world.exchanges[0].tgid, 500);
	world.position[0] += 7;
	world_receive(&world, "Q000000");
	assert_int_equal(world.tgid, 77);
	world_done(&world);
}

static void unix_names_are_kept(void **state)
{
	struct connection_open opened = { .conn_id = 1, .from_start = true, .position = { 1000, 2000 } };
	struct world world;

	(void)state;
	world_init(&world);
	opened.local.family = AF_UNIX;
	opened.remote.family = AF_UNIX;
	memset(opened.local.path, 'x', sizeof(opened.local.path) - 1);
	memcpy(opened.remote.path, "@name", 6);
	stream_on_open(world.table, &opened);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_int_equal(world.exchange_count, 1);
	assert_int_equal(world.exchanges[0].local.family, AF_UNIX);
	assert_string_equal(world.exchanges[0].local.path, opened.local.path);
	assert_string_equal(world.exchanges[0].remote.path, "@name");
	world_done(&world);
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	assert_string_equal(world.exchanges[0].local.path, "");
	world_done(&world);
}

static void free_takes_what_is_open(void **state)
{
	struct world world;

	(void)state;
	stream_table_free(NULL);
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000Q00");
	world_segment(&world, DIRECTION_RECEIVE, 1050, "abc");
	world_done(&world);
	assert_int_equal(world.exchange_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_request_ends_with_the_connection),
		cmocka_unit_test(reset_is_told),
		cmocka_unit_test(half_close_ends_a_response),
		cmocka_unit_test(arrived_bytes_may_be_read_much_later),
		cmocka_unit_test(sent_bytes_that_are_missing_are_given_up),
		cmocka_unit_test(end_read_by_the_process),
		cmocka_unit_test(end_overtakes_bytes),
		cmocka_unit_test(bytes_after_the_end_are_counted),
		cmocka_unit_test(close_overtakes_a_request),
		cmocka_unit_test(close_waits_no_longer_than_hold),
		cmocka_unit_test(close_inside_a_skipped_body),
		cmocka_unit_test(positions_may_be_unknown),
		cmocka_unit_test(malformed_flow_leaves_the_other),
		cmocka_unit_test(malformed_is_told_at_the_end_at_latest),
		cmocka_unit_test(opaque_is_told_with_its_lifetime),
		cmocka_unit_test(request_stays_with_its_process),
		cmocka_unit_test(unix_names_are_kept),
		cmocka_unit_test(free_takes_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
