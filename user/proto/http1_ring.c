/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open requests, oldest first, in a ring whose first slot is part of the connection's state: only pipelining makes
 * it grow, up to HTTP1_PIPELINE_MAX, and it shrinks when the last one is answered. Path and host lie in the slot
 * unless they are long. So an ordinary exchange allocates nothing.
 */
#include <errno.h>
#include <string.h>

#include "proto/http1_internal.h"

#define RING_FIRST_SIZE 4

void http1_ring_init(struct http1_state *state)
{
	state->ring = &state->first_slot;
	state->ring_size = 1;
}

static int ring_grow(struct http1_state *state)
{
	size_t size = state->ring_size == 1 ? RING_FIRST_SIZE : 2u * state->ring_size;
	struct http1_request *ring;

	if (size > HTTP1_PIPELINE_MAX)
		return -ENOBUFS;
	ring = malloc(size * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < state->open; i++)
		ring[i] = *http1_request_at(state, i);
	if (state->ring != &state->first_slot)
		free(state->ring);
	state->ring = ring;
	state->ring_size = (uint16_t)size;
	state->ring_head = 0;
	return 0;
}

static void ring_shrink(struct http1_state *state)
{
	state->ring_head = 0;
	if (state->ring == &state->first_slot)
		return;
	free(state->ring);
	http1_ring_init(state);
}

/* By field: for a size like this compilers choose a string instruction, whose start costs more than all of these. */
static void clear(struct http1_request *request)
{
	request->flags = request->method = request->version = request->host_length = 0;
	request->path_length = request->status = 0;
	request->tgid = request->tid = request->peer_position = request->response_position = request->response_tid = 0;
	request->request_offset = 0;
	request->request_first_ns = request->request_last_ns = 0;
	request->response_first_ns = request->response_last_ns = 0;
	request->request_body_bytes = request->response_body_bytes = 0;
	request->long_text = NULL;
	request->extra = NULL;
}

int http1_ring_push(struct http1_state *state, struct http1_request **ret_request)
{
	struct http1_request *request;

	if (state->open == state->ring_size) {
		int error = ring_grow(state);

		if (error)
			return error;
	}
	request = http1_request_at(state, state->open++);
	clear(request);
	*ret_request = request;
	return 0;
}

static void free_text(struct http1_state *state, struct http1_request *request)
{
	if (!request->long_text)
		return;
	state->text_bytes -= (uint32_t)request->path_length + request->host_length;
	free(request->long_text);
	request->long_text = NULL;
}

void http1_ring_free(struct http1_state *state)
{
	for (size_t i = 0; i < state->open; i++) {
		free_text(state, http1_request_at(state, i));
		http1_extra_free(state, http1_request_at(state, i));
	}
	state->open = 0;
	ring_shrink(state);
}

size_t http1_ring_memory(const struct http1_state *state)
{
	return state->text_bytes + (state->ring == &state->first_slot ? 0 : state->ring_size * sizeof(*state->ring));
}

static char *request_text(struct http1_request *request)
{
	return request->long_text ? request->long_text : request->text;
}

int http1_keep_text(struct http1_state *state, struct http1_request *request, const char *path, size_t path_length,
		    const char *host, size_t host_length)
{
	char *old = request_text(request);
	char *text = old;

	if (!path)
		path_length = request->path_length;
	if (path_length + host_length > HTTP1_INLINE_TEXT) {
		text = malloc(path_length + host_length);
		if (!text)
			return -ENOMEM;
	}
	if (path || text != old)
		memcpy(text, path ? path : old, path_length);
	if (host_length > 0)
		memcpy(text + path_length, host, host_length);
	if (text != request->text) {
		free_text(state, request);
		request->long_text = text;
		state->text_bytes += (uint32_t)(path_length + host_length);
	}
	request->path_length = (uint16_t)path_length;
	request->host_length = (uint8_t)host_length;
	return 0;
}

static void remove_first(struct http1_state *state)
{
	free_text(state, http1_request_at(state, 0));
	http1_extra_free(state, http1_request_at(state, 0));
	state->ring_head = (uint16_t)((state->ring_head + 1u) & (state->ring_size - 1u));
	state->open--;
	if (state->settled > 0)
		state->settled--;
	if (state->open == 0)
		ring_shrink(state);
}

