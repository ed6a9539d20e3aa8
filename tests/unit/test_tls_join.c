/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join of TLS sessions with connections: by descriptor, by ciphertext, by calls; and that it is not made where it
 * is not certain. Sessions speak the fake protocol of stream_world.h.
 */
#include <string.h>
#include <sys/socket.h>

#include "stream/tls.h"
#include "stream_world.h"

#define HOLD_NS 1000000
#define TLS(n) (PLAIN_ID_BIT | (n))

struct scene {
	struct world world;
	struct stream_table *streams;
	struct tls_table *tls;
	struct tls_handshake handshakes[8];
	size_t handshake_count;
	uint64_t unjoined;
	uint32_t positions[8][2]; /* of connections */
	uint32_t plain[8][2];     /* of sessions */
	uint64_t entered_ns;
};

static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct scene *scene = ctx;
	struct seen_exchange *seen = &scene->world.exchanges[scene->world.exchange_count++];

	seen->side = exchange->side;
	seen->error = exchange->error;
	seen->conn_id = exchange->conn_id;
	seen->status = exchange->tls;
	seen->local = *exchange->local;
	seen->remote = *exchange->remote;
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	(void)ctx, (void)conn_id, (void)tgid, (void)side, (void)method, (void)change;
}

static void from_stream_unparsed(void *ctx, const struct unparsed_report *report)
{
	tls_unparsed(((struct scene *)ctx)->tls, report);
}

static void from_stream_mute(void *ctx, uint64_t conn_id)
{
	tls_mute(((struct scene *)ctx)->tls, conn_id);
}

static void from_stream_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	(void)ctx, (void)conn_id, (void)direction, (void)position;
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	struct scene *scene = ctx;

	scene->world.reports[scene->world.report_count++] = *report;
}

static void on_mute(void *ctx, uint64_t conn_id)
{
	struct scene *scene = ctx;

	scene->world.mutes[scene->world.mute_count++] = conn_id;
}

static void on_handshake(void *ctx, const struct tls_handshake *handshake)
{
	struct scene *scene = ctx;

	scene->handshakes[scene->handshake_count++] = *handshake;
}

static tls_brands on_sighted(void *ctx, uint32_t tgid)
{
	(void)ctx;
	assert_int_equal(tgid, 77);
	return 1 << TLS_BRAND_JSSE;
}

static void on_unjoined(void *ctx, uint32_t tgid)
{
	struct scene *scene = ctx;

	assert_int_equal(tgid, 77);
	scene->unjoined++;
}

static void begin(struct scene *scene)
{
	static const struct proto_ops *const protocols[] = { &fake_ops, NULL };
	struct stream_config streams = {
		.max_connections = 16, .max_bytes = 1 << 20, .hold_ns = WORLD_HOLD_NS, .protocols = protocols
	};
	struct stream_callbacks callbacks = {
		.ctx = scene,
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = from_stream_unparsed,
		.control = { .ctx = scene, .skip_until = from_stream_skip, .mute = from_stream_mute },
	};
	struct tls_config config = { .max_sessions = 4, .max_held_bytes = 65536, .hold_ns = HOLD_NS };
	struct tls_callbacks above = { .ctx = scene,
				       .unparsed = on_unparsed,
				       .sighted = on_sighted,
				       .unjoined = on_unjoined,
				       .handshake = on_handshake,
				       .connections = { .ctx = scene, .mute = on_mute } };

	memset(scene, 0, sizeof(*scene));
	scene->world.now_ns = 1000;
	assert_int_equal(stream_table_new(&streams, &callbacks, &scene->streams), 0);
	assert_int_equal(tls_table_new(&config, &above, scene->streams, &scene->tls), 0);
}

static void finish(struct scene *scene)
{
	tls_table_free(scene->tls);
	stream_table_free(scene->streams);
}

static void open_conn(struct scene *scene, uint64_t conn_id)
{
	struct connection_open open = {
		.conn_id = conn_id,
		.time_ns = ++scene->world.now_ns,
		.local = { .family = AF_INET, .port = 443, .address = { 127, 0, 0, 1 } },
		.remote = { .family = AF_INET, .port = (uint16_t)(40000 + conn_id), .address = { 127, 0, 0, 2 } },
		.from_start = true,
		.tgid = 77,
	};

	stream_on_open(scene->streams, &open);
}

