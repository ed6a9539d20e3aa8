/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions whose directions are seen apart: both are found on one connection, each by its own ciphertext, and are one
 * stream; what is found on none is not told at all.
 */
#include <string.h>
#include <sys/socket.h>

#include "stream/tls_ends.h"
#include "tls_world.h"

/* Plaintext that was received in a record with this end. */
static void opened(struct scene *scene, unsigned int half, const char *text, uint8_t mark)
{
	struct plain_segment told = scene_plain(scene, half, DIRECTION_RECEIVE, 5, text);
	uint8_t tail[PLAIN_TAIL_BYTES];

	memset(tail, mark, sizeof(tail));
	told.channel = PLAIN_CHANNEL_HALF;
	told.tail = tail;
	tls_on_plain(scene->tls, &told);
}

/* Plaintext of which a record with this end is made. */
static void sealed(struct scene *scene, unsigned int half, const char *text, uint8_t mark)
{
	struct plain_segment told = scene_plain(scene, half, DIRECTION_SEND, 5, text);
	uint8_t tail[PLAIN_TAIL_BYTES];

	memset(tail, mark, sizeof(tail));
	told.channel = PLAIN_CHANNEL_HALF;
	tls_on_plain(scene->tls, &told);
	tls_on_plain_tail(scene->tls, TLS(half), tail);
}

static void freed(struct scene *scene, unsigned int half)
{
	tls_on_plain_end(scene->tls, &(struct plain_end){ .tls_id = TLS(half), .time_ns = ++scene->world.now_ns });
}

/* A server's first request and its answer: halves 1 and 2, on connection 3. */
static void serve(struct scene *scene)
{
	scene_cross(scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x11);
	opened(scene, 1, "Q000000", 0x11);
	sealed(scene, 2, "R000000", 0x22);
	scene_cross(scene, 3, DIRECTION_SEND, 5, 23, 40, 0x22);
}

static void two_halves_are_one_stream(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 2);
	scene_hello(&scene, 3);
	serve(&scene);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_SERVER);
	assert_int_equal(scene.world.exchanges[0].conn_id, TLS(1));
	assert_int_equal(scene.world.exchanges[0].error, EXCHANGE_COMPLETE);
	assert_int_equal(scene.joined_count, 2);
	assert_int_equal(scene.world.mute_count, 1);
	/* No more of its ciphertext is looked at: the halves are known by themselves. */
	opened(&scene, 1, "Q000000", 0x33);
	sealed(&scene, 2, "R000000", 0x44);
	assert_int_equal(scene.world.exchange_count, 2);
	scene_peer(&scene, 1, 3);
	assert_int_equal(tls_table_held_bytes(scene.tls), 0);
	assert_int_equal(tls_table_sessions(scene.tls), 1);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CIPHERTEXT], 1);
	scene_finish(&scene);
}

static void a_client_sends_first(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	sealed(&scene, 1, "Q000000", 0x11);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 40, 0x11);
	assert_int_equal(scene.world.mute_count, 0);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x22);
	opened(&scene, 2, "R000000", 0x22);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_CLIENT);
	assert_int_equal(scene.world.mute_count, 1);
	scene_finish(&scene);
}

/* Records that came on one connection and were sealed for the other, in any order. */
static void halves_of_two_connections_are_kept_apart(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 2);
	scene_hello(&scene, 3);
	scene_cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 40, 0x12);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x13);
	opened(&scene, 3, "Q000000", 0x13);
	opened(&scene, 2, "Q000000", 0x12);
	sealed(&scene, 4, "R000000", 0x22);
	sealed(&scene, 5, "R000000", 0x23);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 40, 0x23);
	scene_cross(&scene, 2, DIRECTION_SEND, 5, 23, 40, 0x22);
	assert_int_equal(scene.world.exchange_count, 2);
	scene_peer(&scene, 0, 3);
	scene_peer(&scene, 1, 2);
	assert_int_equal(scene.world.exchanges[0].conn_id, TLS(3));
	assert_int_equal(scene.world.exchanges[1].conn_id, TLS(2));
	scene_finish(&scene);
}

