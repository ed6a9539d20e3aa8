/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join of TLS sessions under a hostile kernel: the input is a program of connections that records cross, whole
 * sessions and halves of them that speak, ends of ciphertext that fit or do not, ends of all kinds, and ticks. Whatever
 * comes: sessions and held bytes stay within their limits, and after all ends and enough time nothing is left.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/proto.h"
#include "stream/tls.h"

#define CONNS 4
#define SESSIONS 6
#define MAX_SESSIONS 5
#define MAX_HELD 4000
#define HOLD_NS 1000

struct fuzz {
	const uint8_t *input;
	size_t length;
	struct stream_table *streams;
	struct tls_table *tls;
	uint64_t now_ns;
	uint64_t conn_ids[CONNS]; /* 0: not open */
	uint32_t positions[CONNS][2];
	uint64_t tls_ids[SESSIONS];
	bool half[SESSIONS];
	uint32_t plain[SESSIONS][2];
	uint64_t last_id;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t take(struct fuzz *fuzz)
{
	if (!fuzz->length)
		return 0;
	fuzz->length--;
	return *fuzz->input++;
}

static void on_exchange(void *ctx, const struct exchange *exchange)
{
	(void)ctx;
	check(exchange->conn_id);
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	(void)ctx, (void)conn_id, (void)tgid, (void)side, (void)method, (void)change;
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	tls_unparsed(((struct fuzz *)ctx)->tls, report);
}

static void on_mute(void *ctx, uint64_t conn_id)
{
	tls_mute(((struct fuzz *)ctx)->tls, conn_id);
}

static void on_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	if (conn_id & PLAIN_ID_BIT)
		tls_skip(((struct fuzz *)ctx)->tls, conn_id, direction, position);
}

static void told_unparsed(void *ctx, const struct unparsed_report *report)
{
	(void)ctx, (void)report;
}

static tls_brands told_sighted(void *ctx, uint32_t tgid)
{
	(void)ctx, (void)tgid;
	return 0;
}

static void told_unjoined(void *ctx, uint32_t tgid)
{
	(void)ctx, (void)tgid;
}

static void told_handshake(void *ctx, const struct tls_handshake *handshake)
{
	(void)ctx, (void)handshake;
}

static void told_session(void *ctx, uint64_t tls_id)
{
	(void)ctx;
	check(tls_id & PLAIN_ID_BIT);
}

static void told_skip(void *ctx, uint64_t tls_id, enum direction direction, uint32_t position)
{
	(void)direction, (void)position;
	told_session(ctx, tls_id);
}

static void told_mute(void *ctx, uint64_t conn_id)
{
	(void)ctx, (void)conn_id;
}

static void begin(struct fuzz *fuzz)
{
	static const struct proto_ops *const protocols[] = { &http1_ops, NULL };
	struct stream_config streams = {
		.max_connections = 16, .max_bytes = 1 << 20, .hold_ns = HOLD_NS, .protocols = protocols
	};
	struct stream_callbacks callbacks = {
		.ctx = fuzz,
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .ctx = fuzz, .skip_until = on_skip, .mute = on_mute },
	};
	struct tls_config config = { .max_sessions = MAX_SESSIONS, .max_held_bytes = MAX_HELD, .hold_ns = HOLD_NS };
	struct tls_callbacks above = { .ctx = fuzz,
				       .unparsed = told_unparsed,
				       .sighted = told_sighted,
				       .unjoined = told_unjoined,
				       .handshake = told_handshake,
				       .joined = told_session,
				       .forget = told_session,
				       .connections = { .ctx = fuzz, .mute = told_mute },
				       .sessions = { .ctx = fuzz, .skip_until = told_skip, .mute = told_mute } };

	check(!stream_table_new(&streams, &callbacks, &fuzz->streams));
	check(!tls_table_new(&config, &above, fuzz->streams, &fuzz->tls));
}

static void open_conn(struct fuzz *fuzz, uint32_t slot)
{
	struct connection_open open = { .time_ns = fuzz->now_ns, .from_start = true, .tgid = 7 };

	if (fuzz->conn_ids[slot])
		return;
	fuzz->conn_ids[slot] = open.conn_id = ++fuzz->last_id;
	memset(fuzz->positions[slot], 0, sizeof(fuzz->positions[slot]));
	open.local.family = open.remote.family = AF_INET;
	stream_on_open(fuzz->streams, &open);
}

static void end_conn(struct fuzz *fuzz, uint32_t slot)
{
	struct connection_end end = { .conn_id = fuzz->conn_ids[slot], .time_ns = fuzz->now_ns, .kind = END_CLOSED };

	if (!end.conn_id)
		return;
	fuzz->conn_ids[slot] = 0;
	stream_on_end(fuzz->streams, &end);
	tls_on_end(fuzz->tls, &end);
}

