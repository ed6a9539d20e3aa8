/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the moments of a message (line read, head done, whole, malformed) mean to the exchange it belongs to. An
 * exchange is told when both its messages are whole: an early response waits for the rest of its request, so that
 * sizes are right.
 */
#include <string.h>

#include "proto/http1_internal.h"

int http1_open(struct http1_feed *feed, struct http1_request **ret_request)
{
	struct http1_state *state = feed->state;
	struct http1_flow *flow = feed->flow;
	struct http1_request *request;
	int error = http1_ring_push(state, &request);

	if (error) {
		feed->sink->losses->out_of_step[STEP_PIPELINE_FULL]++;
		return error;
	}
	/* Not a byte of a response moved between this request and the one before. */
	if (flow->first_peer_position != 0 && flow->first_peer_position == state->last_peer_position)
		state->pipelined = true;
	state->last_peer_position = flow->first_peer_position;
	request->tgid = flow->tgid;
	request->tid = flow->tid;
	request->request_offset = flow->first_offset;
	request->peer_position = flow->first_peer_position;
	if (state->resync) {
		state->resync = false;
		state->resync_offset = flow->first_offset;
		state->resync_ns = flow->first_ns;
	}
	request->request_first_ns = flow->first_ns;
	flow->has_request = true;
	*ret_request = request;
	return 0;
}

void http1_response_line(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	struct http1_request *request = http1_current(feed);

	if (flow->status < 200 && flow->status != 101)
		return;
	feed->state->interim_alone = false;
	if (!request) {
		feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
		return;
	}
	request->flags |= REQUEST_RESPONDING;
	request->status = flow->status;
	request->response_first_ns = flow->first_ns;
	request->response_position = (uint32_t)flow->first_offset;
	request->response_tid = flow->tid;
}

void http1_request_head_done(struct http1_feed *feed)
{
	struct http1_request *request = http1_current(feed);

	/* It was given up while it was read. */
	if (!request)
		return;
	request->flags |= REQUEST_HEAD_DONE;
	request->request_last_ns = feed->chunk->time_ns;
	/* Its 100 (Continue) may have overtaken the end of its head. */
	if (feed->flow->flags & HEAD_EXPECT && !(request->flags & REQUEST_CONTINUED))
		request->flags |= REQUEST_EXPECT;
	feed->state->tunnel_pending = request->method == HTTP_METHOD_CONNECT || feed->flow->flags & HEAD_UPGRADE;
	feed->sink->active(feed->sink->ctx, request->method, 1);
	http1_tell_begin(feed->state, feed->sink);
}

void http1_response_head_done(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;
	struct http1_request *request = http1_current(feed);

	if (!request)
		return;
	request->response_last_ns = feed->chunk->time_ns;
	/* Only the last request may ask for a tunnel, and this is the answer: no. */
	if (state->tunnel_pending && state->open == 1) {
		state->tunnel_pending = false;
		if (state->flow[FLOW_REQUEST].phase == PHASE_TUNNEL_EARLY)
			state->flow[FLOW_REQUEST].phase = PHASE_LOST;
	}
}

void http1_interim(struct http1_feed *feed)
{
	struct http1_request *request = http1_current(feed);

	if (request && feed->flow->status == 100)
		http1_continue(request);
	if (!request)
		feed->state->interim_alone = true;
	feed->flow->has_request = false;
	feed->flow->phase = PHASE_START;
}

static void request_done(struct http1_state *state, const struct proto_sink *sink, uint64_t time_ns)
{
	struct http1_flow *flow = &state->flow[FLOW_REQUEST];
	struct http1_request *request;

	if (!flow->has_request)
		return;
	flow->has_request = false;
	request = http1_request_at(state, state->open - 1u);
	request->request_last_ns = time_ns;
	request->flags |= REQUEST_DONE;
	/* Then it is the only one open: nothing is read behind a request that is not whole. */
	if (request->flags & REQUEST_RESPONDED)
		http1_tell_first(state, sink, EXCHANGE_COMPLETE, 0);
}

/* A final response came while the body still waited for a 100 (Continue): see http1_expect.c. */
static bool body_never_began(struct http1_state *state, const struct http1_request *request)
{
	struct http1_flow *flow = &state->flow[FLOW_REQUEST];

	if (!(request->flags & REQUEST_EXPECT) || flow->phase != PHASE_EXPECTED)
		return false;
	flow->has_request = false;
	return true;
}

static void response_done(struct http1_state *state, const struct proto_sink *sink, uint64_t time_ns)
{
	struct http1_flow *flow = &state->flow[FLOW_RESPONSE];
	struct http1_request *request;

	if (!flow->has_request) {
		http1_pair_synced(state, time_ns);
		return;
	}
	flow->has_request = false;
	request = http1_request_at(state, 0);
	request->response_last_ns = time_ns;
	request->flags |= REQUEST_RESPONDED;
	if (request->flags & REQUEST_UNTOLD)
		http1_pair_synced(state, time_ns);
	/* Its own message may not be whole yet: what comes of it belongs to no request. */
	if (request->flags & REQUEST_UNTOLD && state->open == 1)
		state->flow[FLOW_REQUEST].has_request = false;
	if (request->flags & (REQUEST_DONE | REQUEST_UNTOLD) || body_never_began(state, request))
		http1_tell_first(state, sink, EXCHANGE_COMPLETE, 0);
}

void http1_message_done(struct http1_state *state, const struct proto_sink *sink, enum proto_flow which,
			uint64_t time_ns)
{
	state->flow[which].phase = PHASE_START;
	if (which == FLOW_REQUEST)
		request_done(state, sink, time_ns);
	else
		response_done(state, sink, time_ns);
}

/* No response will be told apart any more. */
static void give_up_all(struct http1_state *state, const struct proto_sink *sink)
{
	while (state->open > 0) {
		struct http1_request *request = http1_request_at(state, 0);

		if (request->flags & REQUEST_RESPONDED) {
			http1_tell_first(state, sink, EXCHANGE_COMPLETE, 0);
		} else {
			http1_give_up(request, sink);
			http1_drop_first(state, sink);
		}
	}
	state->flow[FLOW_REQUEST].has_request = false;
	state->flow[FLOW_RESPONSE].has_request = false;
}

void http1_tunnel(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;
	struct http1_request *request = http1_current(feed);

	if (request) {
		request->flags |= REQUEST_UPGRADED;
		request->response_last_ns = feed->chunk->time_ns;
		http1_tell_first(state, feed->sink, EXCHANGE_COMPLETE, 0);
	}
	give_up_all(state, feed->sink);
	state->opaque = true;
	http1_line_drop(&state->flow[FLOW_REQUEST]);
	http1_line_drop(&state->flow[FLOW_RESPONSE]);
}

void http1_malformed(struct http1_feed *feed)
{
	struct http1_state *state = feed->state;
	struct http1_flow *response = &state->flow[FLOW_RESPONSE];

	feed->sink->losses->out_of_step[STEP_MALFORMED]++;
	http1_line_drop(feed->flow);
	feed->flow->phase = PHASE_DEAD;
	if (feed->which == FLOW_RESPONSE) {
		give_up_all(state, feed->sink);
		return;
	}
	if (!feed->flow->has_request)
		return;
	/* The response under way, if it answers just this request, goes on alone. */
	if (state->open == 1)
		response->has_request = false;
	feed->flow->has_request = false;
	http1_drop_last(state, feed->sink);
}
