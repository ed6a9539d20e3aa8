/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expect: 100-continue (RFC 9110 section 10.1.1). Behind such a head may come: the body, after a 100 (Continue) or
 * because the client got tired of waiting; or, after a final response, the next request and no body, or the body
 * all the same. Until the answer is known, the first byte behind the head has no meaning.
 */
#include "proto/http1_internal.h"

enum http_method http1_line_method(const struct http1_line_store *line)
{
	return http1_method(line->front, http1_method_length(line->front, line->front_length));
}

/* Feeds bytes that were held back to find out what they are. They turned out to be a body, and what follows it. */
static enum proto_status replay(struct http1_feed *feed, struct http1_line_store *held)
{
	struct http1_flow *flow = feed->flow;
	struct proto_chunk chunk = *feed->chunk;
	struct http1_feed again = *feed;
	enum proto_status status = PROTO_OK;
	uint64_t offset = flow->offset;

	chunk.data = (const uint8_t *)held->front;
	chunk.length = held->front_length;
	chunk.position = (uint32_t)flow->first_offset;
	flow->offset = flow->first_offset;
	again.chunk = &chunk;
	again.at = 0;
	while (status == PROTO_OK && again.at < chunk.length)
		status = http1_take_bytes(&again);
	flow->offset = offset;
	free(held);
	return status;
}

/* The final response is there: the body that was announced, or a request. */
static enum proto_status body_or_request(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	const struct proto_chunk *chunk = feed->chunk;
	enum proto_detect answer = DETECT_MORE;

	if (!chunk->data)
		return PROTO_LOST;
	if (!flow->line) {
		uint64_t left = flow->left;

		http1_begin_message(feed);
		flow->phase = PHASE_EXPECTED;
		flow->left = left;
	}
	while (feed->at < chunk->length && answer == DETECT_MORE) {
		if (!http1_line_keep(flow, chunk->data + feed->at, 1))
			return PROTO_LOST;
		feed->at++;
		answer = http1_detect((const uint8_t *)flow->line->front, flow->line->front_length);
	}
	if (answer == DETECT_MORE)
		return PROTO_OK;
	/* Text that happens to look like an unknown method is taken for the body that was announced. */
	if (answer == DETECT_REQUEST && http1_line_method(flow->line) != HTTP_METHOD_OTHER) {
		/* The last byte may be the line's end: it is read with what follows. */
		flow->line->front_length--;
		feed->at--;
		flow->left = 0;
		flow->phase = PHASE_FIRST_LINE;
		return PROTO_OK;
	}
	flow->phase = flow->resume;
	return replay(feed, STEAL_POINTER(flow->line));
}

enum proto_status http1_take_expected(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	const struct proto_chunk *chunk = feed->chunk;
	const struct http1_request *request = http1_current(feed);
	bool unanswered;

	if (!request)
		return body_or_request(feed);
	/* Not a byte of a response moved between the head and these bytes: they do not wait for one. */
	unanswered = chunk->peer_position != 0 && chunk->peer_position == flow->first_peer_position;
	if (request->flags & REQUEST_EXPECT && !unanswered && !chunk->no_wait)
		return PROTO_WAIT;
	flow->phase = flow->resume;
	return PROTO_OK;
}
