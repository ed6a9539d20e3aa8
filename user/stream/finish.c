/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parsing of a connection begins and ends: its protocol is known, it is given up, its ends are told, it is
 * gone. Whatever happens, each of its bytes is parsed, or counted under one reason.
 */
#include "stream/connection_table.h"

void connection_pend(struct stream_table *table, struct connection *conn, bool pending)
{
	if (pending == conn->pending)
		return;
	conn->pending = pending;
	if (pending) {
		conn->pending_previous = NULL;
		conn->pending_next = table->pending;
		if (table->pending)
			table->pending->pending_previous = conn;
		table->pending = conn;
		return;
	}
	if (conn->pending_next)
		conn->pending_next->pending_previous = conn->pending_previous;
	if (conn->pending_previous)
		conn->pending_previous->pending_next = conn->pending_next;
	else
		table->pending = conn->pending_next;
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

		lane->detour &= ~LANE_NOT_PARSED;
		/* This lane stands at a boundary. The other one does if nothing of it was missed. */
		if (d != view->direction && (!conn->from_start || lane->torn || conn->bytes[d] > 0)) {
			lane->detour |= LANE_SEARCHING;
			lane->before_start = !conn->from_start;
		}
		if (lane->torn)
			ops->lost(state, &table->sink, feed_flow(conn, d));
		search_passed(conn, d, lane->torn + conn->bytes[d], 0);
		table->losses.skipped_bytes[conn->from_start ? SKIP_RESYNC : SKIP_BEFORE_START] += conn->bytes[d];
		conn->bytes[d] = 0;
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
	conn->bytes[direction] += length;
	if (conn->reason == UNPARSED_MALFORMED)
		table->losses.skipped_bytes[SKIP_MALFORMED] += length;
}

void connection_count_unparsed(struct stream_table *table, struct connection *conn, struct segment *view)
{
	count_unparsed(table, conn, view->direction, view->length);
	segment_trim(view, view->length);
}

static void report(struct stream_table *table, struct connection *conn, bool final)
{
	struct unparsed_report told = {
		.conn_id = conn->conn_id,
		.tgid = conn->tgid,
		.reason = conn->reason,
		.bytes = { conn->bytes[0], conn->bytes[1] },
		.final = final,
	};

	if (final && conn->close_ns > conn->unparsed_ns)
		told.lifetime_ns = conn->close_ns - conn->unparsed_ns;
	conn->bytes[0] = 0;
	conn->bytes[1] = 0;
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

	conn->unparsed_ns = conn->heard_ns;
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

static void know_end(struct lane *lane, const struct connection_end *end, enum direction direction)
{
	lane->detour |= LANE_END_KNOWN;
	lane->end_ns = end->time_ns;
	if (end->positions_known)
		lane->end_position = end->position[direction];
	else
		lane->end_position = lane->tail ? lane->tail->segment.position + lane->tail->segment.length :
						  lane->next;
}

void connection_end(struct stream_table *table, struct connection *conn, const struct connection_end *end)
{
	enum direction direction = end->kind == END_SEND ? DIRECTION_SEND : DIRECTION_RECEIVE;

	if (conn->closing)
		return;
	if (end->kind != END_CLOSED) {
		/* A reset is not an end of stream: what can still be read is read, then the socket closes. */
		if (end->reason != END_NORMAL)
			return;
		if (!(conn->lanes[direction].detour & LANE_ENDED))
			know_end(&conn->lanes[direction], end, direction);
		(void)order_settle(table, conn, direction);
		return;
	}
	conn->closing = true;
	conn->close_reason = (uint8_t)end->reason;
	conn->close_ns = end->time_ns;
	for (direction = DIRECTION_RECEIVE; direction <= DIRECTION_SEND; direction++) {
		know_end(&conn->lanes[direction], end, direction);
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
	close_state(table, conn, conn->close_reason, conn->close_ns);
	if (!dead)
		return;
	conn->unparsed_ns = conn->close_ns;
	conn->reason = UNPARSED_MALFORMED;
	report(table, conn, false);
	report(table, conn, true);
}

void connection_conclude(struct stream_table *table, struct connection *conn)
{
	conn->closing = true;
	if (conn->phase == PHASE_DETECT &&
	    (conn->bytes[0] || conn->bytes[1] || conn->lanes[0].head || conn->lanes[1].head))
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
	free(conn->paths);
	free(conn);
}
