/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and 1.1 by RFC 9112 and RFC 9110: the operations of the protocol contract. Bytes of both flows come in here
 * and go by phase to heads and bodies; what the messages mean to exchanges is in http1_message.c and http1_pair.c.
 * Malformed bytes are never guessed at: the flow ends there, its last request is counted and not told.
 */
#include <string.h>

#include "proto/http1_internal.h"

static void *http1_state_new(void)
{
	struct http1_state *state = calloc(1, sizeof(*state));

	if (state)
		http1_ring_init(state);
	return state;
}

static void http1_state_free(void *opaque)
{
	struct http1_state *state = opaque;

	if (!state)
		return;
	http1_ring_free(state);
	http1_line_drop(&state->flow[FLOW_REQUEST]);
	http1_line_drop(&state->flow[FLOW_RESPONSE]);
	free(state);
}

void http1_begin_message(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	flow->phase = PHASE_FIRST_LINE;
	flow->flags = 0;
	flow->status = 0;
	flow->head_bytes = 0;
	flow->left = 0;
	flow->first_ns = feed->chunk->time_ns;
	flow->first_offset = flow->offset + feed->at;
	flow->first_peer_position = feed->chunk->peer_position;
	flow->tgid = feed->chunk->tgid;
	flow->tid = feed->chunk->tid;
}

/* After CONNECT or Upgrade: the next bytes are a request only if the answer is no. */
static enum proto_status start_behind_tunnel(struct http1_feed *feed)
{
	const struct proto_chunk *chunk = feed->chunk;

	if (!chunk->no_wait)
		return PROTO_WAIT;
	if (chunk->data && http1_detect(chunk->data + feed->at, chunk->length - feed->at) != DETECT_NO)
		feed->state->tunnel_pending = false;
	else
		feed->flow->phase = PHASE_TUNNEL_EARLY;
	return PROTO_OK;
}

static enum proto_status start_request(struct http1_feed *feed)
{
	const struct proto_chunk *chunk = feed->chunk;

	if (feed->state->tunnel_pending)
		return start_behind_tunnel(feed);
	if (!chunk->data)
		return PROTO_LOST;
	/* Empty lines before a request line: RFC 9112 section 2.2. */
	while (feed->at < chunk->length && (chunk->data[feed->at] == '\r' || chunk->data[feed->at] == '\n'))
		feed->at++;
	if (feed->at == chunk->length)
		return PROTO_OK;
	if (feed->state->open >= HTTP1_PIPELINE_MAX) {
		if (!chunk->no_wait)
			return PROTO_WAIT;
		feed->sink->losses->out_of_step[STEP_PIPELINE_FULL]++;
		return PROTO_LOST;
	}
	http1_begin_message(feed);
	return PROTO_OK;
}

static enum proto_status start_response(struct http1_feed *feed)
{
	/* All sound requests are answered, and what comes next answers one that was not. */
	if (feed->state->flow[FLOW_REQUEST].phase == PHASE_DEAD && feed->state->open == 0) {
		feed->flow->phase = PHASE_DEAD;
		return PROTO_MALFORMED;
	}
	if (!feed->chunk->data)
		return PROTO_LOST;
	if (!http1_pair(feed))
		return PROTO_WAIT;
	http1_begin_message(feed);
	return PROTO_OK;
}

enum proto_status http1_take_bytes(struct http1_feed *feed)
{
	switch (feed->flow->phase) {
	case PHASE_START:
		return feed->which == FLOW_REQUEST ? start_request(feed) : start_response(feed);
	case PHASE_EXPECTED:
		return http1_take_expected(feed);
	case PHASE_TUNNEL_EARLY:
		feed->at = feed->chunk->length;
		return PROTO_OK;
	case PHASE_LOST:
		return PROTO_LOST;
	default:
		break;
	}
	if (!feed->chunk->data)
		return http1_skip_gap(feed) ? PROTO_OK : PROTO_LOST;
	return feed->flow->phase <= PHASE_FIELDS ? http1_take_head(feed) : http1_take_body(feed);
}

/* Also after bytes that were not fed. The first offset is not 0, which is none. */
static void find_offset(struct http1_flow *flow, uint32_t position)
{
	if (flow->offset == 0)
		flow->offset = 1ull << 32 | position;
	else
		flow->offset += (uint64_t)(int64_t)(int32_t)(position - (uint32_t)flow->offset);
}

