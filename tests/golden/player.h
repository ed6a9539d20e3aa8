/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays events of one connection to a protocol as stream would: each flow in order, holes after patience, PROTO_WAIT
 * retried, message boundaries looked for after a loss. Writes down what the protocol tells.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/golden/case.h"

#define PLAYER_TOLD_MAX 128

enum play_order {
	PLAY_AS_IT_WAS,
	PLAY_REQUESTS_FIRST,
	PLAY_RESPONSES_FIRST,
	PLAY_ORDER_COUNT,
};

struct player_lane {
	const struct event *queue;
	size_t count; /* events of both flows; those of the other one are passed over */
	size_t next;
	size_t offset; /* bytes of the next event that were taken */
	uint32_t position;
	bool searching;
	bool dead;
};

struct player {
	const struct proto_ops *ops;
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	struct player_lane lanes[2];
	char *told[PLAYER_TOLD_MAX]; /* exchange lines, owned */
	size_t told_count;
	char *asks[PLAYER_TOLD_MAX];
	size_t ask_count;
	char *transactions[PLAYER_TOLD_MAX];
	size_t transaction_count;
	char *kept[PLAYER_TOLD_MAX];
	size_t kept_count;
	const struct keep *keep; /* NULL: nothing is kept */
	void *shared;
	uint32_t start[2];
	int active;
	bool opaque;
	bool encrypted;
	size_t memory_max;
};

static char *format_text(struct text text)
{
	char *line = malloc(text.length + 2);

	assert_non_null(line);
	memcpy(line, text.length > 0 ? text.data : "-", text.length > 0 ? text.length : 1);
	line[text.length > 0 ? text.length : 1] = '\0';
	return line;
}

static char *format_http(const struct player *player, const struct exchange *exchange)
{
	CLEANUP_FREE char *path = format_text(exchange->http.path);
	CLEANUP_FREE char *host = format_text(exchange->http.host);
	const char *error = exchange_error_text(exchange->error);
	char *line;

	assert_true(
		asprintf(&line,
			 "%" PRIu32 " %s %s %s %u %u | %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " | %" PRIu64
			 " %" PRIu64 " | %" PRIu32 " | %s%s",
			 exchange->request_position - player->start[FLOW_REQUEST],
			 http_method_text(exchange->http.method), path, host, exchange->http.version,
			 exchange->http.status, exchange->request_first_ns, exchange->request_last_ns,
			 exchange->response_first_ns, exchange->response_last_ns, exchange->request_body_bytes,
			 exchange->response_body_bytes,
			 exchange->response_first_ns ? exchange->response_position - player->start[FLOW_RESPONSE] : 0,
			 *error ? error : "complete", exchange->http.upgraded ? " upgraded" : "") > 0);
	return line;
}

/* Blanks inside of a text would read as the end of a field. */
static char *format_words(struct text text)
{
	char *line = format_text(text);

	for (char *c = line; *c; c++)
		*c = *c == ' ' ? '~' : *c;
	return line;
}

static char *format_db(const struct player *player, const struct exchange *exchange)
{
	const struct db_facts *db = &exchange->db;
	CLEANUP_FREE char *operation = format_words(db->operation);
	CLEANUP_FREE char *collection = format_words(db->collection);
	CLEANUP_FREE char *name_space = format_words(db->name_space);
	CLEANUP_FREE char *status = format_words(db->status);
	CLEANUP_FREE char *summary = format_words(db->summary);
	const char *error = exchange_error_text(exchange->error);
	char rows[24] = "-";
	char *line;

	if (db->rows_known)
		snprintf(rows, sizeof(rows), "%" PRIu64, db->rows);
	assert_int_equal(db->failed, exchange->error == EXCHANGE_COMPLETE && db->status.length > 0);
	assert_true(
		asprintf(&line,
			 "%" PRIu32 " %s %s %s %s %s | %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " | %" PRIu32
			 " %" PRIu32 " | %" PRIu32 " | %s %s%s",
			 exchange->request_position - player->start[FLOW_REQUEST], operation, collection, name_space,
			 rows, status, exchange->request_first_ns, exchange->request_last_ns,
			 exchange->response_first_ns, exchange->response_last_ns, db->hits, db->misses,
			 exchange->response_first_ns ? exchange->response_position - player->start[FLOW_RESPONSE] : 0,
			 *error ? error : "complete", summary, db->blocking ? " blocking" : "") > 0);
	return line;
}

