/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callbacks only record; helpers play the kernel.
 */
#include "tls_world.h"

#include <string.h>
#include <sys/socket.h>

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

static void on_joined(void *ctx, uint64_t tls_id)
{
	struct scene *scene = ctx;

	scene->joined[scene->joined_count++] = tls_id;
}

static void on_forget(void *ctx, uint64_t tls_id)
{
	struct scene *scene = ctx;

	scene->forgotten[scene->forgotten_count++] = tls_id;
}

static void on_session_mute(void *ctx, uint64_t tls_id)
{
	struct scene *scene = ctx;

	scene->session_mutes[scene->session_mute_count++] = tls_id;
}

static void on_session_skip(void *ctx, uint64_t tls_id, enum direction direction, uint32_t position)
{
	struct scene *scene = ctx;

	scene->skip = (struct scene_skip){ tls_id, direction, position };
}

void scene_begin(struct scene *scene)
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
				       .joined = on_joined,
				       .forget = on_forget,
				       .connections = { .ctx = scene, .mute = on_mute },
				       .sessions = {
					       .ctx = scene, .skip_until = on_session_skip, .mute = on_session_mute } };

	memset(scene, 0, sizeof(*scene));
	scene->world.now_ns = 1000;
	assert_int_equal(stream_table_new(&streams, &callbacks, &scene->streams), 0);
	assert_int_equal(tls_table_new(&config, &above, scene->streams, &scene->tls), 0);
}

void scene_finish(struct scene *scene)
{
	tls_table_free(scene->tls);
	stream_table_free(scene->streams);
}

void scene_open_conn(struct scene *scene, uint64_t conn_id)
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

void scene_cross(struct scene *scene, uint64_t conn_id, enum direction direction, uint32_t tid, uint8_t type,
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

void scene_hello(struct scene *scene, uint64_t conn_id)
{
	scene_open_conn(scene, conn_id);
	scene_cross(scene, conn_id, DIRECTION_RECEIVE, 1, 22, 40, 1);
}

void scene_speak(struct scene *scene, uint64_t conn_id, enum direction direction, const char *text)
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

void scene_enter(struct scene *scene)
{
	scene->entered_ns = ++scene->world.now_ns;
}

struct plain_segment scene_plain(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid,
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

void scene_say(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid, const char *text)
{
	struct plain_segment told = scene_plain(scene, session, direction, tid, text);

	tls_on_plain(scene->tls, &told);
}

void scene_end_conn(struct scene *scene, uint64_t conn_id)
{
	struct connection_end end = { .conn_id = conn_id, .time_ns = ++scene->world.now_ns, .kind = END_CLOSED };

	stream_on_end(scene->streams, &end);
	tls_on_end(scene->tls, &end);
}

void scene_peer(const struct scene *scene, size_t index, uint64_t conn_id)
{
	assert_true(index < scene->world.exchange_count);
	assert_int_equal(scene->world.exchanges[index].remote.family, conn_id ? AF_INET : 0);
	assert_int_equal(scene->world.exchanges[index].remote.port, conn_id ? 40000 + conn_id : 0);
	assert_int_not_equal(scene->world.exchanges[index].status, TLS_NONE);
}
