/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join of TLS sessions with connections: by descriptor, by ciphertext, by calls; and that it is not made where it
 * is not certain.
 */
#include <string.h>

#include "tls_world.h"

static void a_descriptor_joins_at_once(void **state)
{
	struct scene scene;
	struct plain_segment told;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	assert_int_equal(scene.world.report_count, 0);
	assert_int_equal(scene.world.mute_count, 0);
	told = scene_plain(&scene, 1, DIRECTION_RECEIVE, 1, "Q000002hi");
	told.conn_id = 3;
	told.channel = PLAIN_CHANNEL_DESCRIPTOR;
	tls_on_plain(scene.tls, &told);
	assert_int_equal(scene.world.mute_count, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 1, "R000002ok");
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_SERVER);
	scene_end_conn(&scene, 3);
	tls_tick(scene.tls, scene.world.now_ns + 1000000000);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(stream_table_connections(scene.streams), 0);
	assert_int_equal(scene.world.report_count, 0);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_DESCRIPTOR], 1);
	scene_finish(&scene);
}

/* Another thread has the answer before the request's call has returned. */
static void an_answer_before_its_request_waits(void **state)
{
	struct scene scene;
	struct plain_segment told;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	told = scene_plain(&scene, 1, DIRECTION_RECEIVE, 2, "R000000");
	told.conn_id = 3;
	tls_on_plain(scene.tls, &told);
	stream_tick(scene.streams, scene.world.now_ns);
	stream_tick(scene.streams, scene.world.now_ns + 10 * WORLD_HOLD_NS);
	assert_int_equal(scene.world.exchange_count, 0);
	scene_say(&scene, 1, DIRECTION_SEND, 1, "Q000000");
	assert_int_equal(scene.world.exchange_count, 1);
	assert_int_equal(scene.world.exchanges[0].error, EXCHANGE_COMPLETE);
	assert_int_equal(stream_table_losses(scene.streams)->out_of_step[STEP_RESPONSE_ALONE], 0);
	scene_finish(&scene);
}

/* The request waits until the answer's ciphertext crosses a socket, on whatever thread. */
static void ciphertext_joins(void **state)
{
	uint8_t tail[PLAIN_TAIL_BYTES];
	struct plain_segment told;
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 2);
	scene_hello(&scene, 3);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 1, "Q000000");
	told = scene_plain(&scene, 1, DIRECTION_SEND, 1, "R000000");
	memset(tail, 0xab, sizeof(tail));
	told.tail = tail;
	told.channel = PLAIN_CHANNEL_MEMORY;
	tls_on_plain(scene.tls, &told);
	assert_int_equal(scene.world.exchange_count, 0);
	assert_true(tls_table_held_bytes(scene.tls) > 0);
	scene_cross(&scene, 2, DIRECTION_SEND, 1, 23, 100, 0xaa);
	assert_int_equal(scene.world.exchange_count, 0);
	scene_cross(&scene, 3, DIRECTION_SEND, 9, 23, 100, 0xab);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(tls_table_held_bytes(scene.tls), 0);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CIPHERTEXT], 1);
	scene_finish(&scene);
}

static void two_calls_join(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CALLS], 1);
	scene_finish(&scene);
}

/* What a read took besides the record that it gives are session tickets. */
static void tickets_before_the_answer(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 5, "Q000000");
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 250, 1);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "R000000");
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_CLIENT);
	scene_finish(&scene);
}

static void peerless(struct scene *scene, unsigned int sessions)
{
	assert_int_equal(scene->world.exchange_count, 0);
	tls_tick(scene->tls, scene->world.now_ns + 2 * HOLD_NS);
	assert_int_equal(scene->world.exchange_count, 1);
	scene_peer(scene, 0, 0);
	assert_int_equal(tls_table_counts(scene->tls)->sessions[TLS_JOIN_NONE], sessions);
	assert_int_equal(scene->unjoined, sessions);
	scene_finish(scene);
}

/* Another thread's, other lengths, two connections in one call, one call only: all of these are no join. */
static void uncertain_calls_leave_the_peer_empty(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 2);
	scene_hello(&scene, 3);
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 6, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 300, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 24, 1);
	scene_cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 24, 1);
	scene_say(&scene, 2, DIRECTION_RECEIVE, 5, "Q000000");
	peerless(&scene, 2);
}

static void one_call_is_not_enough(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	scene_say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	peerless(&scene, 1);
}

static void a_refuted_hint_counts_from_anew(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 2);
	scene_hello(&scene, 3);
	scene_enter(&scene);
	scene_cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	scene_enter(&scene);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	assert_int_equal(tls_table_counts(scene.tls)->contradictions, 1);
	peerless(&scene, 1);
}

static void a_freed_session_without_connection_is_told(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	scene_say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	tls_on_plain_end(scene.tls, &(struct plain_end){ .tls_id = TLS(1), .time_ns = scene.world.now_ns });
	tls_tick(scene.tls, scene.world.now_ns + 3000000000);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 0);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(stream_table_connections(scene.streams), 0);
	scene_finish(&scene);
}