/* A record, whose end is one of a few. */
static void cross(struct fuzz *fuzz, uint32_t slot, enum direction direction)
{
	static const uint8_t types[] = { 22, 23, 23, 20 };
	uint8_t bytes[64] = { types[take(fuzz) & 3], 3, 3, 0, 40 };
	struct segment segment = {
		.conn_id = fuzz->conn_ids[slot],
		.time_ns = fuzz->now_ns,
		.tgid = 7,
		.tid = take(fuzz) & 1,
		.direction = direction,
		.position = fuzz->positions[slot][direction],
		.length = 45,
		.captured_length = 45,
		.data = bytes,
	};

	if (!segment.conn_id)
		return;
	memset(bytes + 45 - PLAIN_TAIL_BYTES, (int)(take(fuzz) & 7), PLAIN_TAIL_BYTES);
	fuzz->positions[slot][direction] += segment.length;
	stream_on_segment(fuzz->streams, &segment);
	tls_on_segment(fuzz->tls, &segment);
}

static void speak(struct fuzz *fuzz, uint32_t slot, uint32_t what)
{
	static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
					     "POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n", "x" };
	enum direction direction = fuzz->half[slot] ? (enum direction)(slot & 1) : (enum direction)(what & 1);
	const char *text = texts[what >> 1 & 3];
	struct plain_segment plain = { .segment = { .conn_id = fuzz->tls_ids[slot],
						    .time_ns = fuzz->now_ns,
						    .tgid = 7,
						    .tid = what >> 3 & 1,
						    .direction = direction,
						    .position = fuzz->plain[slot][direction],
						    .length = (uint32_t)strlen(text),
						    .captured_length = (uint32_t)strlen(text),
						    .data = (const uint8_t *)text },
				       .entered_ns = fuzz->now_ns,
				       .call_length = (uint32_t)strlen(text),
				       .conn_id = !fuzz->half[slot] && what & 16 ? fuzz->conn_ids[slot % CONNS] : 0,
				       .channel = fuzz->half[slot] ? PLAIN_CHANNEL_HALF : PLAIN_CHANNEL_OTHER };
	uint8_t tail[PLAIN_TAIL_BYTES];

	memset(tail, (int)(take(fuzz) & 7), sizeof(tail));
	if (what & 32)
		plain.tail = tail;
	fuzz->plain[slot][direction] += plain.segment.length;
	tls_on_plain(fuzz->tls, &plain);
	if (what & 64)
		tls_on_plain_tail(fuzz->tls, fuzz->tls_ids[slot], tail);
	check(tls_table_held_bytes(fuzz->tls) <= MAX_HELD + sizeof(plain) + 256);
}

static void end_session(struct fuzz *fuzz, uint32_t slot, bool half)
{
	tls_on_plain_end(fuzz->tls, &(struct plain_end){ .tls_id = fuzz->tls_ids[slot], .time_ns = fuzz->now_ns });
	fuzz->tls_ids[slot] = PLAIN_ID_BIT | ++fuzz->last_id;
	fuzz->half[slot] = half;
	memset(fuzz->plain[slot], 0, sizeof(fuzz->plain[slot]));
}

static void step(struct fuzz *fuzz)
{
	uint32_t what = take(fuzz), which = take(fuzz);

	fuzz->now_ns++;
	switch (what & 7) {
	case 0:
		open_conn(fuzz, which % CONNS);
		break;
	case 1:
		end_conn(fuzz, which % CONNS);
		break;
	case 2:
	case 3:
		cross(fuzz, which % CONNS, (enum direction)(what >> 3 & 1));
		break;
	case 4:
	case 5:
		speak(fuzz, which % SESSIONS, what >> 1 | (which & 128) << 1);
		break;
	case 6:
		end_session(fuzz, which % SESSIONS, which & 128);
		break;
	default:
		fuzz->now_ns += which * 20ULL;
		tls_tick(fuzz->tls, fuzz->now_ns);
		stream_tick(fuzz->streams, fuzz->now_ns);
	}
	check(tls_table_sessions(fuzz->tls) <= MAX_SESSIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .input = data, .length = size, .now_ns = 1 };

	begin(&fuzz);
	for (uint32_t slot = 0; slot < SESSIONS; slot++)
		end_session(&fuzz, slot, slot < 4);
	while (fuzz.length)
		step(&fuzz);
	for (uint32_t slot = 0; slot < SESSIONS; slot++)
		end_session(&fuzz, slot, false);
	for (uint32_t slot = 0; slot < CONNS; slot++)
		end_conn(&fuzz, slot);
	for (int i = 0; i < 3; i++) {
		fuzz.now_ns += 3000000000;
		tls_tick(fuzz.tls, fuzz.now_ns);
		stream_tick(fuzz.streams, fuzz.now_ns);
	}
	check(!tls_table_sessions(fuzz.tls) && !tls_table_held_bytes(fuzz.tls));
	check(!stream_table_connections(fuzz.streams));
	tls_table_free(fuzz.tls);
	stream_table_free(fuzz.streams);
	return 0;
}