/* A record with a tag that has crossed nowhere, or in the other direction. */
static void a_half_without_connection_is_not_told(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 40, 0x11);
	opened(&scene, 1, "Q000000", 0x11);
	sealed(&scene, 2, "R000000", 0x22);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x22);
	assert_true(tls_table_held_bytes(scene.tls) > 0);
	scene.world.now_ns += 2 * HOLD_NS;
	tls_tick(scene.tls, scene.world.now_ns);
	assert_int_equal(tls_table_held_bytes(scene.tls), 0);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_NONE], 2);
	assert_int_equal(scene.world.exchange_count, 0);
	assert_int_equal(scene.unjoined, 0);
	/* Nobody says that they are over. */
	scene.world.now_ns += 2 * HOLD_NS;
	tls_tick(scene.tls, scene.world.now_ns);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(scene.forgotten_count, 2);
	scene_end_conn(&scene, 3);
	assert_int_equal(scene.world.reports[0].reason, UNPARSED_TLS);
	scene_finish(&scene);
}

/* What was let go is no gap in the middle of the stream. */
static void a_half_is_joined_late(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	opened(&scene, 1, "Q000000", 0x11);
	scene.world.now_ns += 2 * HOLD_NS;
	tls_tick(scene.tls, scene.world.now_ns);
	serve(&scene);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].request_position, 0);
	/* It lives as long as any. */
	scene.world.now_ns += 2 * HOLD_NS;
	tls_tick(scene.tls, scene.world.now_ns);
	opened(&scene, 1, "Q000000", 0x33);
	sealed(&scene, 2, "R000000", 0x44);
	assert_int_equal(scene.world.exchange_count, 2);
	scene_finish(&scene);
}

static void requests_go_to_the_half_that_speaks(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	serve(&scene);
	tls_skip(scene.tls, TLS(1), DIRECTION_SEND, 1000);
	assert_int_equal(scene.skip.tls_id, TLS(2));
	assert_int_equal(scene.skip.direction, DIRECTION_SEND);
	assert_int_equal(scene.skip.position, 1000);
	tls_skip(scene.tls, TLS(1), DIRECTION_RECEIVE, 2000);
	assert_int_equal(scene.skip.tls_id, TLS(1));
	tls_mute(scene.tls, TLS(1));
	assert_int_equal(scene.session_mute_count, 2);
	assert_int_equal(scene.session_mutes[0], TLS(1));
	assert_int_equal(scene.session_mutes[1], TLS(2));
	scene_finish(&scene);
}

/* TLS 1.3 changes a key before the other direction has spoken: the next half goes on where the last one ended. */
static void a_key_is_changed(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x11);
	opened(&scene, 1, "Q000", 0x11);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x12);
	opened(&scene, 4, "000", 0x12);
	freed(&scene, 1);
	sealed(&scene, 2, "R000000", 0x22);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 40, 0x22);
	assert_int_equal(scene.world.exchange_count, 1);
	scene_peer(&scene, 0, 3);
	tls_skip(scene.tls, TLS(1), DIRECTION_RECEIVE, 104);
	assert_int_equal(scene.skip.tls_id, TLS(4));
	assert_int_equal(scene.skip.position, 100);
	scene_finish(&scene);
}

/* When both directions are known their ciphertext is not looked at any more: requests alone would be told as such. */
static void a_key_is_changed_late(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	serve(&scene);
	freed(&scene, 2);
	opened(&scene, 1, "Q000000", 0x33);
	sealed(&scene, 4, "R000000", 0x44);
	scene_end_conn(&scene, 3);
	tls_tick(scene.tls, scene.world.now_ns + 1000000000);
	tls_tick(scene.tls, scene.world.now_ns + 3000000000);
	assert_int_equal(scene.world.exchange_count, 1);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_NONE], 1);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	scene_finish(&scene);
}

