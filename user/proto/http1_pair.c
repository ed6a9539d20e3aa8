/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which request does a response answer? In step: the first open one (RFC 9112 section 9.3.2), unless the response was
 * on its way before that request was: then its own request was never seen, and it is alone.
 *
 * After a loss nobody can count. What is left: a response begins where the responses stood when its request began to
 * move, unless requests were pipelined; the kernel tells that, for each direction how far the OTHER one had come
 * (peer_position; if that is not known, times must do). While adrift a response is paired only with
 *  - the first request behind a whole response that itself began after all that was lost had moved (`sync_*`), or
 *  - the newest request that moved before it, when only responses were lost and no request was ever pipelined,
 * and the requests before that one are given up. Then the flows are in step again. It costs an exchange or two, and
 * leaves no doubt about requests that lay in a gap. Not seen is a client whose only pipelined requests lay in the gap,
 * and that then sends one more between their responses.
 * Requests before a gap in the requests stay in step (`settled`): their responses come in order.
 */
#include <string.h>

#include "proto/http1_internal.h"

/* From now on counting does not tell which response answers which request. */
static void drift(struct http1_state *state, bool need_sync)
{
	/* A request that has its response, and is only not whole itself, stays sure of it. */
	state->settled = state->open > 0 && http1_request_at(state, 0)->flags & REQUEST_RESPONDED ? 1 : 0;
	state->need_sync = (state->adrift && state->need_sync) || need_sync || state->pipelined;
	state->adrift = true;
	state->sync_ns = 0;
}

/* How far the requests had come at a position that a response tells, if it is known. */
static uint64_t request_offset(const struct http1_state *state, uint32_t peer_position)
{
	uint64_t fed = state->flow[FLOW_REQUEST].offset;

	return fed + (uint64_t)(int64_t)(int32_t)(peer_position - (uint32_t)fed);
}

/* No byte of a request moved before this response that was not fed yet. */
static bool no_request_on_the_way(const struct http1_feed *feed)
{
	uint64_t fed = feed->state->flow[FLOW_REQUEST].offset;

	return feed->chunk->peer_position != 0 && fed != 0 &&
	       request_offset(feed->state, feed->chunk->peer_position) <= fed;
}

/* The request moved before the response at hand. */
static bool sent_before(const struct http1_feed *feed, const struct http1_request *request)
{
	if (feed->chunk->peer_position != 0)
		return request_offset(feed->state, feed->chunk->peer_position) > request->request_offset;
	return request->request_first_ns <= feed->chunk->time_ns;
}

/* There is no request that this response may answer: wait for one, or go on without. */
static bool wait_or_alone(struct http1_feed *feed)
{
	const struct http1_flow *requests = &feed->state->flow[FLOW_REQUEST];
	bool none = no_request_on_the_way(feed);

	if (!none && !feed->chunk->no_wait && !requests->ended && requests->phase != PHASE_DEAD)
		return false;
	/* Its request may still come, or has begun: it must not be taken for an open one then. */
	if (!none || requests->phase == PHASE_FIRST_LINE)
		drift(feed->state, feed->chunk->peer_position == 0);
	return true;
}

/* The only open request is being read, and more of its head moved before this response than was fed. */
static bool head_on_the_way(const struct http1_feed *feed)
{
	const struct http1_flow *requests = &feed->state->flow[FLOW_REQUEST];

	return feed->state->open == 1 && requests->has_request && requests->phase <= PHASE_FIELDS &&
	       feed->chunk->peer_position != 0 && !no_request_on_the_way(feed);
}

static bool pair_in_step(struct http1_feed *feed, struct http1_request *first)
{
	if (sent_before(feed, first)) {
		bool on_the_way = head_on_the_way(feed);

		/* What moved behind a whole head is the body that need not wait for this response. */
		if (on_the_way && feed->state->flow[FLOW_REQUEST].phase == PHASE_EXPECTED)
			http1_continue(first);
		if (on_the_way && !feed->chunk->no_wait)
			return false;
		feed->flow->has_request = true;
		return true;
	}
	/* By times the order may be wrong for once (threads); better to lose two exchanges than to pair all others
	 * wrong. */
	if (feed->chunk->peer_position == 0)
		drift(feed->state, true);
	return true;
}

