/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parsing of a connection begins and ends: its protocol is known, it is given up, its ends are told, it is
 * gone. Whatever happens, each of its bytes is parsed, or counted under one reason.
 */
#include <string.h>

#include "stream/connection_table.h"

struct connection_rest *connection_rest(struct connection *conn)
{
	if (!conn->rest)
		conn->rest = calloc(1, sizeof(*conn->rest));
	return conn->rest;
}

/* A lane that searches has nothing but its place. */
static bool is_quiet(const struct connection *conn)
{
	return conn->phase == PHASE_PARSED && !conn->pending && !conn->closing &&
	       !((conn->lanes[0].detour | conn->lanes[1].detour) & ~LANE_SEARCHING);
}

void connection_settle(struct connection *conn)
{
	if (!conn->rest || !is_quiet(conn))
		return;
	free(conn->rest);
	conn->rest = NULL;
}

/* What waits has a rest: its end is known, or something is held. */
void connection_pend(struct stream_table *table, struct connection *conn, bool pending)
{
	struct connection_rest *rest = conn->rest;

	if (pending == conn->pending || !rest)
		return;
	conn->pending = pending;
	if (pending) {
		rest->pending_previous = NULL;
		rest->pending_next = table->pending;
		if (table->pending)
			table->pending->rest->pending_previous = conn;
		table->pending = conn;
		return;
	}
	if (rest->pending_next)
		rest->pending_next->rest->pending_previous = rest->pending_previous;
	if (rest->pending_previous)
		rest->pending_previous->rest->pending_next = rest->pending_next;
	else
		table->pending = rest->pending_next;
}

/* Without memory for what is shared, the connection does without. */
static void join_shared(struct stream_table *table, const struct proto_ops *ops, void *state)
{
	void **shared = &table->shared[ops->protocol];

	if (!ops->shared_new)
		return;
	if (!*shared)
		*shared = ops->shared_new(table->config.hash_seed);
	ops->join(state, *shared);
}

bool connection_begin(struct stream_table *table, struct connection *conn, const struct proto_ops *ops, enum side side,
		      struct segment *view)
{
	void *state = ops->state_new();
	unsigned int d;

	if (!state) {
		table->losses.no_room_connections++;
		connection_unparsed(table, conn, UNPARSED_NO_ROOM, view);
		return false;
	}
	join_shared(table, ops, state);
	conn->ops = ops;
	conn->state = state;
	conn->side = side;
	conn->phase = PHASE_PARSED;
	if (!conn->from_start && ops->joined)
		ops->joined(state);
	for (d = 0; d < 2; d++) {
		struct lane *lane = &conn->lanes[d];
		uint32_t torn = conn->rest->lanes[d].torn;
		uint64_t passed = conn->rest->bytes[d];

		lane->detour &= ~LANE_NOT_PARSED;
		/* This lane stands at a boundary. The other one does if nothing of it was missed. */
		if (d != view->direction && (!conn->from_start || torn || passed > 0)) {
			lane->detour |= LANE_SEARCHING;
			lane->before_start = !conn->from_start;
		}
		if (torn)
			ops->lost(state, &table->sink, feed_flow(conn, d));
		search_passed(conn, d, torn + passed, 0);
		table->losses.skipped_bytes[conn->from_start ? SKIP_RESYNC : SKIP_BEFORE_START] += passed;
		conn->rest->bytes[d] = 0;
	}
	return true;
}

static void free_state(struct stream_table *table, struct connection *conn)
{
	if (!conn->state)
		return;
	conn->ops->state_free(conn->state);
	table->bytes -= conn->memory;
	conn->memory = 0;
	conn->state = NULL;
	conn->ops = NULL;
}

static void count_unparsed(struct stream_table *table, struct connection *conn, enum direction direction,
			   uint64_t length)
{
	if (conn->rest)
		conn->rest->bytes[direction] += length;
	if (conn->reason == UNPARSED_MALFORMED)
		table->losses.skipped_bytes[SKIP_MALFORMED] += length;
}

void connection_count_unparsed(struct stream_table *table, struct connection *conn, struct segment *view)
{
	count_unparsed(table, conn, view->direction, view->length);
	segment_trim(view, view->length);
}

/* Without memory neither bytes nor times are known. */
static void report(struct stream_table *table, struct connection *conn, bool final)
{
	struct connection_rest *rest = conn->rest;
	struct unparsed_report told = {
		.conn_id = conn->conn_id,
		.tgid = conn->tgid,
		.reason = conn->reason,
		.final = final,
	};

	if (rest) {
		memcpy(told.bytes, rest->bytes, sizeof(told.bytes));
		memset(rest->bytes, 0, sizeof(rest->bytes));
		if (final && rest->close_ns > rest->unparsed_ns)
			told.lifetime_ns = rest->close_ns - rest->unparsed_ns;
	}
	table->callbacks.unparsed(table->callbacks.ctx, &told);
}

static void close_state(struct stream_table *table, struct connection *conn, enum connection_end_reason reason,
			uint64_t time_ns)
{
	if (!conn->state)
		return;
	table->feeding = conn;
	conn->ops->close(conn->state, &table->sink, reason, time_ns);
	free_state(table, conn);
}

void connection_unparsed(struct stream_table *table, struct connection *conn, enum unparsed_reason reason,
			 struct segment *view)
{
	unsigned int d;