/* A record of `length` bytes whose last ones are `mark`. */
static void cross(struct scene *scene, uint64_t conn_id, enum direction direction, uint32_t tid, uint8_t type,
		  size_t length, uint8_t mark)
{
	uint8_t bytes[2048] = { type, 3, 3, (uint8_t)(length >> 8), (uint8_t)length };
	struct segment segment = {
		.conn_id = conn_id,
		.time_ns = ++scene->world.now_ns,
		.tgid = 77,
		.tid = tid,
		.direction = direction,
		.position = scene->positions[conn_id][direction],
		.length = (uint32_t)(length + 5),
		.captured_length = (uint32_t)(length + 5),
		.data = bytes,
	};

	bytes[5] = type == 22 ? mark : 0;
	memset(bytes + 5 + length - (type == 22 ? 0 : PLAIN_TAIL_BYTES), mark, type == 22 ? 0 : PLAIN_TAIL_BYTES);
	scene->positions[conn_id][direction] += segment.length;
	stream_on_segment(scene->streams, &segment);
	tls_on_segment(scene->tls, &segment);
}

static void hello(struct scene *scene, uint64_t conn_id)
{
	open_conn(scene, conn_id);
	cross(scene, conn_id, DIRECTION_RECEIVE, 1, 22, 40, 1);
}

/* In clear, on the connection itself. */
static void speak(struct scene *scene, uint64_t conn_id, enum direction direction, const char *text)
{
	struct segment segment = {
		.conn_id = conn_id,
		.time_ns = ++scene->world.now_ns,
		.tgid = 77,
		.direction = direction,
		.position = scene->positions[conn_id][direction],
		.length = (uint32_t)strlen(text),
		.captured_length = (uint32_t)strlen(text),
		.data = (const uint8_t *)text,
	};

	scene->positions[conn_id][direction] += segment.length;
	stream_on_segment(scene->streams, &segment);
	tls_on_segment(scene->tls, &segment);
}

static void enter(struct scene *scene)
{
	scene->entered_ns = ++scene->world.now_ns;
}

static struct plain_segment plain(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid,
				  const char *text)
{
	struct plain_segment told = {
		.segment = { .conn_id = TLS(session),
			     .time_ns = ++scene->world.now_ns,
			     .tgid = 77,
			     .tid = tid,
			     .direction = direction,
			     .position = scene->plain[session][direction],
			     .length = (uint32_t)strlen(text),
			     .captured_length = (uint32_t)strlen(text),
			     .data = (const uint8_t *)text },
		.entered_ns = scene->entered_ns ? scene->entered_ns : scene->world.now_ns - 1,
		.call_length = (uint32_t)strlen(text),
	};

	scene->entered_ns = 0;
	scene->plain[session][direction] += told.segment.length;
	return told;
}

static void say(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid, const char *text)
{
	struct plain_segment told = plain(scene, session, direction, tid, text);

	tls_on_plain(scene->tls, &told);
}

static void end_conn(struct scene *scene, uint64_t conn_id)
{
	struct connection_end end = { .conn_id = conn_id, .time_ns = ++scene->world.now_ns, .kind = END_CLOSED };

	stream_on_end(scene->streams, &end);
	tls_on_end(scene->tls, &end);
}

static void assert_peer(const struct scene *scene, size_t index, uint64_t conn_id)
{
	assert_true(index < scene->world.exchange_count);
	assert_int_equal(scene->world.exchanges[index].remote.family, conn_id ? AF_INET : 0);
	assert_int_equal(scene->world.exchanges[index].remote.port, conn_id ? 40000 + conn_id : 0);
	assert_int_not_equal(scene->world.exchanges[index].status, TLS_NONE);
}

static void a_descriptor_joins_at_once(void **state)
{
	struct scene scene;
	struct plain_segment told;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	assert_int_equal(scene.world.report_count, 0);
	assert_int_equal(scene.world.mute_count, 0);
	told = plain(&scene, 1, DIRECTION_RECEIVE, 1, "Q000002hi");
	told.conn_id = 3;
	told.channel = PLAIN_CHANNEL_DESCRIPTOR;
	tls_on_plain(scene.tls, &told);
	assert_int_equal(scene.world.mute_count, 1);
	say(&scene, 1, DIRECTION_SEND, 1, "R000002ok");
	assert_int_equal(scene.world.exchange_count, 1);
	assert_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_SERVER);
	end_conn(&scene, 3);
	tls_tick(scene.tls, scene.world.now_ns + 1000000000);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(stream_table_connections(scene.streams), 0);
	assert_int_equal(scene.world.report_count, 0);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_DESCRIPTOR], 1);
	finish(&scene);
}

