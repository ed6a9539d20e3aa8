/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments off the short way: those that come before what precedes them (two processors, two threads), those that the
 * parser cannot take before the other direction moved, and those of lanes whose end is near. They are held, for hold_ns
 * of ticks at most; what did not come by then is a hole. Where the kernel was asked to be silent a hole is expected and
 * costs no time.
 */
#include "stream/connection_table.h"

static bool hole_is_expected(const struct lane *lane, uint32_t length)
{
	return lane->skipping && length <= lane->skip_to - lane->next;
}

/* Drops bytes that were taken before. They contradict what was taken, unless a hole had been put in their place. */
static void trim_overlap(struct stream_table *table, const struct lane *lane, struct segment *view, bool *at_start)
{
	uint32_t behind = lane->next - view->position;

	if (!position_before(view->position, lane->next) || hole_is_expected(lane, view->position - lane->next))
		return;
	if (behind > view->length)
		behind = view->length;
	if (view->position - lane->hole_start >= lane->hole_end - lane->hole_start ||
	    lane->hole_end - view->position < behind)
		table->losses.out_of_step[STEP_OVERLAP]++;
	segment_trim(view, behind);
	*at_start = false;
}

static enum stall place(struct stream_table *table, struct connection *conn, struct segment *view, bool *at_start,
			bool force)
{
	struct lane *lane = &conn->lanes[view->direction];
	uint32_t ahead;

	if (conn->phase != PHASE_UNPARSED) {
		trim_overlap(table, lane, view, at_start);
		if (!view->length)
			return STALL_NONE;
		ahead = view->position - lane->next;
		if (ahead && !force && !hole_is_expected(lane, ahead))
			return STALL_TIME;
		if (ahead)
			feed_hole(table, conn, view, ahead, hole_is_expected(lane, ahead));
	}
	return feed_offer(table, conn, view, *at_start, force);
}

/* Places the first held segment. False: it stays. */
static bool place_head(struct stream_table *table, struct connection *conn, struct lane *lane, bool force)
{
	struct piece *piece = queue_pop(table, lane);
	uint32_t position = piece->segment.position;
	enum stall stall = place(table, conn, &piece->segment, &piece->at_start, force);

	lane->stall = stall;
	if (stall) {
		if (piece->segment.position != position)
			piece->seen_ns = 0; /* it waits for something else now */
		queue_push_front(table, lane, piece);
		return false;
	}
	free(piece);
	return true;
}

static bool fill_up_to_end(struct stream_table *table, struct connection *conn, enum direction direction, bool force)
{
	struct lane *lane = &conn->lanes[direction];
	const struct lane_rest *rest = lane_rest(lane);
	uint32_t missing = rest->end_position - lane->next;
	struct segment like = { .conn_id = conn->conn_id, .direction = direction, .time_ns = rest->end_ns };

	if (!position_before(lane->next, rest->end_position))
		return true;
	/* What has arrived may be read much later: only the connection's end says that it never will be. */
	if (!conn->closing && direction == DIRECTION_RECEIVE)
		return false;
	if (!force && !hole_is_expected(lane, missing)) {
		lane->stall = STALL_TIME;
		return false;
	}
	feed_hole(table, conn, &like, missing, hole_is_expected(lane, missing));
	return true;
}

/* Tells the parser the end of a flow when all before it was taken. */
static void reach_end(struct stream_table *table, struct connection *conn, enum direction direction, bool force)
{
	struct lane *lane = &conn->lanes[direction];

	if (!(lane->detour & LANE_END_KNOWN) || (lane->detour & LANE_ENDED) || lane_head(lane))
		return;
	if (conn->phase == PHASE_UNPARSED || !fill_up_to_end(table, conn, direction, force))
		return;
	if (conn->phase != PHASE_PARSED)
		return;
	lane->detour |= LANE_ENDED;
	/* A reset is no end: what runs until close is not complete by it. */
	if ((lane->detour & LANE_DEAD) || (conn->closing && conn->close_reason != END_NORMAL))
		return;
	table->feeding = conn;
	table->feeding_lane = lane;
	table->feeding_end = lane->next;
	conn->ops->end(conn->state, &table->sink, feed_flow(conn, direction), lane_rest(lane)->end_ns);
}

/* Takes what is held as far as it goes. True: something moved, the other lane may go on. */
static bool drain(struct stream_table *table, struct connection *conn, enum direction direction, bool force)
{
	struct lane *lane = &conn->lanes[direction];
	uint32_t next = lane->next;
	bool ended = lane->detour & LANE_ENDED, moved;
	enum phase phase = conn->phase;

	lane->stall = STALL_NONE;
	while (lane_head(lane) && place_head(table, conn, lane, force))
		;
	reach_end(table, conn, direction, force);
	moved = lane->next != next || conn->phase != phase || ended != (bool)(lane->detour & LANE_ENDED);
	if (conn->rest && (moved || lane->stall == STALL_NONE))
		lane_rest(lane)->stalled_ns = 0;
	return moved;
}

