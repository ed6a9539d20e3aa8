/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands bytes and holes to the parser, does what its answer demands, and passes on what it tells. The parser sees flows
 * and no connection: side, endpoints and directions are added here.
 */
#include <string.h>
#include <sys/socket.h>

#include "stream/connection_table.h"

/* Telling the kernel costs a system call, about what it costs to copy this much. */
#define SKIP_WORTH_BYTES 8192

enum proto_flow feed_flow(const struct connection *conn, enum direction direction)
{
	return (conn->side == SIDE_SERVER) == (direction == DIRECTION_RECEIVE) ? FLOW_REQUEST : FLOW_RESPONSE;
}

static enum direction direction_of(const struct connection *conn, enum proto_flow flow)
{
	return (conn->side == SIDE_SERVER) == (flow == FLOW_REQUEST) ? DIRECTION_RECEIVE : DIRECTION_SEND;
}

/* `path`: where it lies, if it is a unix socket. Returns its length, with its NUL. */
static size_t lengthen(const struct connection *conn, unsigned int which, const uint8_t *path,
		       struct endpoint *ret_endpoint)
{
	size_t size = conn->address_size, length = 0;

	ret_endpoint->family = conn->families[which];
	ret_endpoint->port = conn->ports[which];
	memcpy(ret_endpoint->address, conn->names + which * size, size);
	memset(ret_endpoint->address + size, 0, sizeof(ret_endpoint->address) - size);
	ret_endpoint->path[0] = '\0';
	if (ret_endpoint->family != AF_UNIX)
		return 0;
	length = strnlen((const char *)path, sizeof(ret_endpoint->path) - 1) + 1;
	memcpy(ret_endpoint->path, path, length);
	return length;
}

void connection_endpoints(const struct connection *conn, struct endpoint *ret_local, struct endpoint *ret_remote)
{
	const uint8_t *path = conn->names + 2u * conn->address_size;

	path += lengthen(conn, 0, path, ret_local);
	(void)lengthen(conn, 1, path, ret_remote);
}

static void sink_exchange(void *ctx, struct exchange *exchange)
{
	struct stream_table *table = ctx;

	exchange_fill(table->feeding, table->scratch, exchange, false);
	table->callbacks.exchange(table->callbacks.ctx, exchange);
}

static void sink_begin(void *ctx, struct exchange *exchange)
{
	struct stream_table *table = ctx;

	exchange_fill(table->feeding, table->scratch, exchange, true);
	if (!exchange->goroutine)
		exchange->goroutine = table->feeding_goroutine;
	table->callbacks.begin(table->callbacks.ctx, exchange);
}

static bool sink_begin_wanted(void *ctx, uint32_t tgid)
{
	const struct stream_table *table = ctx;

	return table->feeding->side == SIDE_CLIENT || table->callbacks.begin_wanted(table->callbacks.ctx, tgid);
}

static void sink_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	struct stream_table *table = ctx;
	struct connection *conn = table->feeding;
	enum direction direction = direction_of(conn, flow);
	struct lane *lane = &conn->lanes[direction];
	uint32_t have = table->feeding_lane == lane ? table->feeding_end : lane->next;

	if (!position_before(have, position) || (lane->skipping && lane->skip_to == position))
		return;
	/* Even where it is not asked the kernel may have looked at the head itself, and be silent. */
	lane->skipping = true;
	lane->skip_to = position;
	if (position - have >= SKIP_WORTH_BYTES)
		table->callbacks.control.skip_until(table->callbacks.control.ctx, conn->conn_id, direction, position);
}

static void sink_ends_only(void *ctx, enum proto_flow flow)
{
	struct stream_table *table = ctx;
	const struct connection *conn = table->feeding;
	enum direction direction = direction_of(conn, flow);

	if (table->callbacks.control.ends_only)
		table->callbacks.control.ends_only(table->callbacks.control.ctx, conn->conn_id, direction,
						   conn->lanes[!direction].next);
}

/* A socket may pass from process to process, but a request must leave the gauge of the process that it entered. */
static void sink_active(void *ctx, enum http_method method, int change)
{
	struct stream_table *table = ctx;
	struct connection *conn = table->feeding;

	if (change > 0 && conn->active == 0 && table->feeding_tgid)
		conn->tgid = table->feeding_tgid;
	conn->active += (uint32_t)change;
	table->callbacks.active(table->callbacks.ctx, conn->conn_id, conn->tgid, conn->side, method, change);
}

static void sink_transaction(void *ctx, const struct db_transaction *transaction)
{
	struct stream_table *table = ctx;
	const struct connection *conn = table->feeding;
	struct stream_session session = {
		.protocol = conn->ops->protocol,
		.side = conn->side,
		.tgid = conn->tgid,
		.local = &table->scratch[0],
		.remote = &table->scratch[1],
	};

	connection_endpoints(conn, &table->scratch[0], &table->scratch[1]);
	if (table->callbacks.transaction)
		table->callbacks.transaction(table->callbacks.ctx, &session, transaction);
}

