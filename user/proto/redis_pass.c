/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates of which bytes are missing. How many values there are was said at the begin, but behind a hole nobody can
 * count them, and each of them looks like a reply: none of them must be taken for one. What ends them is the client: as
 * long as no command has moved, all bytes are the aggregate's. So they are passed over unread, and of each call its end
 * is enough (the ring is full, or was).
 *
 * Where this client has been seen to wait for all replies before it sends (redis_waits_for_replies), the reply ended
 * where it sent the next command: then it is told, with the time of its last byte. There must be room for all of its
 * values, and its last bytes, where they were seen, must be those of a value. Otherwise its command is given up, and
 * counted. Replies of which the values matter (EXEC, MGET, subscriptions) are given up as well.
 */
#include "proto/redis_internal.h"

#define VALUE_BYTES_MIN 3 /* "_" with CR LF */

/* Which of flow's fields mean what, in PHASE_PASS. */
static inline uint64_t *last_ns(struct redis_flow *flow)
{
	return &flow->number;
}

static inline uint64_t *passed(struct redis_flow *flow)
{
	return &flow->left;
}

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void note(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	const struct proto_chunk *chunk = feed->chunk;
	size_t length = chunk->length - feed->at;

	if (length == 0)
		return;
	*passed(flow) += length;
	*last_ns(flow) = chunk->time_ns;
	flow->tail_missing = chunk->missing;
	flow->cr = !chunk->data || chunk->length < 2 ||
		   (chunk->data[chunk->length - 2] == '\r' && chunk->data[chunk->length - 1] == '\n');
	feed->at = chunk->length;
}

/* How far the commands had come when the bytes at hand moved, as far as anybody knows. */
static uint32_t commands_at(const struct redis_feed *feed)
{
	return feed->chunk->peer_position ? feed->chunk->peer_position : feed->state->flow[FLOW_REQUEST].next;
}

static void begin(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;

	flow->phase = PHASE_PASS;
	*passed(flow) = 0;
	feed->state->pass_peer = commands_at(feed);
	note(feed);
	if (feed->sink->ends_only)
		feed->sink->ends_only(feed->sink->ctx, feed->which);
}

/* No command has moved behind the first one, as far as anybody knows. */
static bool is_alone(const struct redis_feed *feed)
{
	const struct redis_flow *requests = &feed->state->flow[FLOW_REQUEST];
	const struct redis_ring *ring = &feed->state->ring;

	if (ring->call_count > 1)
		return !before(ring->calls[(ring->call_head + 1) & (ring->call_size - 1)].position, commands_at(feed));
	return requests->phase == PHASE_START && !before(requests->next, commands_at(feed));
}

/* The one command under way is answered by an aggregate of which no value matters. */
static bool may_go_on(const struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	const struct redis_replying *reply = &state->reply;
	uint8_t kind;

	if (!reply->has_call || reply->depth == 0 || reply->base > 0 || reply->attributes || state->adrift ||
	    !is_alone(feed))
		return false;
	kind = redis_command_of(redis_first_call(&state->ring))->kind;
	return kind != KIND_EACH && kind != KIND_EXEC && !redis_kind_subscribes(kind);
}

bool redis_pass_begin(struct redis_feed *feed)
{
	if (!may_go_on(feed) || !redis_waits_for_replies(feed->state))
		return false;
	begin(feed);
	return true;
}

bool redis_pass_torn(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	struct redis_flow *flow = feed->flow;

	if (!state->torn || !state->adrift)
		return false;
	redis_begin_message(feed);
	if (redis_may_answer(feed) || (flow->peer_position != 0 && redis_may_wait(feed)))
		return false;
	state->reply = (struct redis_replying){ 0 };
	begin(feed);
	return true;
}

/* There is room for all values in what was passed over, and what came last ends as values do, if that was seen. */
static bool looks_whole(struct redis_state *state)
{
	struct redis_flow *flow = &state->flow[FLOW_RESPONSE];
	uint64_t values = 0;

	for (uint8_t i = 0; i < state->reply.depth; i++) {
		uint64_t left = state->reply.levels[i];

		values += left == REDIS_STREAMED ? 0 : left;
	}
	return flow->cr && !flow->tail_missing && *passed(flow) / VALUE_BYTES_MIN >= values;
}

/* The next command was sent where the bytes at hand begin: the reply ends before them. If it was sent before, this is a
 * client that does not wait for replies. */
static bool ends_here(const struct redis_feed *feed)
{
	const struct redis_ring *ring = &feed->state->ring;
	const struct redis_batch *next = &ring->batches[(ring->batch_head + 1) & (ring->batch_size - 1)];
	uint32_t here = feed->chunk->position + (uint32_t)feed->at;

	if (ring->batch_count < 2 || redis_first_batch(&feed->state->ring)->count != 1 || !next->anchored)
		return false;
	if (feed->chunk->data && before(next->peer_position, here))
		feed->state->interleaved = true;
	return next->peer_position == here;
}

static enum proto_status end_reply(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	struct proto_chunk last = *feed->chunk;
	struct redis_feed end = { state, feed->sink, &last, feed->flow, feed->which, 0 };

	last.time_ns = *last_ns(feed->flow);
	state->reply.depth = 0;
	return redis_finish_reply(&end);
}

/* Of a reply that was given up: what comes now may answer the command. */
static enum proto_status end_torn(struct redis_feed *feed)
{
	const struct proto_chunk *chunk = feed->chunk;
	uint32_t here = chunk->position + (uint32_t)feed->at;
	enum proto_detect verdict = DETECT_NO;

	if (chunk->data)
		verdict = redis_detect(chunk->data + feed->at, chunk->length - feed->at);
	if (verdict != DETECT_RESPONSE && !(verdict == DETECT_MORE && redis_sent_at(feed->state, here)))
		return PROTO_LOST;
	feed->state->unseen[FLOW_RESPONSE] += here - feed->flow->position;
	feed->flow->phase = PHASE_START;
	return PROTO_OK;
}

/* That command is still to come. */
static bool may_wait(const struct redis_feed *feed)
{
	const struct redis_flow *requests = &feed->state->flow[FLOW_REQUEST];

	return before(requests->next, commands_at(feed)) && !feed->chunk->no_wait && !requests->ended &&
	       requests->phase != PHASE_DEAD;
}

enum proto_status redis_take_pass(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	if (!before(state->pass_peer, commands_at(feed))) {
		note(feed);
		return PROTO_OK;
	}
	if (may_wait(feed))
		return PROTO_WAIT;
	if (!state->reply.has_call)
		return end_torn(feed);
	if (!ends_here(feed) || !redis_waits_for_replies(state) || !looks_whole(state))
		return PROTO_LOST;
	return end_reply(feed);
}