/* "QUERY NAME=VALUE|NAME=VALUE", or a statement's text. */
static char *format_kept(const struct player *player, const struct exchange *exchange)
{
	bool is_http = exchange->protocol == PROTOCOL_HTTP1;
	struct text rest = exchange->http.fields;
	struct kept_field field;
	char *line = format_text(is_http ? exchange->http.query : exchange->db.query_text);

	for (const char *between = " "; kept_next(&rest, &field); between = "|") {
		char *longer;

		assert_true(field.index < player->keep->field_counts[field.side]);
		assert_true(asprintf(&longer, "%s%s%s=%.*s", line, between,
				     player->keep->fields[field.side][field.index].name, (int)field.value.length,
				     field.value.data) > 0);
		free(line);
		line = longer;
	}
	return line;
}

static void player_exchange(void *ctx, struct exchange *exchange)
{
	struct player *player = ctx;

	assert_true(player->told_count < PLAYER_TOLD_MAX);
	assert_int_equal(exchange->protocol, player->ops->protocol);
	player->told[player->told_count++] = exchange->protocol == PROTOCOL_HTTP1 ? format_http(player, exchange) :
										    format_db(player, exchange);
	if (player->keep)
		player->kept[player->kept_count++] = format_kept(player, exchange);
	else
		assert_int_equal(
			exchange->http.query.length + exchange->http.fields.length + exchange->db.query_text.length, 0);
}

static void player_transaction(void *ctx, const struct db_transaction *transaction)
{
	struct player *player = ctx;

	assert_true(player->transaction_count < PLAYER_TOLD_MAX);
	assert_true(asprintf(&player->transactions[player->transaction_count++], "%" PRIu64 " %" PRIu64,
			     transaction->duration_ns, transaction->idle_ns) > 0);
}

static void player_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct player *player = ctx;

	assert_true(player->ask_count < PLAYER_TOLD_MAX);
	assert_true(asprintf(&player->asks[player->ask_count++], "%c %" PRIu32, flow == FLOW_REQUEST ? '>' : '<',
			     position - player->start[flow]) > 0);
}

static void player_active(void *ctx, enum http_method method, int change)
{
	struct player *player = ctx;

	(void)method;
	assert_true(change == 1 || change == -1);
	player->active += change;
	assert_true(player->active >= 0);
}

static void player_init(struct player *player, const struct proto_ops *ops, const struct golden_case *golden)
{
	*player = (struct player){ .ops = ops, .state = ops->state_new() };
	player->keep = golden->has_keep ? &golden->keep : NULL;
	assert_non_null(player->state);
	player->sink = (struct proto_sink){
		.ctx = player,
		.exchange = player_exchange,
		.skip_until = player_skip_until,
		.active = player_active,
		.losses = &player->losses,
		.transaction = player_transaction,
		.keep = player->keep,
	};
	if (ops->shared_new) {
		player->shared = ops->shared_new(1);
		assert_non_null(player->shared);
		ops->join(player->state, player->shared);
	}
	for (int flow = 0; flow < 2; flow++)
		player->lanes[flow].position = player->start[flow] = golden->start[flow];
}

static void player_done(struct player *player)
{
	player->ops->state_free(player->state);
	if (player->shared)
		player->ops->shared_free(player->shared);
	for (size_t i = 0; i < player->told_count; i++)
		free(player->told[i]);
	for (size_t i = 0; i < player->ask_count; i++)
		free(player->asks[i]);
	for (size_t i = 0; i < player->transaction_count; i++)
		free(player->transactions[i]);
	for (size_t i = 0; i < player->kept_count; i++)
		free(player->kept[i]);
}