/* A proxy's CONNECT, then TLS on the same connection. */
static void a_tunnel_joins(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_open_conn(&scene, 2);
	scene_speak(&scene, 2, DIRECTION_SEND, "Q000000");
	scene_speak(&scene, 2, DIRECTION_RECEIVE, "O");
	assert_int_equal(scene.world.report_count, 1);
	assert_int_equal(scene.world.reports[0].reason, UNPARSED_UPGRADED);
	assert_int_equal(scene.world.mute_count, 0);
	scene_enter(&scene);
	scene_cross(&scene, 2, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	scene_say(&scene, 1, DIRECTION_SEND, 5, "Q000000");
	scene_enter(&scene);
	scene_cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 7 + 17, 2);
	scene_say(&scene, 1, DIRECTION_RECEIVE, 5, "R000000");
	assert_int_equal(scene.world.mute_count, 1);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CALLS], 1);
	scene_finish(&scene);
}

static void a_tunnel_of_something_else_is_muted(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_open_conn(&scene, 2);
	scene_speak(&scene, 2, DIRECTION_SEND, "Q000000");
	scene_speak(&scene, 2, DIRECTION_RECEIVE, "O");
	for (int i = 0; i < 10; i++)
		scene_speak(&scene, 2, i & 1, "anything");
	assert_int_equal(scene.world.mute_count, 1);
	assert_int_equal(scene.world.report_count, 1);
	scene_finish(&scene);
}

static void what_is_not_read_is_reported(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_cross(&scene, 3, DIRECTION_SEND, 1, 23, 100, 1);
	assert_int_equal(scene.world.report_count, 0);
	scene_end_conn(&scene, 3);
	assert_int_equal(scene.world.report_count, 2);
	assert_int_equal(scene.world.reports[0].reason, UNPARSED_TLS);
	assert_int_equal(scene.world.reports[0].brands, 1 << TLS_BRAND_JSSE);
	assert_false(scene.world.reports[0].final);
	assert_int_equal(scene.world.reports[0].bytes[DIRECTION_RECEIVE], 45);
	assert_true(scene.world.reports[1].final);
	assert_int_equal(scene.world.reports[1].bytes[DIRECTION_SEND], 105);
	scene_finish(&scene);
}

/* Ciphertext is not looked at for ever. */
static void what_is_never_joined_is_given_up(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	for (int i = 0; i < 300; i++)
		scene_cross(&scene, 3, DIRECTION_SEND, 1, 23, 100, 1);
	assert_int_equal(scene.world.report_count, 1);
	assert_int_equal(scene.world.mute_count, 1);
	scene_end_conn(&scene, 3);
	assert_int_equal(scene.world.report_count, 2);
	scene_finish(&scene);
}

static void the_table_is_bounded(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	for (unsigned int i = 0; i < 6; i++)
		scene_say(&scene, i, DIRECTION_RECEIVE, 5, "Q000000");
	assert_int_equal(tls_table_sessions(scene.tls), 4);
	assert_int_equal(tls_table_counts(scene.tls)->no_room, 2);
	scene_finish(&scene);
}

static void a_handshake_is_timed(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_cross(&scene, 3, DIRECTION_SEND, 1, 22, 80, 2);
	scene_cross(&scene, 3, DIRECTION_SEND, 1, 23, 80, 1);
	assert_int_equal(scene.handshake_count, 0);
	scene.world.now_ns += 5000;
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 1, 20, 1 + PLAIN_TAIL_BYTES, 1);
	assert_int_equal(scene.handshake_count, 0);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 1, 23, 60, 1);
	assert_int_equal(scene.handshake_count, 1);
	assert_int_equal(scene.handshakes[0].side, SIDE_SERVER);
	assert_int_equal(scene.handshakes[0].tgid, 77);
	assert_int_equal(scene.handshakes[0].duration_ns, 5004);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 1, 23, 60, 1);
	assert_int_equal(scene.handshake_count, 1);
	scene_finish(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_joins_at_once),
		cmocka_unit_test(an_answer_before_its_request_waits),
		cmocka_unit_test(ciphertext_joins),
		cmocka_unit_test(two_calls_join),
		cmocka_unit_test(tickets_before_the_answer),
		cmocka_unit_test(uncertain_calls_leave_the_peer_empty),
		cmocka_unit_test(one_call_is_not_enough),
		cmocka_unit_test(a_refuted_hint_counts_from_anew),
		cmocka_unit_test(a_freed_session_without_connection_is_told),
		cmocka_unit_test(a_tunnel_joins),
		cmocka_unit_test(a_tunnel_of_something_else_is_muted),
		cmocka_unit_test(what_is_not_read_is_reported),
		cmocka_unit_test(what_is_never_joined_is_given_up),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(a_handshake_is_timed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
