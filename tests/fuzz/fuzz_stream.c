/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream with its real protocols under a hostile kernel: the input is a program of opens, segments (in order, early,
 * late, partly captured, of HTTP or of anything), ends, losses and ticks over a few connections in a small table.
 * Whatever comes: memory and connections stay within their limits, the active gauge comes back to zero for every
 * process, what is reported unparsed is reported final, and after all ends and enough time nothing is left.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

#define SLOTS 4
#define TGIDS 4
#define HOLD_NS 1000
#define MAX_BYTES 20000
#define MAX_CONNECTIONS 3

enum {
	IDS_MAX = 4096
};

struct slot {
	uint64_t conn_id; /* 0: not open */
	uint32_t position[2];
};

struct fuzz {
	const uint8_t *input;
	size_t length;
	struct stream_table *table;
	struct slot slots[SLOTS];
	uint64_t now_ns;
	uint64_t last_id;
	int active[TGIDS];
	uint8_t reported[IDS_MAX]; /* by conn_id: 1 told, 2 told final */
	bool muted[IDS_MAX];
};

static const char *const snippets[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"POST /p HTTP/1.1\r\nContent-Length: 100000\r\n\r\nxyz",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil close",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
	"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
	"HEAD /h HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
	"HTTP/1.1 404 Not Found\r\nContent-Length: 500000\r\n\r\n",
	"\x16\x03\x01\x02",
	"G",
	"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
};

#define SNIPPETS (sizeof(snippets) / sizeof(snippets[0]))

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
	const struct fuzz *fuzz = ctx;

	check(exchange->conn_id && exchange->conn_id <= fuzz->last_id);
	check(exchange->protocol > PROTOCOL_UNKNOWN && exchange->protocol < PROTOCOL_COUNT);
	check(exchange->error < EXCHANGE_ERROR_COUNT);
	check(exchange->local->port == 80 && exchange->remote->port == 4000);
	check(exchange->response_last_ns >= exchange->request_first_ns);
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	struct fuzz *fuzz = ctx;

	(void)side;
	check(conn_id && conn_id <= fuzz->last_id && method < HTTP_METHOD_COUNT);
	check(tgid < TGIDS && (change == 1 || change == -1));
	fuzz->active[tgid] += change;
	check(fuzz->active[tgid] >= 0);
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	struct fuzz *fuzz = ctx;
	uint8_t *reported = &fuzz->reported[report->conn_id];

	check(report->reason < UNPARSED_REASON_COUNT);
	/* One that was taken for dead may end after all. */
	if (report->final && report->reason == UNPARSED_NO_ROOM && *reported == 2)
		return;
	check(*reported == (report->final ? 1 : 0));
	++*reported;
}

static void on_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	const struct fuzz *fuzz = ctx;

	(void)position;
	check(conn_id && conn_id <= fuzz->last_id && direction <= DIRECTION_SEND);
}

static void on_mute(void *ctx, uint64_t conn_id)
{
	struct fuzz *fuzz = ctx;

	check(conn_id && conn_id <= fuzz->last_id);
	fuzz->muted[conn_id] = true;
}

static void close_slot(struct fuzz *fuzz, struct slot *slot, uint32_t how)
{
	struct connection_end end = {
		.conn_id = slot->conn_id,
		.time_ns = fuzz->now_ns,
		.kind = END_CLOSED,
		.reason = how % 3,
		.positions_known = how & 4,
		.position = { slot->position[0] + (how & 8), slot->position[1] + (how & 16) },
	};

	if (fuzz->muted[slot->conn_id])
		end.skipped[0] = end.skipped[1] = how + 1;
	if (slot->conn_id)
		stream_on_end(fuzz->table, &end);
	slot->conn_id = 0;
}

static void open_slot(struct fuzz *fuzz, struct slot *slot, uint32_t how)
{
	struct connection_open opened = {
		.time_ns = fuzz->now_ns,
		.local = { .family = 2, .port = 80 },
		.remote = { .family = how & 2 ? 1 : 2, .port = 4000, .path = "/socket" },
		.from_start = how & 1,
		.tgid = how >> 2 & (TGIDS - 1),
		.position = { how << 28, UINT32_MAX - how },
	};

	close_slot(fuzz, slot, 0);
	if (fuzz->last_id + 1 >= IDS_MAX)
		return;
	slot->conn_id = opened.conn_id = ++fuzz->last_id;
	memcpy(slot->position, opened.position, sizeof(slot->position));
	stream_on_open(fuzz->table, &opened);
}

