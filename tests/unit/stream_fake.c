/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake protocol of stream's tests; stream_world.h says how it looks.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "stream_world.h"

#define HEAD 7 /* kind and six digits */
#define OPEN_MAX 64

struct fake_flow {
	char head[HEAD];
	size_t head_length;
	uint64_t left; /* of a body */
	uint64_t body; /* all of it */
	bool in_body;
	bool until_end;
	uint64_t first_ns;
	uint64_t last_ns;
	uint32_t position;
	uint32_t tgid;
};

#define FAKE_BYTES 19000 /* as told: the tests' bounds are about it, and not about the size of an exchange */

struct fake_state {
	struct fake_flow flow[2];
	struct exchange open[OPEN_MAX];
	size_t open_count;
	size_t hog;
	bool ended[2];
};

static enum proto_detect fake_detect(const uint8_t *bytes, size_t length)
{
	if (length && (bytes[0] == 'U' || bytes[0] == 'O'))
		return DETECT_RESPONSE;
	if (length && bytes[0] != 'Q' && bytes[0] != 'R' && bytes[0] != 'H')
		return DETECT_NO;
	if (length < 2)
		return DETECT_MORE;
	if (!isdigit(bytes[1]))
		return DETECT_NO;
	return bytes[0] == 'R' ? DETECT_RESPONSE : DETECT_REQUEST;
}

static void *fake_new(void)
{
	return calloc(1, sizeof(struct fake_state));
}

static void fake_end_exchange(struct fake_state *state, const struct proto_sink *sink, enum exchange_error error,
			      uint64_t time_ns)
{
	struct exchange exchange = state->open[0];

	exchange.error = error;
	exchange.response_last_ns = time_ns;
	state->open_count--;
	memmove(state->open, state->open + 1, state->open_count * sizeof(state->open[0]));
	sink->active(sink->ctx, HTTP_METHOD_GET, -1);
	sink->exchange(sink->ctx, &exchange);
}

static void fake_message_done(struct fake_state *state, const struct proto_sink *sink, enum proto_flow which)
{
	struct fake_flow *flow = &state->flow[which];

	if (which == FLOW_RESPONSE && state->open_count) {
		state->open[0].response_body_bytes = flow->body;
		fake_end_exchange(state, sink, EXCHANGE_COMPLETE, flow->last_ns);
	}
	flow->in_body = false;
	flow->until_end = false;
	flow->head_length = 0;
}

/* A head is whole. */
static enum proto_status fake_head(struct fake_state *state, const struct proto_sink *sink, enum proto_flow which,
				   const struct proto_chunk *chunk)
{
	struct fake_flow *flow = &state->flow[which];
	char digits[HEAD] = { 0 };

	memcpy(digits, flow->head + 1, HEAD - 1);
	flow->body = strtoul(digits, NULL, 10);
	if (flow->head[0] == 'H') {
		state->hog += flow->body;
		flow->body = 0;
	}
	flow->left = flow->body;
	flow->in_body = true;
	if (which == FLOW_REQUEST) {
		if (state->open_count == OPEN_MAX)
			return PROTO_MALFORMED;
		state->open[state->open_count++] = (struct exchange){
			.tgid = flow->tgid,
			.request_first_ns = flow->first_ns,
			.request_position = flow->position,
			.request_body_bytes = flow->body,
		};
		sink->active(sink->ctx, HTTP_METHOD_GET, 1);
	}
	if (flow->left)
		sink->skip_until(sink->ctx, which, chunk->position + (uint32_t)flow->left);
	return PROTO_OK;
}

static enum proto_status fake_begin(struct fake_state *state, enum proto_flow which, const struct proto_chunk *chunk,
				    char kind)
{
	struct fake_flow *flow = &state->flow[which];

	if (!strchr(which == FLOW_REQUEST ? "QH" : "RUO", kind))
		return PROTO_MALFORMED;
	if (which == FLOW_RESPONSE && !state->open_count && !chunk->no_wait)
		return PROTO_WAIT;
	if (kind == 'O')
		return PROTO_OPAQUE;
	flow->first_ns = chunk->time_ns;
	flow->position = chunk->position;
	flow->tgid = chunk->tgid;
	if (kind == 'U') {
		flow->until_end = true;
		flow->in_body = true;
		flow->body = 0;
	}
	return PROTO_OK;
}