/* In whatever order keys and connection go. */
static void halves_end(void **state)
{
	for (int order = 0; order < 4; order++) {
		struct scene scene;

		(void)state;
		scene_begin(&scene);
		scene_hello(&scene, 3);
		serve(&scene);
		if (order == 0)
			scene_end_conn(&scene, 3);
		freed(&scene, order & 1 ? 1 : 2);
		if (order == 2)
			scene_end_conn(&scene, 3);
		freed(&scene, order & 1 ? 2 : 1);
		if (order == 3)
			scene_end_conn(&scene, 3);
		assert_int_equal(stream_table_connections(scene.streams), 1 + (order == 1));
		tls_tick(scene.tls, scene.world.now_ns + 3000000000);
		assert_int_equal(tls_table_sessions(scene.tls), 0);
		assert_int_equal(stream_table_connections(scene.streams), order == 1);
		assert_int_equal(scene.forgotten_count, 0);
		scene_finish(&scene);
	}
}

/* A process that was killed frees nothing. */
static void a_connection_takes_its_halves_along(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	serve(&scene);
	scene_end_conn(&scene, 3);
	tls_tick(scene.tls, scene.world.now_ns + 1000000000);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(scene.forgotten_count, 2);
	scene_finish(&scene);
}

/* While only one direction speaks: its half is known, the other one is still waited for. */
static void a_long_upload_is_answered(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	scene_hello(&scene, 3);
	scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 40, 0x11);
	opened(&scene, 1, "Q000000", 0x11);
	for (int i = 0; i < 600; i++)
		scene_cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 1000, 0x33);
	assert_int_equal(scene.world.mute_count, 0);
	sealed(&scene, 2, "R000000", 0x22);
	scene_cross(&scene, 3, DIRECTION_SEND, 5, 23, 40, 0x22);
	assert_int_equal(scene.world.exchange_count, 1);
	assert_int_equal(scene.world.mute_count, 1);
	scene_finish(&scene);
}

/* Hundreds at once find room; of those that share their places the oldest give way. */
static void ends_are_remembered_for_a_moment(void **state)
{
	static struct tls_ends ends;
	uint8_t end[PLAIN_TAIL_BYTES] = { 0 };
	uint32_t lost = 0;

	(void)state;
	for (uint32_t i = 1; i <= 600; i++) {
		uint32_t word = i * 0x9e3779b9;

		memcpy(end, &word, sizeof(word));
		tls_ends_put(&ends, end, i);
	}
	for (uint32_t i = 1; i <= 600; i++) {
		uint32_t word = i * 0x9e3779b9;

		memcpy(end, &word, sizeof(word));
		lost += tls_ends_take(&ends, end) != i;
		assert_int_equal(tls_ends_take(&ends, end), 0);
	}
	assert_int_equal(lost, 0);
	memset(end, 0, sizeof(end));
	for (uint8_t i = 1; i <= 5; i++) {
		end[PLAIN_TAIL_BYTES - 1] = i;
		tls_ends_put(&ends, end, i);
	}
	for (uint8_t i = 1; i <= 5; i++) {
		end[PLAIN_TAIL_BYTES - 1] = i;
		assert_int_equal(tls_ends_take(&ends, end), i == 1 ? 0 : i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_halves_are_one_stream),
		cmocka_unit_test(a_client_sends_first),
		cmocka_unit_test(halves_of_two_connections_are_kept_apart),
		cmocka_unit_test(a_half_without_connection_is_not_told),
		cmocka_unit_test(a_half_is_joined_late),
		cmocka_unit_test(requests_go_to_the_half_that_speaks),
		cmocka_unit_test(a_key_is_changed),
		cmocka_unit_test(a_key_is_changed_late),
		cmocka_unit_test(halves_end),
		cmocka_unit_test(a_connection_takes_its_halves_along),
		cmocka_unit_test(a_long_upload_is_answered),
		cmocka_unit_test(ends_are_remembered_for_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
