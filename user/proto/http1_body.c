/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a message ends: by RFC 9112 section 6.3, from its head and, of a response, from its request. Bodies are
 * counted and passed over; of bytes that were not captured, by length.
 *   chunked-body = *( chunk-size [ chunk-ext ] CRLF chunk-data CRLF ) 1*"0" [ chunk-ext ] CRLF trailers CRLF
 * (section 7.1). Line ends in the chunked framing must be CRLF, section 2.2's leniency is for start lines and fields:
 * guessing there is how requests are smuggled.
 */
#include <string.h>

#include "proto/http1_internal.h"

#define SKIP_WORTHWHILE 4096u        /* bytes; less is cheaper to copy than to ask for */
#define SKIP_STEP (1u << 30)         /* positions are modulo 2^32 */
#define UNTIL_CLOSE_SEEN (64u << 10) /* of a body without known end, before it is worth to be silent about it */

/* Lets the capture be silent about the rest of a body that is long enough. */
static void ask_to_skip(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	uint64_t step = flow->left < SKIP_STEP ? flow->left : SKIP_STEP;

	if (flow->left <= SKIP_WORTHWHILE || flow->left > flow->ask_at)
		return;
	flow->ask_at = flow->left - step;
	feed->sink->skip_until(feed->sink->ctx, feed->which, feed->chunk->position + (uint32_t)(feed->at + step));
}

static void begin_length(struct http1_feed *feed, enum http1_phase phase, uint64_t left)
{
	struct http1_flow *flow = feed->flow;

	flow->phase = (uint8_t)phase;
	flow->left = left;
	flow->ask_at = phase == PHASE_UNTIL_CLOSE ? left - UNTIL_CLOSE_SEEN : left;
	/* Not before it is sure that there is a body: silence must not cover the next message. */
	if (feed->at == feed->chunk->length && !flow->maybe_empty && !(flow->flags & HEAD_EXPECT))
		ask_to_skip(feed);
}

static void begin_chunk_line(struct http1_flow *flow, enum http1_phase phase)
{
	flow->phase = (uint8_t)phase;
	flow->left = 0;
	flow->head_bytes = 0;
	flow->line_has_bytes = false;
}

/* Content-Length and chunked, alike for both kinds. False: neither is there. */
static bool begin_framed(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	if (flow->flags & HEAD_CODED) {
		begin_chunk_line(flow, PHASE_CHUNK_SIZE);
	} else if (flow->flags & HEAD_LENGTH && flow->left > 0) {
		begin_length(feed, PHASE_LENGTH, flow->left);
	} else if (flow->flags & HEAD_LENGTH) {
		http1_message_done(feed->state, feed->sink, feed->which, feed->chunk->time_ns);
	} else {
		return false;
	}
	return true;
}

static bool length_is_bad(const struct http1_flow *flow)
{
	/* Transfer-Encoding overrides Content-Length: section 6.3 item 3. */
	return !(flow->flags & HEAD_CODED) && flow->flags & (HEAD_LENGTH_BAD | HEAD_LENGTH_EMPTY);
}

static enum proto_status begin_request_body(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	/* Section 6.3 item 4: without chunked as the last coding, the length of a request cannot be known. */
	if (flow->flags & HEAD_CODING_BAD || (flow->flags & (HEAD_CODED | HEAD_CHUNKED)) == HEAD_CODED ||
	    length_is_bad(flow))
		return PROTO_MALFORMED;
	http1_request_head_done(feed);
	if (!begin_framed(feed))
		http1_message_done(feed->state, feed->sink, FLOW_REQUEST, feed->chunk->time_ns);
	if (flow->flags & HEAD_EXPECT && flow->phase != PHASE_START) {
		flow->resume = flow->phase;
		flow->phase = PHASE_EXPECTED;
	}
	return PROTO_OK;
}

static enum proto_status begin_response_body(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	const struct http1_request *request = http1_current(feed);
	bool head_only = request && request->method == HTTP_METHOD_HEAD;

	if (flow->status == 101 || (request && request->method == HTTP_METHOD_CONNECT && flow->status / 100 == 2)) {
		http1_tunnel(feed);
		return PROTO_OPAQUE;
	}
	if (flow->status < 200) {
		http1_interim(feed);
		return PROTO_OK;
	}
	http1_response_head_done(feed);
	if (head_only || flow->status == 204 || flow->status == 304) {
		http1_message_done(feed->state, feed->sink, FLOW_RESPONSE, feed->chunk->time_ns);
		return PROTO_OK;
	}
	if (flow->flags & HEAD_CODING_BAD || length_is_bad(flow))
		return PROTO_MALFORMED;
	/* A response alone may answer a HEAD: if a message begins where its body should, it did. */
	flow->maybe_empty = !request;
	if ((flow->flags & (HEAD_CODED | HEAD_CHUNKED)) == HEAD_CODED || !begin_framed(feed))
		begin_length(feed, PHASE_UNTIL_CLOSE, UINT64_MAX);
	return PROTO_OK;
}

enum proto_status http1_begin_body(struct http1_feed *feed)
{
	feed->flow->maybe_empty = false;
	return feed->which == FLOW_REQUEST ? begin_request_body(feed) : begin_response_body(feed);
}

static void count_content(struct http1_feed *feed, struct http1_request *request, size_t length)
{
	uint64_t time_ns = feed->chunk->time_ns;

	if (feed->which == FLOW_REQUEST) {
		request->request_body_bytes += length;
		request->request_last_ns = feed->chunk->missing ? request->request_last_ns : time_ns;
	} else {
		request->response_body_bytes += length;
		request->response_last_ns = feed->chunk->missing ? request->response_last_ns : time_ns;
	}
}