	if (connection_rest(conn))
		conn->rest->unparsed_ns = conn->heard_ns;
	close_state(table, conn, END_NORMAL, conn->heard_ns);
	connection_pend(table, conn, false);
	conn->phase = PHASE_UNPARSED;
	conn->reason = (uint8_t)reason;
	if (view)
		connection_count_unparsed(table, conn, view);
	for (d = 0; d < 2; d++) {
		conn->lanes[d].detour |= LANE_NOT_PARSED;
		count_unparsed(table, conn, d, queue_drop(table, &conn->lanes[d]));
	}
	report(table, conn, false);
	if (!conn->closing)
		table->callbacks.control.mute(table->callbacks.control.ctx, conn->conn_id);
}

/* The table's memory is used up and this connection's parser grew: what it has open is lost. */
void connection_no_room(struct stream_table *table, struct connection *conn, struct segment *view)
{
	table->losses.no_room_connections++;
	conn->ops->lost(conn->state, &table->sink, FLOW_REQUEST);
	conn->ops->lost(conn->state, &table->sink, FLOW_RESPONSE);
	connection_unparsed(table, conn, UNPARSED_NO_ROOM, view);
}

static void know_end(struct connection *conn, const struct connection_end *end, enum direction direction)
{
	struct lane_rest *rest = &conn->rest->lanes[direction];

	conn->lanes[direction].detour |= LANE_END_KNOWN;
	rest->end_ns = end->time_ns;
	if (end->positions_known)
		rest->end_position = end->position[direction];
	else
		rest->end_position = rest->tail ? rest->tail->segment.position + rest->tail->segment.length :
						  conn->lanes[direction].next;
}

static void half_end(struct stream_table *table, struct connection *conn, const struct connection_end *end,
		     enum direction direction)
{
	/* A reset is not an end of stream: what can still be read is read, then the socket closes. Without memory that
	 * tells an end of stream as well. */
	if (end->reason != END_NORMAL || !connection_rest(conn))
		return;
	if (!(conn->lanes[direction].detour & LANE_ENDED))
		know_end(conn, end, direction);
	(void)order_settle(table, conn, direction);
}

void connection_end(struct stream_table *table, struct connection *conn, const struct connection_end *end)
{
	enum direction direction = end->kind == END_SEND ? DIRECTION_SEND : DIRECTION_RECEIVE;

	if (conn->closing)
		return;
	if (end->kind != END_CLOSED) {
		half_end(table, conn, end, direction);
		return;
	}
	conn->closing = true;
	conn->close_reason = (uint8_t)end->reason;
	/* Without memory nothing is waited for. */
	if (!connection_rest(conn)) {
		conn->heard_ns = end->time_ns;
		connection_finish(table, conn);
		return;
	}
	conn->rest->close_ns = end->time_ns;
	for (direction = DIRECTION_RECEIVE; direction <= DIRECTION_SEND; direction++) {
		know_end(conn, end, direction);
		if (conn->phase == PHASE_UNPARSED)
			count_unparsed(table, conn, direction, end->skipped[direction]);
	}
	(void)order_settle(table, conn, DIRECTION_RECEIVE);
}

/* What a searching lane held for more bytes is passed over. */
static void conclude_parsed(struct stream_table *table, struct connection *conn)
{
	bool dead = false;
	unsigned int d;

	for (d = 0; d < 2; d++) {
		struct lane *lane = &conn->lanes[d];
		uint64_t held = queue_drop(table, lane);

		table->losses.skipped_bytes[lane->before_start ? SKIP_BEFORE_START : SKIP_RESYNC] += held;
		search_passed(conn, d, held, 0);
		dead = dead || (lane->detour & LANE_DEAD);
	}
	close_state(table, conn, conn->close_reason, conn->rest ? conn->rest->close_ns : conn->heard_ns);
	if (!dead)
		return;
	if (conn->rest)
		conn->rest->unparsed_ns = conn->rest->close_ns;
	conn->reason = UNPARSED_MALFORMED;
	report(table, conn, false);
	report(table, conn, true);
}

void connection_conclude(struct stream_table *table, struct connection *conn)
{
	struct connection_rest *rest = conn->rest;

	conn->closing = true;
	for (unsigned int d = 0; d < 2 && rest && conn->phase == PHASE_DETECT; d++)
		rest->bytes[d] += rest->lanes[d].torn;
	if (rest && conn->phase == PHASE_DETECT &&
	    (rest->bytes[0] || rest->bytes[1] || rest->lanes[0].head || rest->lanes[1].head))
		connection_unparsed(table, conn, UNPARSED_UNKNOWN, NULL);
	if (conn->phase == PHASE_PARSED)
		conclude_parsed(table, conn);
	else if (conn->phase == PHASE_UNPARSED)
		report(table, conn, true);
}

void connection_finish(struct stream_table *table, struct connection *conn)
{
	connection_conclude(table, conn);
	hash_table_remove(&table->connections, &conn->node);
	connection_free(table, conn);
}

void connection_free(struct stream_table *table, struct connection *conn)
{
	unsigned int d;

	connection_pend(table, conn, false);
	for (d = 0; d < 2; d++)
		(void)queue_drop(table, &conn->lanes[d]);
	free_state(table, conn);
	if (table->last == conn)
		table->last = NULL;
	free(conn->rest);
	free(conn);
}