static enum proto_status fake_byte(struct fake_state *state, const struct proto_sink *sink, enum proto_flow which,
				   const struct proto_chunk *chunk, uint8_t byte)
{
	struct fake_flow *flow = &state->flow[which];
	enum proto_status status = PROTO_OK;

	if (!flow->head_length) {
		status = fake_begin(state, which, chunk, (char)byte);
		if (status != PROTO_OK || flow->until_end)
			return status;
	} else if (!isdigit(byte)) {
		return PROTO_MALFORMED;
	}
	flow->head[flow->head_length++] = (char)byte;
	if (flow->head_length == HEAD) {
		struct proto_chunk rest = *chunk;

		rest.position++;
		status = fake_head(state, sink, which, &rest);
	}
	return status;
}

static enum proto_status fake_feed(void *context, const struct proto_sink *sink, enum proto_flow which,
				   const struct proto_chunk *chunk, size_t *consumed)
{
	struct fake_state *state = context;
	struct fake_flow *flow = &state->flow[which];
	enum proto_status status = PROTO_OK;

	assert_false(state->ended[which]);
	*consumed = 0;
	while (*consumed < chunk->length && status == PROTO_OK) {
		struct proto_chunk rest = *chunk;

		rest.position += (uint32_t)*consumed;
		if (flow->in_body) {
			uint64_t take = chunk->length - *consumed;

			if (flow->until_end)
				flow->body += take;
			else
				take = take < flow->left ? take : flow->left;
			flow->left -= flow->until_end ? 0 : take;
			*consumed += take;
		} else if (!chunk->data) {
			status = PROTO_LOST;
		} else {
			status = fake_byte(state, sink, which, &rest, chunk->data[*consumed]);
			*consumed += status == PROTO_OK;
		}
		flow->last_ns = chunk->time_ns;
		if (flow->in_body && !flow->until_end && !flow->left)
			fake_message_done(state, sink, which);
	}
	if (status == PROTO_MALFORMED)
		sink->losses->out_of_step[STEP_MALFORMED]++;
	return status;
}

static void fake_end(void *context, const struct proto_sink *sink, enum proto_flow which, uint64_t time_ns)
{
	struct fake_state *state = context;

	(void)time_ns;
	assert_false(state->ended[which]);
	state->ended[which] = true;
	if (state->flow[which].until_end)
		fake_message_done(state, sink, which);
}

static void fake_close(void *context, const struct proto_sink *sink, enum connection_end_reason reason,
		       uint64_t time_ns)
{
	struct fake_state *state = context;

	while (state->open_count)
		fake_end_exchange(state, sink, reason == END_RESET ? EXCHANGE_CONNECTION_RESET : EXCHANGE_NO_RESPONSE,
				  time_ns);
}

static void fake_lost(void *context, const struct proto_sink *sink, enum proto_flow which)
{
	struct fake_state *state = context;

	state->flow[which] = (struct fake_flow){ 0 };
	for (; state->open_count; state->open_count--) {
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
		sink->active(sink->ctx, HTTP_METHOD_GET, -1);
	}
}

static size_t fake_memory(const void *context)
{
	return FAKE_BYTES + ((const struct fake_state *)context)->hog;
}

const struct proto_ops fake_ops = {
	.protocol = PROTOCOL_HTTP1,
	.name = "fake",
	.detect = fake_detect,
	.detect_max = 2,
	.state_new = fake_new,
	.state_free = free,
	.feed = fake_feed,
	.end = fake_end,
	.close = fake_close,
	.lost = fake_lost,
	.memory = fake_memory,
};