/* Another thread has the answer before the request's call has returned. */
static void an_answer_before_its_request_waits(void **state)
{
	struct scene scene;
	struct plain_segment told;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	told = plain(&scene, 1, DIRECTION_RECEIVE, 2, "R000000");
	told.conn_id = 3;
	tls_on_plain(scene.tls, &told);
	stream_tick(scene.streams, scene.world.now_ns);
	stream_tick(scene.streams, scene.world.now_ns + 10 * WORLD_HOLD_NS);
	assert_int_equal(scene.world.exchange_count, 0);
	say(&scene, 1, DIRECTION_SEND, 1, "Q000000");
	assert_int_equal(scene.world.exchange_count, 1);
	assert_int_equal(scene.world.exchanges[0].error, EXCHANGE_COMPLETE);
	assert_int_equal(stream_table_losses(scene.streams)->out_of_step[STEP_RESPONSE_ALONE], 0);
	finish(&scene);
}

/* The request waits until the answer's ciphertext crosses a socket, on whatever thread. */
static void ciphertext_joins(void **state)
{
	uint8_t tail[PLAIN_TAIL_BYTES];
	struct plain_segment told;
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 2);
	hello(&scene, 3);
	say(&scene, 1, DIRECTION_RECEIVE, 1, "Q000000");
	told = plain(&scene, 1, DIRECTION_SEND, 1, "R000000");
	memset(tail, 0xab, sizeof(tail));
	told.tail = tail;
	told.channel = PLAIN_CHANNEL_MEMORY;
	tls_on_plain(scene.tls, &told);
	assert_int_equal(scene.world.exchange_count, 0);
	assert_true(tls_table_held_bytes(scene.tls) > 0);
	cross(&scene, 2, DIRECTION_SEND, 1, 23, 100, 0xaa);
	assert_int_equal(scene.world.exchange_count, 0);
	cross(&scene, 3, DIRECTION_SEND, 9, 23, 100, 0xab);
	assert_int_equal(scene.world.exchange_count, 1);
	assert_peer(&scene, 0, 3);
	assert_int_equal(tls_table_held_bytes(scene.tls), 0);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CIPHERTEXT], 1);
	finish(&scene);
}

static void two_calls_join(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	enter(&scene);
	cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	enter(&scene);
	cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	assert_int_equal(scene.world.exchange_count, 1);
	assert_peer(&scene, 0, 3);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CALLS], 1);
	finish(&scene);
}

/* What a read took besides the record that it gives are session tickets. */
static void tickets_before_the_answer(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	enter(&scene);
	cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_SEND, 5, "Q000000");
	enter(&scene);
	cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 250, 1);
	cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "R000000");
	assert_int_equal(scene.world.exchange_count, 1);
	assert_peer(&scene, 0, 3);
	assert_int_equal(scene.world.exchanges[0].side, SIDE_CLIENT);
	finish(&scene);
}

static void peerless(struct scene *scene, unsigned int sessions)
{
	assert_int_equal(scene->world.exchange_count, 0);
	tls_tick(scene->tls, scene->world.now_ns + 2 * HOLD_NS);
	assert_int_equal(scene->world.exchange_count, 1);
	assert_peer(scene, 0, 0);
	assert_int_equal(tls_table_counts(scene->tls)->sessions[TLS_JOIN_NONE], sessions);
	assert_int_equal(scene->unjoined, sessions);
	finish(scene);
}

/* Another thread's, other lengths, two connections in one call, one call only: all of these are no join. */
static void uncertain_calls_leave_the_peer_empty(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 2);
	hello(&scene, 3);
	enter(&scene);
	cross(&scene, 3, DIRECTION_RECEIVE, 6, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	enter(&scene);
	cross(&scene, 3, DIRECTION_SEND, 5, 23, 300, 1);
	say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	enter(&scene);
	cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 24, 1);
	cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 24, 1);
	say(&scene, 2, DIRECTION_RECEIVE, 5, "Q000000");
	peerless(&scene, 2);
}

static void one_call_is_not_enough(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	enter(&scene);
	cross(&scene, 3, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	peerless(&scene, 1);
}

static void a_refuted_hint_counts_from_anew(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 2);
	hello(&scene, 3);
	enter(&scene);
	cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	enter(&scene);
	cross(&scene, 3, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	assert_int_equal(tls_table_counts(scene.tls)->contradictions, 1);
	peerless(&scene, 1);
}

static void a_freed_session_without_connection_is_told(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "Q000000");
	say(&scene, 1, DIRECTION_SEND, 5, "R000000");
	tls_on_plain_end(scene.tls, &(struct plain_end){ .tls_id = TLS(1), .time_ns = scene.world.now_ns });
	tls_tick(scene.tls, scene.world.now_ns + 3000000000);
	assert_int_equal(scene.world.exchange_count, 1);
	assert_peer(&scene, 0, 0);
	assert_int_equal(tls_table_sessions(scene.tls), 0);
	assert_int_equal(stream_table_connections(scene.streams), 0);
	finish(&scene);
}