/* The active gauge goes down once for what went up. */
static void deactivate(struct http1_request *request, const struct proto_sink *sink)
{
	if (!(request->flags & REQUEST_HEAD_DONE))
		return;
	request->flags &= (uint8_t)~REQUEST_HEAD_DONE;
	sink->active(sink->ctx, request->method, -1);
}

/* What belongs to the connection is the caller's. */
static struct exchange make_exchange(struct http1_request *request, enum exchange_error error)
{
	const char *text = request_text(request);
	struct exchange exchange = {
		.protocol = PROTOCOL_HTTP1,
		.error = error,
		.tgid = request->tgid,
		.tid = request->tid,
		.request_first_ns = request->request_first_ns,
		.request_last_ns = request->flags & REQUEST_DONE ? request->request_last_ns : 0,
		.response_first_ns = request->response_first_ns,
		.response_last_ns = request->response_last_ns,
		.request_body_bytes = request->request_body_bytes,
		.response_body_bytes = request->response_body_bytes,
		.response_tid = request->response_tid,
		.request_position = (uint32_t)request->request_offset,
		.request_peer_position = request->peer_position,
		.response_position = request->response_position,
		.http.method = request->method,
		.http.status = request->status,
		.http.version = request->version,
		.http.upgraded = request->flags & REQUEST_UPGRADED,
		.http.path = { text, request->path_length },
		.http.host = { text + request->path_length, request->host_length },
	};

	http1_extra_tell(request, &exchange.http);
	return exchange;
}

void http1_tell_begin(struct http1_state *state, const struct proto_sink *sink)
{
	struct http1_request *request = http1_request_at(state, state->open - 1u);
	struct exchange exchange;

	if (!sink->begin || (sink->begin_wanted && !sink->begin_wanted(sink->ctx, request->tgid)))
		return;
	exchange = make_exchange(request, EXCHANGE_COMPLETE);
	sink->begin(sink->ctx, &exchange);
}

void http1_each_open(struct http1_state *state, const struct proto_sink *sink, uint32_t tgid)
{
	for (size_t i = 0; i < state->open; i++) {
		struct http1_request *request = http1_request_at(state, i);
		struct exchange exchange;

		if (request->tgid != tgid || !(request->flags & REQUEST_HEAD_DONE))
			continue;
		exchange = make_exchange(request, EXCHANGE_COMPLETE);
		sink->begin(sink->ctx, &exchange);
	}
}

/* Threads that send and receive at once may tell a response before its request: times are those of returning calls. */
static void order_times(struct exchange *exchange)
{
	uint64_t *first = &exchange->response_first_ns;

	if (*first != 0 && *first < exchange->request_first_ns)
		*first = exchange->request_first_ns;
	if (exchange->response_last_ns < *first)
		exchange->response_last_ns = *first;
	if (exchange->response_last_ns < exchange->request_first_ns)
		exchange->response_last_ns = exchange->request_first_ns;
}

void http1_tell_first(struct http1_state *state, const struct proto_sink *sink, enum exchange_error error,
		      uint64_t end_ns)
{
	struct http1_request *request = http1_request_at(state, 0);

	if (!(request->flags & REQUEST_UNTOLD)) {
		struct exchange exchange = make_exchange(request, error);

		if (error != EXCHANGE_COMPLETE)
			exchange.response_last_ns = end_ns;
		order_times(&exchange);
		sink->exchange(sink->ctx, &exchange);
	}
	/* Also of one that is not told: its head may have ended after it was given up. */
	deactivate(request, sink);
	remove_first(state);
}

void http1_drop_first(struct http1_state *state, const struct proto_sink *sink)
{
	deactivate(http1_request_at(state, 0), sink);
	remove_first(state);
}

void http1_drop_last(struct http1_state *state, const struct proto_sink *sink)
{
	struct http1_request *request = http1_request_at(state, state->open - 1u);

	deactivate(request, sink);
	free_text(state, request);
	http1_extra_free(state, request);
	state->open--;
	if (state->settled > state->open)
		state->settled = state->open;
	if (state->open == 0)
		ring_shrink(state);
}

void http1_give_up(struct http1_request *request, const struct proto_sink *sink)
{
	if (request->flags & REQUEST_UNTOLD)
		return;
	request->flags |= REQUEST_UNTOLD;
	sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	deactivate(request, sink);
}