static enum proto_status http1_feed(void *opaque, const struct proto_sink *sink, enum proto_flow which,
				    const struct proto_chunk *chunk, size_t *consumed)
{
	struct http1_state *state = opaque;
	struct http1_feed feed = { state, sink, chunk, &state->flow[which], which, 0 };
	enum proto_status status = PROTO_OK;

	*consumed = 0;
	find_offset(feed.flow, chunk->position);
	if (state->opaque)
		return PROTO_OPAQUE;
	if (feed.flow->phase == PHASE_DEAD || state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return PROTO_MALFORMED;
	while (status == PROTO_OK && feed.at < chunk->length)
		status = http1_take_bytes(&feed);
	*consumed = feed.at;
	/* A gap is behind us, whether it could be taken or not. */
	feed.flow->offset += status == PROTO_LOST && !chunk->data ? chunk->length : feed.at;
	if (status == PROTO_MALFORMED && feed.flow->phase != PHASE_DEAD)
		http1_malformed(&feed);
	return status;
}

static void http1_end(void *opaque, const struct proto_sink *sink, enum proto_flow which, uint64_t time_ns)
{
	struct http1_state *state = opaque;
	struct http1_flow *flow = &state->flow[which];

	flow->ended = true;
	if (flow->phase != PHASE_UNTIL_CLOSE)
		return;
	/* RFC 9112 section 6.3 item 8. The response's end is its last byte's time, if that is known. */
	if (flow->has_request && !flow->tail_missing)
		time_ns = http1_request_at(state, 0)->response_last_ns;
	http1_message_done(state, sink, which, time_ns);
}

static enum exchange_error error_of(const struct http1_request *request, bool responding,
				    enum connection_end_reason reason)
{
	if (request->flags & REQUEST_RESPONDED)
		return EXCHANGE_COMPLETE;
	if (reason == END_RESET)
		return EXCHANGE_CONNECTION_RESET;
	if (reason == END_TIMEOUT)
		return EXCHANGE_TIMEOUT;
	if (responding)
		return EXCHANGE_RESPONSE_ABORTED;
	return request->flags & REQUEST_DONE ? EXCHANGE_NO_RESPONSE : EXCHANGE_REQUEST_ABORTED;
}

/* A request whose line had begun and was not whole: its method is all that may be known. */
static void open_partial(struct http1_state *state, const struct proto_sink *sink)
{
	struct http1_feed feed = {
		.state = state, .sink = sink, .flow = &state->flow[FLOW_REQUEST], .which = FLOW_REQUEST
	};
	const struct http1_line_store *line = feed.flow->line;
	struct http1_request *request;

	if (feed.flow->phase != PHASE_FIRST_LINE || !line ||
	    http1_detect((const uint8_t *)line->front, line->front_length) == DETECT_NO ||
	    http1_open(&feed, &request) != 0)
		return;
	request->method = http1_line_method(line);
}

/* A byte of a final response was seen. */
static bool is_responding(struct http1_state *state)
{
	const struct http1_flow *response = &state->flow[FLOW_RESPONSE];
	struct http1_request *request;

	if (!response->has_request)
		return false;
	request = http1_request_at(state, 0);
	if (request->flags & REQUEST_RESPONDING)
		return true;
	/* Its first line is not whole, or it is an interim response: that is no response yet. */
	if (response->status != 0)
		return false;
	request->response_first_ns = response->first_ns;
	request->response_position = (uint32_t)response->first_offset;
	return true;
}

static void http1_close(void *opaque, const struct proto_sink *sink, enum connection_end_reason reason,
			uint64_t time_ns)
{
	struct http1_state *state = opaque;
	struct http1_flow *requests = &state->flow[FLOW_REQUEST];
	struct http1_flow *responses = &state->flow[FLOW_RESPONSE];
	bool responding;

	if (reason == END_NORMAL && responses->phase == PHASE_UNTIL_CLOSE)
		http1_end(state, sink, FLOW_RESPONSE, time_ns);
	responding = is_responding(state);
	open_partial(state, sink);
	while (state->open > 0) {
		struct http1_request *request = http1_request_at(state, 0);

		if (state->adrift && state->settled == 0 && !responding && !(request->flags & REQUEST_RESPONDED)) {
			http1_give_up(request, sink);
			http1_drop_first(state, sink);
		} else {
			http1_tell_first(state, sink, error_of(request, responding, reason), time_ns);
		}
		responding = false;
	}
	requests->has_request = responses->has_request = false;
	requests->phase = responses->phase = PHASE_START;
	http1_line_drop(requests);
	http1_line_drop(responses);
}

static void http1_lost(void *opaque, const struct proto_sink *sink, enum proto_flow which)
{
	struct http1_state *state = opaque;
	struct http1_flow *flow = &state->flow[which];

	if (state->opaque || flow->phase == PHASE_DEAD || state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return;
	http1_pair_lost(state, sink, which);
	http1_line_drop(flow);
	flow->phase = PHASE_START;
}

static size_t http1_memory(const void *opaque)
{
	const struct http1_state *state = opaque;
	size_t lines = (state->flow[FLOW_REQUEST].line ? 1 : 0) + (state->flow[FLOW_RESPONSE].line ? 1 : 0);

	return sizeof(*state) + http1_ring_memory(state) + lines * sizeof(struct http1_line_store);
}

static void http1_open_requests(void *opaque, const struct proto_sink *sink, uint32_t tgid)
{
	http1_each_open(opaque, sink, tgid);
}

const struct proto_ops http1_ops = {
	.protocol = PROTOCOL_HTTP1,
	.name = "http1",
	.detect = http1_detect,
	.detect_max = HTTP1_DETECT_MAX,
	.state_new = http1_state_new,
	.state_free = http1_state_free,
	.feed = http1_feed,
	.end = http1_end,
	.close = http1_close,
	.lost = http1_lost,
	.memory = http1_memory,
	.each_open = http1_open_requests,
};