/* A proxy's CONNECT, then TLS on the same connection. */
static void a_tunnel_joins(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	open_conn(&scene, 2);
	speak(&scene, 2, DIRECTION_SEND, "Q000000");
	speak(&scene, 2, DIRECTION_RECEIVE, "O");
	assert_int_equal(scene.world.report_count, 1);
	assert_int_equal(scene.world.reports[0].reason, UNPARSED_UPGRADED);
	assert_int_equal(scene.world.mute_count, 0);
	enter(&scene);
	cross(&scene, 2, DIRECTION_SEND, 5, 23, 7 + 17, 1);
	say(&scene, 1, DIRECTION_SEND, 5, "Q000000");
	enter(&scene);
	cross(&scene, 2, DIRECTION_RECEIVE, 5, 23, 7 + 17, 2);
	say(&scene, 1, DIRECTION_RECEIVE, 5, "R000000");
	assert_int_equal(scene.world.mute_count, 1);
	assert_int_equal(tls_table_counts(scene.tls)->sessions[TLS_JOIN_CALLS], 1);
	finish(&scene);
}

static void a_tunnel_of_something_else_is_muted(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	open_conn(&scene, 2);
	speak(&scene, 2, DIRECTION_SEND, "Q000000");
	speak(&scene, 2, DIRECTION_RECEIVE, "O");
	for (int i = 0; i < 10; i++)
		speak(&scene, 2, i & 1, "anything");
	assert_int_equal(scene.world.mute_count, 1);
	assert_int_equal(scene.world.report_count, 1);
	finish(&scene);
}

static void what_is_not_read_is_reported(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	cross(&scene, 3, DIRECTION_SEND, 1, 23, 100, 1);
	assert_int_equal(scene.world.report_count, 0);
	end_conn(&scene, 3);
	assert_int_equal(scene.world.report_count, 2);
	assert_int_equal(scene.world.reports[0].reason, UNPARSED_TLS);
	assert_int_equal(scene.world.reports[0].brands, 1 << TLS_BRAND_JSSE);
	assert_false(scene.world.reports[0].final);
	assert_int_equal(scene.world.reports[0].bytes[DIRECTION_RECEIVE], 45);
	assert_true(scene.world.reports[1].final);
	assert_int_equal(scene.world.reports[1].bytes[DIRECTION_SEND], 105);
	finish(&scene);
}

/* Ciphertext is not looked at for ever. */
static void what_is_never_joined_is_given_up(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	for (int i = 0; i < 300; i++)
		cross(&scene, 3, DIRECTION_SEND, 1, 23, 100, 1);
	assert_int_equal(scene.world.report_count, 1);
	assert_int_equal(scene.world.mute_count, 1);
	end_conn(&scene, 3);
	assert_int_equal(scene.world.report_count, 2);
	finish(&scene);
}

static void the_table_is_bounded(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	for (unsigned int i = 0; i < 6; i++)
		say(&scene, i, DIRECTION_RECEIVE, 5, "Q000000");
	assert_int_equal(tls_table_sessions(scene.tls), 4);
	assert_int_equal(tls_table_counts(scene.tls)->no_room, 2);
	finish(&scene);
}

static void a_handshake_is_timed(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	hello(&scene, 3);
	cross(&scene, 3, DIRECTION_SEND, 1, 22, 80, 2);
	cross(&scene, 3, DIRECTION_SEND, 1, 23, 80, 1);
	assert_int_equal(scene.handshake_count, 0);
	scene.world.now_ns += 5000;
	cross(&scene, 3, DIRECTION_RECEIVE, 1, 20, 1 + PLAIN_TAIL_BYTES, 1);
	assert_int_equal(scene.handshake_count, 0);
	cross(&scene, 3, DIRECTION_RECEIVE, 1, 23, 60, 1);
	assert_int_equal(scene.handshake_count, 1);
	assert_int_equal(scene.handshakes[0].side, SIDE_SERVER);
	assert_int_equal(scene.handshakes[0].tgid, 77);
	assert_int_equal(scene.handshakes[0].duration_ns, 5004);
	cross(&scene, 3, DIRECTION_RECEIVE, 1, 23, 60, 1);
	assert_int_equal(scene.handshake_count, 1);
	finish(&scene);
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