/* The last byte of a body of known length. When the call that moved it was lost, so is its moment: a response's makes
 * the duration, which must not be guessed. */
static void end_content(struct http1_feed *feed, struct http1_request *request)
{
	uint64_t time_ns = feed->chunk->time_ns;

	if (feed->chunk->missing && request && feed->which == FLOW_RESPONSE)
		http1_give_up(request, feed->sink);
	else if (feed->chunk->missing && request)
		time_ns = request->request_last_ns;
	http1_message_done(feed->state, feed->sink, feed->which, time_ns);
}

/* Body bytes, seen or not. */
static void take_content(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	struct http1_request *request = http1_current(feed);
	size_t length = feed->chunk->length - feed->at;

	if (length > flow->left)
		length = (size_t)flow->left;
	feed->at += length;
	flow->left -= length;
	flow->tail_missing = feed->chunk->missing;
	if (request)
		count_content(feed, request, length);
	if (flow->left > 0)
		ask_to_skip(feed);
	else if (flow->phase == PHASE_LENGTH)
		end_content(feed, request);
	else
		flow->phase = PHASE_CHUNK_END;
}

static int hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* chunk-size = 1*HEXDIG. Blanks behind it are bad white space that section 7.1.1 lets pass. */
static enum proto_status take_chunk_size(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	while (feed->at < feed->chunk->length) {
		uint8_t byte = feed->chunk->data[feed->at];
		int digit = hex_value(byte);

		feed->at++;
		if (++flow->head_bytes > HTTP1_CHUNK_LINE_MAX)
			return PROTO_MALFORMED;
		if (digit >= 0) {
			if (flow->left > INT64_MAX >> 4)
				return PROTO_MALFORMED;
			flow->left = flow->left << 4 | (uint64_t)digit;
			flow->line_has_bytes = true;
			continue;
		}
		if (!flow->line_has_bytes)
			return PROTO_MALFORMED;
		flow->phase = byte == '\r' ? PHASE_CHUNK_LF : PHASE_CHUNK_EXTENSION;
		return byte == '\r' || byte == ';' || byte == ' ' || byte == '\t' ? PROTO_OK : PROTO_MALFORMED;
	}
	return PROTO_OK;
}

/* chunk-ext, up to the line's CR. */
static enum proto_status take_chunk_extension(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	while (feed->at < feed->chunk->length) {
		uint8_t byte = feed->chunk->data[feed->at++];

		if (byte == '\n' || byte == '\0' || ++flow->head_bytes > HTTP1_CHUNK_LINE_MAX)
			return PROTO_MALFORMED;
		if (byte == '\r') {
			flow->phase = PHASE_CHUNK_LF;
			break;
		}
	}
	return PROTO_OK;
}

/* The CRs and LFs of the framing that are no line's. */
static enum proto_status take_chunk_mark(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	uint8_t byte = feed->chunk->data[feed->at++];

	if (byte != (flow->phase == PHASE_CHUNK_END ? '\r' : '\n'))
		return PROTO_MALFORMED;
	if (flow->phase == PHASE_CHUNK_END)
		flow->phase = PHASE_CHUNK_END_LF;
	else if (flow->phase == PHASE_CHUNK_END_LF)
		begin_chunk_line(flow, PHASE_CHUNK_SIZE);
	else if (flow->left == 0)
		begin_chunk_line(flow, PHASE_TRAILERS);
	else
		begin_length(feed, PHASE_CHUNK_DATA, flow->left);
	return PROTO_OK;
}

/* trailer-section = *( field-line CRLF ), then CRLF: passed over up to the empty line. */
static enum proto_status take_trailers(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	const uint8_t *data = feed->chunk->data;

	while (feed->at < feed->chunk->length) {
		const uint8_t *start = data + feed->at;
		const uint8_t *lf = memchr(start, '\n', feed->chunk->length - feed->at);
		size_t length = lf ? (size_t)(lf - start) : feed->chunk->length - feed->at;
		bool only_cr = length == 0 || (length == 1 && *start == '\r');

		flow->head_bytes += (uint32_t)length + (lf ? 1 : 0);
		if (flow->head_bytes > HTTP1_HEAD_MAX || memchr(start, '\0', length))
			return PROTO_MALFORMED;
		feed->at += length + (lf ? 1 : 0);
		flow->line_has_bytes |= !only_cr;
		if (lf && !flow->line_has_bytes) {
			http1_message_done(feed->state, feed->sink, feed->which, feed->chunk->time_ns);
			break;
		}
		if (lf)
			flow->line_has_bytes = false;
	}
	return PROTO_OK;
}

enum proto_status http1_take_body(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	if (flow->maybe_empty) {
		flow->maybe_empty = false;
		if (http1_detect(feed->chunk->data + feed->at, feed->chunk->length - feed->at) == DETECT_RESPONSE) {
			http1_message_done(feed->state, feed->sink, feed->which, feed->chunk->time_ns);
			return PROTO_OK;
		}
	}
	switch (flow->phase) {
	case PHASE_CHUNK_SIZE:
		return take_chunk_size(feed);
	case PHASE_CHUNK_EXTENSION:
		return take_chunk_extension(feed);
	case PHASE_CHUNK_LF:
	case PHASE_CHUNK_END:
	case PHASE_CHUNK_END_LF:
		return take_chunk_mark(feed);
	case PHASE_TRAILERS:
		return take_trailers(feed);
	default:
		take_content(feed);
		return PROTO_OK;
	}
}

bool http1_skip_gap(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;

	if (flow->phase != PHASE_LENGTH && flow->phase != PHASE_CHUNK_DATA && flow->phase != PHASE_UNTIL_CLOSE)
		return false;
	flow->maybe_empty = false;
	take_content(feed);
	return true;
}