/* The next event of the flow, or NULL. */
static const struct event *lane_next(struct player_lane *lane, enum proto_flow flow)
{
	while (lane->next < lane->count && lane->queue[lane->next].flow != flow)
		lane->next++;
	return lane->next < lane->count ? &lane->queue[lane->next] : NULL;
}

/* Bytes that the parser is not fed. */
static void player_passed(struct player *player, enum proto_flow flow, size_t length, uint32_t peer_position)
{
	if (player->ops->passed && length > 0)
		player->ops->passed(player->state, flow, (uint32_t)length, peer_position);
}

static void lane_drop(struct player_lane *lane, const struct event *event)
{
	lane->position = event->position + (uint32_t)event->length;
	lane->next++;
	lane->offset = 0;
}

/* True when something moved. */
static bool player_feed(struct player *player, const struct event *event, const struct proto_chunk *chunk)
{
	struct player_lane *lane = &player->lanes[event->flow];
	size_t consumed = SIZE_MAX;
	enum proto_status status = player->ops->feed(player->state, &player->sink, event->flow, chunk, &consumed);
	size_t memory = player->ops->memory(player->state);

	if (memory > player->memory_max)
		player->memory_max = memory;
	assert_true(consumed <= chunk->length);
	assert_true((status == PROTO_OK) == (consumed == chunk->length) || status == PROTO_OPAQUE ||
		    status == PROTO_ENCRYPTED || status == PROTO_MALFORMED || status == PROTO_LOST);
	lane->position += (uint32_t)consumed;
	if (!chunk->missing)
		lane->offset += consumed;
	if (status == PROTO_WAIT) {
		assert_false(chunk->no_wait);
		return consumed > 0;
	}
	if (status == PROTO_OPAQUE || status == PROTO_ENCRYPTED)
		player->opaque = true;
	if (status == PROTO_ENCRYPTED)
		player->encrypted = true;
	if (status == PROTO_MALFORMED)
		lane->dead = true;
	if (status == PROTO_LOST) {
		if (!chunk->data)
			player->losses.out_of_step[STEP_GAP]++;
		player->ops->lost(player->state, &player->sink, event->flow);
		player_passed(player, event->flow, chunk->data ? chunk->length - consumed : 0, event->peer_position);
		lane->searching = true;
	}
	if (chunk->missing)
		lane->position = chunk->position + (uint32_t)chunk->length;
	else if (status != PROTO_OK || lane->offset == event->length)
		lane_drop(lane, event);
	return true;
}

static struct proto_chunk chunk_of(const struct player_lane *lane, const struct event *event, bool no_wait)
{
	uint32_t hole = lane->offset == 0 ? event->position - lane->position : 0;

	return (struct proto_chunk){
		.data = event->data && hole == 0 ? event->data + lane->offset : NULL,
		.length = hole ? hole : event->length - lane->offset,
		.time_ns = event->time_ns,
		.tgid = 1,
		.tid = 1,
		.position = lane->position,
		.peer_position = event->peer_position,
		.missing = hole != 0,
		.no_wait = no_wait || hole != 0,
	};
}

/* Does a message begin here, after a loss? DETECT_MORE: not enough of it has come. */
static enum proto_detect player_detect(struct player *player, const struct event *event)
{
	const struct player_lane *lane = &player->lanes[event->flow];
	size_t length = event->length;

	if (event->kind != EVENT_BYTES)
		return DETECT_NO;
	/* Parts of what was one segment lie one behind the other. */
	for (const struct event *next = event + 1; next < lane->queue + lane->count && length < player->ops->detect_max;
	     next++) {
		if (next->flow == event->flow && next->data == event->data + length)
			length += next->length;
	}
	return player->ops->detect(event->data, length);
}