/* Like the bytes of a call: an own allocation, so that reading past them is seen. */
static uint8_t *some_bytes(struct fuzz *fuzz, bool snippet, uint32_t *ret_length)
{
	const uint8_t *from = fuzz->input;
	uint32_t length = take(fuzz);
	uint8_t *bytes;

	if (snippet) {
		from = (const uint8_t *)snippets[length % SNIPPETS];
		length = (uint32_t)strlen((const char *)from);
	} else {
		from++;
		if (length > fuzz->length)
			length = (uint32_t)fuzz->length;
		fuzz->input += length;
		fuzz->length -= length;
	}
	bytes = malloc(length + !length);
	check(bytes);
	if (length)
		memcpy(bytes, from, length);
	*ret_length = length;
	return bytes;
}

static void segment(struct fuzz *fuzz, struct slot *slot, uint32_t how)
{
	struct segment segment = { .conn_id = slot->conn_id, .time_ns = fuzz->now_ns };
	uint8_t *bytes = some_bytes(fuzz, how & 1, &segment.length);
	uint32_t shift = take(fuzz), cut = take(fuzz);

	segment.direction = how >> 1 & 1;
	segment.tgid = shift & (TGIDS - 1);
	segment.tid = segment.tgid;
	segment.position = slot->position[segment.direction];
	if (how & 4)
		segment.peer_position = slot->position[!segment.direction];
	if (how & 8)
		segment.position += shift;
	if (how & 16)
		segment.position -= cut;
	segment.captured_length = segment.length;
	segment.data = bytes;
	if (how & 32 && segment.length) {
		segment.captured_offset = cut % segment.length;
		segment.captured_length = (segment.length - segment.captured_offset) / (1 + (shift & 1));
	}
	if (how & 64 && segment.length)
		segment.length += cut << 10; /* told by length only */
	if (!(how & 16))
		slot->position[segment.direction] = segment.position + segment.length;
	stream_on_segment(fuzz->table, &segment);
	free(bytes);
}

static void half_close(struct fuzz *fuzz, const struct slot *slot, uint32_t how)
{
	struct connection_end end = {
		.conn_id = slot->conn_id,
		.time_ns = fuzz->now_ns,
		.kind = how & 1 ? END_SEND : END_RECEIVE,
		.positions_known = how & 2,
		.position = { slot->position[0] + (how & 4), slot->position[1] + (how & 8) },
	};

	stream_on_end(fuzz->table, &end);
}

static void check_limits(const struct fuzz *fuzz)
{
	check(stream_table_connections(fuzz->table) <= MAX_CONNECTIONS);
	check(stream_table_bytes(fuzz->table) <= 2 * MAX_BYTES);
}

static void step(struct fuzz *fuzz)
{
	uint32_t what = take(fuzz), how = take(fuzz);
	struct slot *slot = &fuzz->slots[what & (SLOTS - 1)];

	fuzz->now_ns += 1 + (what >> 6);
	switch (what >> 2 & 15) {
	case 0:
		open_slot(fuzz, slot, how);
		break;
	case 1:
		close_slot(fuzz, slot, how);
		break;
	case 2:
		half_close(fuzz, slot, how);
		break;
	case 3:
		fuzz->now_ns += how * 16;
		stream_tick(fuzz->table, fuzz->now_ns);
		break;
	case 4:
		stream_on_loss(fuzz->table);
		break;
	case 5:
		fuzz->now_ns += how * UINT64_C(10000000000);
		break;
	default:
		segment(fuzz, slot, how);
		break;
	}
	check_limits(fuzz);
}

static void finish(struct fuzz *fuzz)
{
	uint64_t id;
	size_t i;

	for (i = 0; i < SLOTS; i++)
		close_slot(fuzz, &fuzz->slots[i], 4 + 8 * (unsigned int)i);
	for (i = 0; i < 4; i++)
		stream_tick(fuzz->table, fuzz->now_ns += HOLD_NS);
	check(!stream_table_waiting(fuzz->table));
	check(!stream_table_connections(fuzz->table));
	check(!stream_table_bytes(fuzz->table));
	for (i = 0; i < TGIDS; i++)
		check(fuzz->active[i] == 0);
	for (id = 1; id <= fuzz->last_id; id++)
		check(fuzz->reported[id] != 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .input = data, .length = size, .now_ns = 1000 };
	struct stream_config config = {
		.max_connections = MAX_CONNECTIONS, .max_bytes = MAX_BYTES, .hold_ns = HOLD_NS, .hash_seed = 7
	};
	struct stream_callbacks callbacks = {
		.ctx = &fuzz,
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .ctx = &fuzz, .skip_until = on_skip, .mute = on_mute },
	};

	if (stream_table_new(&config, &callbacks, &fuzz.table))
		return 0;
	while (fuzz.length)
		step(&fuzz);
	finish(&fuzz);
	stream_table_free(fuzz.table);
	return 0;
}