void feed_init(struct stream_table *table)
{
	table->sink = (struct proto_sink){
		.ctx = table,
		.exchange = sink_exchange,
		.skip_until = sink_skip_until,
		.ends_only = sink_ends_only,
		.active = sink_active,
		.losses = &table->losses,
		.begin = table->callbacks.begin ? sink_begin : NULL,
		.begin_wanted = table->callbacks.begin_wanted ? sink_begin_wanted : NULL,
		.transaction = sink_transaction,
		.keep = table->config.keep,
	};
}

/* The longest front of a segment that is all seen, or all not seen. */
static struct proto_chunk front_of(const struct segment *view)
{
	struct proto_chunk chunk = {
		.time_ns = view->time_ns,
		.tgid = view->tgid,
		.tid = view->tid,
		.goroutine = view->goroutine,
		.position = view->position,
		.peer_position = view->peer_position,
	};

	if (view->captured_length && !view->captured_offset) {
		chunk.data = view->data;
		chunk.length = view->captured_length;
	} else {
		chunk.length = view->captured_length ? view->captured_offset : view->length;
	}
	return chunk;
}

static void count_memory(struct stream_table *table, struct connection *conn)
{
	size_t memory = conn->ops->memory(conn->state);

	table->bytes += memory - conn->memory;
	conn->memory = (uint32_t)memory;
}

static void lose_step(struct stream_table *table, struct connection *conn, struct segment *view,
		      const struct proto_chunk *chunk, size_t consumed)
{
	struct lane *lane = &conn->lanes[view->direction];
	uint32_t missing = chunk->data ? 0 : (uint32_t)(chunk->length - consumed);

	if (!chunk->data)
		table->losses.out_of_step[STEP_GAP]++;
	table->losses.skipped_bytes[SKIP_GAP] += missing;
	lane_advance(lane, missing);
	segment_trim(view, missing);
	conn->ops->lost(conn->state, &table->sink, feed_flow(conn, view->direction));
	count_memory(table, conn);
	lane->detour |= LANE_SEARCHING;
	lane->before_start = false;
	search_pass_over(table, conn, view);
}

static void pass_over_dead(struct stream_table *table, struct connection *conn, struct segment *view)
{
	table->losses.skipped_bytes[SKIP_MALFORMED] += view->length;
	if (conn->rest)
		conn->rest->bytes[view->direction] += view->length;
	lane_advance(&conn->lanes[view->direction], view->length);
	segment_trim(view, view->length);
}

/* The other lane may still bring responses to sound requests; when both are dead nothing can come. */
static void kill_lane(struct stream_table *table, struct connection *conn, struct segment *view)
{
	conn->lanes[view->direction].detour |= LANE_DEAD;
	(void)connection_rest(conn);
	count_memory(table, conn);
	pass_over_dead(table, conn, view);
	if (conn->lanes[!view->direction].detour & LANE_DEAD)
		connection_unparsed(table, conn, UNPARSED_MALFORMED, view);
}

static enum stall feed_stopped(struct stream_table *table, struct connection *conn, struct segment *view,
			       const struct proto_chunk *chunk, size_t consumed, enum proto_status status)
{
	if (status == PROTO_WAIT && !chunk->no_wait) {
		count_memory(table, conn);
		return STALL_TIME;
	}
	if (status == PROTO_OPAQUE)
		connection_unparsed(table, conn, UNPARSED_UPGRADED, view);
	else if (status == PROTO_ENCRYPTED)
		connection_unparsed(table, conn, UNPARSED_TLS, view);
	else if (status == PROTO_LOST)
		lose_step(table, conn, view, chunk, consumed);
	else
		kill_lane(table, conn, view);
	return STALL_NONE;
}

/* What a response would wait for was before our time: the requests of an old connection are not in step yet. */
static bool request_is_before_start(const struct connection *conn, enum direction direction)
{
	return conn->lanes[!direction].before_start && feed_flow(conn, direction) == FLOW_RESPONSE;
}

static void begin_feeding(struct stream_table *table, struct connection *conn, const struct segment *segment)
{
	table->feeding = conn;
	table->feeding_lane = &conn->lanes[segment->direction];
	table->feeding_tgid = segment->tgid;
	table->feeding_goroutine = segment->goroutine;
	table->feeding_end = segment->position + segment->length;
}

static void end_feeding(struct stream_table *table, struct connection *conn, struct segment *view)
{
	count_memory(table, conn);
	if (table->bytes > table->config.max_bytes && conn->memory > table->share)
		connection_no_room(table, conn, view);
}