static void give_up_first(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;

	http1_give_up(http1_request_at(state, 0), feed->sink);
	if (state->open == 1)
		state->flow[FLOW_REQUEST].has_request = false;
	http1_drop_first(state, feed->sink);
}

void http1_pair_synced(struct http1_state *state, uint64_t time_ns)
{
	const struct http1_flow *flow = &state->flow[FLOW_RESPONSE];

	state->sync_ns = time_ns;
	state->sync_first_ns = flow->first_ns;
	state->sync_offset = flow->first_peer_position ? request_offset(state, flow->first_peer_position) : 0;
}

/* A whole response lies between what was lost and this request: all lost requests had moved before it began. */
static bool is_synced(const struct http1_state *state, const struct http1_request *request)
{
	if (state->sync_ns == 0 || request->request_first_ns <= state->sync_ns)
		return false;
	return state->sync_offset ? state->sync_offset >= state->resync_offset :
				    state->sync_first_ns >= state->resync_ns;
}

/* While adrift: which of the first `before` requests, all of those that moved before it, the response answers. Returns
 * `before` when that is not certain. */
static size_t certain_request(struct http1_feed *feed, size_t before)
{
	struct http1_state *state = feed->state;
	uint32_t position = feed->chunk->position + (uint32_t)feed->at;
	const struct http1_request *request;
	size_t index = 0;

	while (index < before && !is_synced(state, http1_request_at(state, index)))
		index++;
	if (index == before) {
		if (before == 0 || state->need_sync || state->pipelined)
			return before;
		index = before - 1;
	}
	request = http1_request_at(state, index);
	return feed->chunk->peer_position == 0 || request->peer_position == position ? index : before;
}

static bool pair_adrift(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;
	bool unseen = feed->chunk->peer_position != 0 && !no_request_on_the_way(feed);
	size_t before = 0;
	size_t index;

	if (unseen && !feed->chunk->no_wait)
		return wait_or_alone(feed);
	while (before < state->open && sent_before(feed, http1_request_at(state, before)))
		before++;
	index = unseen ? before : certain_request(feed, before);
	feed->flow->has_request = index < before;
	for (; index > 0; index--)
		give_up_first(feed);
	/* One that the loss itself hit, kept for its response only, proves nothing about those behind it. */
	if (feed->flow->has_request && !(http1_request_at(state, 0)->flags & REQUEST_UNTOLD))
		state->adrift = state->need_sync = false;
	return true;
}

bool http1_pair(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;
	struct http1_request *first = state->open > 0 ? http1_request_at(state, 0) : NULL;

	feed->flow->has_request = false;
	if (state->interim_alone)
		return true;
	if (!first || first->flags & REQUEST_RESPONDED)
		return wait_or_alone(feed);
	if (!state->adrift || state->settled > 0)
		return pair_in_step(feed, first);
	return pair_adrift(feed);
}

static void requests_lost(struct http1_state *state, const struct proto_sink *sink)
{
	struct http1_flow *flow = &state->flow[FLOW_REQUEST];
	bool was_adrift = state->adrift;
	uint16_t settled = state->settled;

	state->tunnel_pending = false;
	if (flow->phase == PHASE_FIRST_LINE)
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	if (flow->has_request) {
		struct http1_request *request = http1_request_at(state, state->open - 1u);

		http1_give_up(request, sink);
		if (request->flags & REQUEST_RESPONDED)
			http1_drop_last(state, sink);
	}
	drift(state, true);
	state->resync = true;
	state->settled = was_adrift ? settled : state->open;
	if (state->settled > state->open)
		state->settled = state->open;
}

static void responses_lost(struct http1_state *state, const struct proto_sink *sink)
{
	if (state->flow[FLOW_RESPONSE].has_request) {
		http1_give_up(http1_request_at(state, 0), sink);
		if (state->open == 1)
			state->flow[FLOW_REQUEST].has_request = false;
		http1_drop_first(state, sink);
	}
	state->interim_alone = false;
	drift(state, state->last_peer_position == 0);
}

void http1_pair_lost(struct http1_state *state, const struct proto_sink *sink, enum proto_flow which)
{
	if (which == FLOW_REQUEST)
		requests_lost(state, sink);
	else
		responses_lost(state, sink);
	state->flow[which].has_request = false;
}