bool order_settle(struct stream_table *table, struct connection *conn, enum direction first)
{
	enum direction direction = first;
	unsigned int still = 0;
	bool stalled;

	while (still < 2) {
		still = drain(table, conn, direction, false) ? 1 : still + 1;
		direction = !direction;
	}
	stalled = conn->lanes[0].stall == STALL_TIME || conn->lanes[1].stall == STALL_TIME;
	connection_pend(table, conn, stalled);
	if (!conn->closing || stalled) {
		connection_settle(conn);
		return true;
	}
	connection_finish(table, conn);
	return false;
}

/* Holds a segment, or takes it as it is when there is no room to hold it. */
static void hold(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start)
{
	struct lane *lane = &conn->lanes[view->direction];

	if (queue_insert(table, lane, view, at_start))
		return;
	while (lane_head(lane) && !position_before(view->position, lane_head(lane)->segment.position))
		(void)place_head(table, conn, lane, true);
	(void)place(table, conn, view, &at_start, true);
}

void order_after_feed(struct stream_table *table, struct connection *conn, struct segment *rest,
		      enum direction direction, enum stall stall)
{
	if (stall)
		hold(table, conn, rest, false);
	(void)order_settle(table, conn, !direction);
}

static void read_end(struct stream_table *table, struct connection *conn, const struct segment *segment)
{
	struct lane *lane = &conn->lanes[segment->direction];

	if (segment->direction != DIRECTION_RECEIVE || (lane->detour & LANE_ENDED) || conn->closing)
		return;
	/* Without memory the connection's end tells it. */
	if (!connection_rest(conn))
		return;
	lane->detour |= LANE_END_KNOWN;
	lane_rest(lane)->end_position = segment->position;
	lane_rest(lane)->end_ns = segment->time_ns;
	(void)order_settle(table, conn, segment->direction);
}

/* A large call is told in chunks of one time. */
static bool continues_call(const struct connection *conn, const struct segment *segment)
{
	return segment->direction == conn->heard_direction && segment->time_ns == conn->heard_ns;
}

void order_segment(struct stream_table *table, struct connection *conn, const struct segment *segment)
{
	struct lane *lane = &conn->lanes[segment->direction];
	const struct piece *head = lane_head(lane);
	struct segment view = *segment;
	bool at_start = !continues_call(conn, segment);
	enum stall stall;

	conn->heard_ns = segment->time_ns;
	conn->heard_direction = (uint8_t)segment->direction;
	if (conn->phase == PHASE_UNPARSED) {
		connection_count_unparsed(table, conn, &view);
		return;
	}
	if (!segment->length) {
		read_end(table, conn, segment);
		return;
	}
	if (head && head->segment.position == lane->next) {
		hold(table, conn, &view, at_start);
	} else {
		stall = place(table, conn, &view, &at_start, false);
		if (stall)
			hold(table, conn, &view, at_start);
		else if (lane_head(lane))
			table->losses.reordered_segments++;
	}
	(void)order_settle(table, conn, segment->direction);
}

/* Nothing more will come: requests first, responses wait for them. */
static void force_all(struct stream_table *table, struct connection *conn, enum direction first)
{
	unsigned int round;

	for (round = 0; round < 4; round++)
		(void)drain(table, conn, round & 1 ? !first : first, true);
}

/* A call of a TLS library returns in user space, where the thread may have to wait for a processor between the socket's
 * call and that return, while another thread already has the answer. */
#define TLS_PATIENCE 25

/* What is held waits from the first tick that sees it, whatever is held before it. */
static bool patience_is_over(struct stream_table *table, const struct connection *conn, struct lane *lane,
			     uint64_t now_ns)
{
	uint64_t hold_ns = table->config.hold_ns * (conn->tls ? TLS_PATIENCE : 1);
	struct lane_rest *rest = lane_rest(lane);
	struct piece *piece;
	uint64_t since_ns;

	if (lane->stall != STALL_TIME || !rest)
		return false;
	since_ns = rest->head ? rest->head->seen_ns : rest->stalled_ns;
	if (since_ns)
		return now_ns - since_ns >= hold_ns;
	if (!rest->head)
		rest->stalled_ns = now_ns;
	for (piece = rest->head; piece; piece = piece->next)
		if (!piece->seen_ns)
			piece->seen_ns = now_ns;
	return false;
}

void order_tick(struct stream_table *table, struct connection *conn, uint64_t now_ns)
{
	enum direction first = feed_flow(conn, DIRECTION_RECEIVE) == FLOW_REQUEST ? DIRECTION_RECEIVE : DIRECTION_SEND;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		enum direction direction = i ? !first : first;
		struct lane *lane = &conn->lanes[direction];

		while (patience_is_over(table, conn, lane, now_ns)) {
			if (conn->closing)
				force_all(table, conn, first);
			else if (lane_head(lane))
				(void)place_head(table, conn, lane, true);
			else
				reach_end(table, conn, direction, true);
			if (!order_settle(table, conn, direction))
				return;
		}
	}
}