/* `missing`: nothing is known of the calls that moved these bytes. */
static enum stall feed_bytes(struct stream_table *table, struct connection *conn, struct segment *view, bool force,
			     bool missing)
{
	struct lane *lane = &conn->lanes[view->direction];
	enum proto_flow flow = feed_flow(conn, view->direction);
	bool no_wait = force || request_is_before_start(conn, view->direction);

	begin_feeding(table, conn, view);
	do {
		struct proto_chunk chunk = front_of(view);
		enum proto_status status;
		size_t consumed = 0;

		chunk.no_wait = no_wait;
		chunk.missing = missing;
		status = conn->ops->feed(conn->state, &table->sink, flow, &chunk, &consumed);
		lane_advance(lane, (uint32_t)consumed);
		segment_trim(view, (uint32_t)consumed);
		if (status != PROTO_OK || consumed != chunk.length)
			return feed_stopped(table, conn, view, &chunk, consumed, status);
	} while (view->length);
	end_feeding(table, conn, view);
	return STALL_NONE;
}

enum stall feed_view(struct stream_table *table, struct connection *conn, struct segment *view, bool force)
{
	return feed_bytes(table, conn, view, force, false);
}

/* What nearly every segment is: all captured, and all taken. Else false, and `ret_stall` says what became of it. */
static bool feed_whole(struct stream_table *table, struct connection *conn, const struct segment *segment,
		       struct segment *view, enum stall *ret_stall)
{
	struct proto_chunk chunk = {
		.data = segment->data,
		.length = segment->length,
		.time_ns = segment->time_ns,
		.tgid = segment->tgid,
		.tid = segment->tid,
		.goroutine = segment->goroutine,
		.position = segment->position,
		.peer_position = segment->peer_position,
		.no_wait = request_is_before_start(conn, segment->direction),
	};
	size_t consumed = 0;
	enum proto_status status;

	begin_feeding(table, conn, segment);
	status = conn->ops->feed(conn->state, &table->sink, feed_flow(conn, segment->direction), &chunk, &consumed);
	lane_advance(&conn->lanes[segment->direction], (uint32_t)consumed);
	if (status == PROTO_OK && consumed == chunk.length)
		return true;
	*view = *segment;
	segment_trim(view, (uint32_t)consumed);
	*ret_stall = feed_stopped(table, conn, view, &chunk, consumed, status);
	return false;
}

void feed_in_order(struct stream_table *table, struct connection *conn, const struct segment *segment)
{
	struct segment view;
	enum stall stall = STALL_NONE;

	if (segment->captured_length != segment->length) {
		view = *segment;
		stall = feed_view(table, conn, &view, false);
	} else if (feed_whole(table, conn, segment, &view, &stall)) {
		end_feeding(table, conn, NULL);
	}
	if (stall || lane_head(&conn->lanes[!segment->direction]))
		order_after_feed(table, conn, &view, segment->direction, stall);
}

enum stall feed_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
		      bool force)
{
	struct lane *lane = &conn->lanes[view->direction];

	if (conn->phase == PHASE_UNPARSED)
		connection_count_unparsed(table, conn, view);
	else if (conn->phase == PHASE_DETECT)
		return detect_offer(table, conn, view, at_start, force);
	else if (lane->detour & LANE_DEAD)
		pass_over_dead(table, conn, view);
	else if (lane->detour & LANE_ENDED)
		search_pass_over(table, conn, view);
	else if (lane->detour & LANE_SEARCHING)
		return search_offer(table, conn, view, at_start, force);
	else
		return feed_view(table, conn, view, force);
	return STALL_NONE;
}

void feed_hole(struct stream_table *table, struct connection *conn, const struct segment *like, uint32_t length,
	       bool expected)
{
	struct lane *lane = &conn->lanes[like->direction];
	struct segment hole = *like;

	hole.position = lane->next;
	hole.length = length;
	hole.captured_offset = 0;
	hole.captured_length = 0;
	lane->hole_start = lane->next;
	lane->hole_end = lane->next + length;
	if (conn->phase == PHASE_PARSED && !(lane->detour & (LANE_DEAD | LANE_ENDED | LANE_SEARCHING))) {
		(void)feed_bytes(table, conn, &hole, true, !expected);
		return;
	}
	if (conn->phase == PHASE_PARSED && (lane->detour & LANE_DEAD)) {
		pass_over_dead(table, conn, &hole);
		return;
	}
	if (conn->phase != PHASE_UNPARSED)
		table->losses.skipped_bytes[SKIP_GAP] += length;
	if (conn->phase == PHASE_PARSED)
		search_passed(conn, like->direction, length, 0);
	if (conn->phase == PHASE_DETECT) {
		table->losses.out_of_step[STEP_GAP] += !lane_rest(lane)->torn;
		lane_rest(lane)->torn += length;
	}
	lane_advance(lane, length);
}