/* Passes over what lies before a message boundary. *ret_moved: something was passed over. */
static bool player_search(struct player *player, const struct event *event, bool no_wait, bool *ret_moved)
{
	struct player_lane *lane = &player->lanes[event->flow];
	enum proto_detect answer = player_detect(player, event);

	*ret_moved = false;
	if (event->kind == EVENT_END || answer == (event->flow == FLOW_REQUEST ? DETECT_REQUEST : DETECT_RESPONSE)) {
		player_passed(player, event->flow, event->position - lane->position, 0);
		lane->position = event->position;
		return true;
	}
	if (answer == DETECT_MORE && !no_wait)
		return false;
	player_passed(player, event->flow, event->position - lane->position, 0);
	player_passed(player, event->flow, event->length, event->peer_position);
	lane_drop(lane, event);
	*ret_moved = true;
	return false;
}

/* Offers one event of the flow. True when something moved. */
static bool player_step(struct player *player, enum proto_flow flow, bool no_wait)
{
	struct player_lane *lane = &player->lanes[flow];
	const struct event *event = lane_next(lane, flow);
	struct proto_chunk chunk;
	bool moved;

	if (!event)
		return false;
	if (player->opaque || lane->dead) {
		lane_drop(lane, event);
		return true;
	}
	if (lane->searching && !player_search(player, event, no_wait, &moved))
		return moved;
	chunk = chunk_of(lane, event, no_wait);
	if (chunk.missing && !no_wait)
		return false;
	if (event->kind == EVENT_END && !chunk.missing) {
		player->ops->end(player->state, &player->sink, flow, event->time_ns);
		lane_drop(lane, event);
		return true;
	}
	lane->searching = false;
	return player_feed(player, event, &chunk);
}

/* What came before event number `until` has waited long enough. */
static bool player_force(struct player *player, enum proto_flow flow, size_t until)
{
	const struct event *event = lane_next(&player->lanes[flow], flow);

	return event && event->sequence < until && player_step(player, flow, true);
}

/* Moves what can be moved. */
static void player_drain(struct player *player, enum proto_flow first, size_t until)
{
	do {
		while (player_step(player, first, false) || player_step(player, !first, false))
			;
	} while (player_force(player, FLOW_REQUEST, until) || player_force(player, FLOW_RESPONSE, until));
}

static void player_close(struct player *player, const struct golden_case *golden)
{
	for (int flow = 0; flow < 2; flow++) {
		struct event last = { .kind = EVENT_END,
				      .flow = flow,
				      .time_ns = golden->close_ns,
				      .position = golden->end_position[flow] };
		struct player_lane *lane = &player->lanes[flow];
		struct proto_chunk chunk;

		lane->offset = 0;
		chunk = chunk_of(lane, &last, true);
		if (chunk.missing && !lane->searching && !lane->dead && !player->opaque)
			player_feed(player, &last, &chunk);
	}
	player->ops->close(player->state, &player->sink, golden->close_reason, golden->close_ns);
	assert_int_equal(player->active, 0);
}

/* Plays `count` events, in one of the orders in which stream may see them. */
static void player_play(struct player *player, const struct golden_case *golden, const struct event *events,
			size_t count, enum play_order order)
{
	size_t seen = order == PLAY_AS_IT_WAS ? 1 : count;
	enum proto_flow first = order == PLAY_RESPONSES_FIRST ? FLOW_RESPONSE : FLOW_REQUEST;

	player->lanes[0].queue = player->lanes[1].queue = events;
	for (; seen <= count && count > 0; seen++) {
		size_t newest = events[seen - 1].sequence;

		player->lanes[0].count = player->lanes[1].count = seen;
		/* Patience lasts while one more event comes; when the flows overtake each other, until the end. */
		player_drain(player, first, order == PLAY_AS_IT_WAS && newest > 0 ? newest - 1 : 0);
	}
	player_drain(player, first, SIZE_MAX);
	player_close(player, golden);
}
