/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis by its serialization protocol, RESP2 and RESP3: the operations of the protocol contract. Bytes of both flows
 * come in here and go to commands (redis_request.c) and values (redis_reply.c); what is common to both framings is in
 * redis_frame.c. Malformed bytes are never guessed at: the flow ends there.
 */
#include "proto/redis_internal.h"

static void *redis_state_new(void)
{
	struct redis_state *state = calloc(1, sizeof(*state));

	if (state)
		redis_ring_init(&state->ring);
	return state;
}

static void redis_state_free(void *opaque)
{
	struct redis_state *state = opaque;

	if (!state)
		return;
	redis_ring_free(&state->ring);
	free(state->queued);
	free(state);
}

/* What the connection had agreed on, and what is on its way, is not known. */
static void redis_joined(void *opaque)
{
	struct redis_state *state = opaque;

	state->database = -1;
	state->subscriptions_unsure = true;
	state->adrift = state->drift_open = true;
}

/* What was not captured may be passed over inside of a string whose length is known, and nowhere else. */
static bool needs_bytes(const struct redis_flow *flow)
{
	return flow->phase != PHASE_DECIDE && flow->phase != PHASE_PASS &&
	       (flow->phase != PHASE_BULK || flow->word_wanted);
}

/* All sound commands are answered, and what comes next answers one that was not. */
static bool no_exchange_to_come(const struct redis_feed *feed)
{
	return feed->which == FLOW_RESPONSE && feed->flow->phase == PHASE_START && feed->state->ring.call_count == 0 &&
	       feed->state->flow[FLOW_REQUEST].phase == PHASE_DEAD;
}

/* A message of which bytes are missing is not seen, with those of it that were there. */
static void note_lost(const struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	const struct proto_chunk *chunk = feed->chunk;
	uint32_t from = feed->flow->phase == PHASE_START ? chunk->position + (uint32_t)feed->at : feed->flow->position;
	uint32_t end = chunk->position + (uint32_t)(chunk->data ? feed->at : chunk->length);

	state->unseen[feed->which] += end - from;
	if (feed->which == FLOW_RESPONSE)
		return;
	state->lost_peer = chunk->data || chunk->missing ? 0 : chunk->peer_position;
}

static enum proto_status redis_feed_flow(void *opaque, const struct proto_sink *sink, enum proto_flow which,
					 const struct proto_chunk *chunk, size_t *consumed)
{
	struct redis_state *state = opaque;
	struct redis_feed feed = { state, sink, chunk, &state->flow[which], which, state->flow[which].held };
	enum proto_status status = PROTO_OK;

	*consumed = 0;
	feed.flow->held = false;
	if (state->opaque)
		return PROTO_OPAQUE;
	if (feed.flow->phase == PHASE_DEAD || state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return PROTO_MALFORMED;
	while (status == PROTO_OK && (feed.at < chunk->length || feed.flow->phase == PHASE_DECIDE)) {
		if (feed.flow->phase == PHASE_LOST || (!chunk->data && needs_bytes(feed.flow)))
			status = PROTO_LOST;
		else if (no_exchange_to_come(&feed))
			status = PROTO_MALFORMED;
		else
			status = which == FLOW_REQUEST ? redis_take_request(&feed) : redis_take_reply(&feed);
	}
	if (status == PROTO_LOST && !chunk->data && which == FLOW_RESPONSE && feed.flow->phase != PHASE_PASS &&
	    redis_pass_begin(&feed))
		status = PROTO_OK;
	/* Who waits must leave a byte, to be offered again. */
	if (status == PROTO_WAIT && feed.at == chunk->length) {
		feed.flow->held = true;
		feed.at--;
	}
	*consumed = feed.at;
	feed.flow->next = chunk->position + (uint32_t)(status == PROTO_LOST && !chunk->data ? chunk->length : feed.at);
	feed.flow->fed = true;
	if (status == PROTO_LOST)
		note_lost(&feed);
	if (status == PROTO_MALFORMED) {
		if (!no_exchange_to_come(&feed))
			sink->losses->out_of_step[STEP_MALFORMED]++;
		feed.flow->phase = PHASE_DEAD;
	}
	if (status == PROTO_OPAQUE)
		state->opaque = true;
	return status;
}

static void redis_end(void *opaque, const struct proto_sink *sink, enum proto_flow which, uint64_t time_ns)
{
	struct redis_state *state = opaque;

	(void)sink;
	(void)time_ns;
	state->flow[which].ended = true;
}

static enum exchange_error error_of(const struct redis_call *call, bool responding, enum connection_end_reason reason)
{
	if (reason == END_RESET)
		return EXCHANGE_CONNECTION_RESET;
	if (reason == END_TIMEOUT)
		return EXCHANGE_TIMEOUT;
	if (redis_command_of(call)->kind == KIND_SHUTDOWN)
		return EXCHANGE_COMPLETE;
	return responding ? EXCHANGE_RESPONSE_ABORTED : EXCHANGE_NO_RESPONSE;
}

/* A command that was not whole. */
static void close_reading(struct redis_state *state, const struct proto_sink *sink, enum connection_end_reason reason,
			  uint64_t time_ns)
{
	const struct redis_flow *flow = &state->flow[FLOW_REQUEST];
	struct exchange exchange = {
		.protocol = PROTOCOL_REDIS,
		.error = reason == END_RESET   ? EXCHANGE_CONNECTION_RESET :
			 reason == END_TIMEOUT ? EXCHANGE_TIMEOUT :
						 EXCHANGE_REQUEST_ABORTED,
		.tgid = flow->tgid,
		.tid = flow->tid,
		.goroutine = flow->goroutine,
		.request_first_ns = flow->first_ns,
		.response_last_ns = time_ns,
		.request_position = flow->position,
	};
	const struct redis_command *command = &redis_commands[state->reading.command];

	if (flow->phase == PHASE_START || flow->phase == PHASE_DEAD || flow->phase == PHASE_LOST)
		return;
	exchange.db.operation = (struct text){ command->name, command->length };
	sink->exchange(sink->ctx, &exchange);
}

static void close_first(struct redis_state *state, const struct proto_sink *sink, enum connection_end_reason reason,
			uint64_t time_ns, bool responding)
{
	const struct redis_call *call = redis_first_call(&state->ring);
	bool answered = responding || call->flags & CALL_PARTIAL;
	enum exchange_error error = error_of(call, answered, reason);

	if (state->adrift && !answered) {
		redis_give_up_first(state, sink);
		return;
	}
	if (redis_command_of(call)->kind == KIND_EXEC)
		redis_tell_queue_aborted(state, sink, error, time_ns);
	redis_tell_aborted(state, sink, error, time_ns, responding);
}

static void redis_close(void *opaque, const struct proto_sink *sink, enum connection_end_reason reason,
			uint64_t time_ns)
{
	struct redis_state *state = opaque;
	bool responding = state->reply.has_call && state->flow[FLOW_RESPONSE].phase != PHASE_START;

	redis_pair_account(state, sink, state->unseen[FLOW_REQUEST]);
	/* Nobody knows whether all of it was there. */
	if (responding && state->flow[FLOW_RESPONSE].phase == PHASE_PASS) {
		redis_give_up_first(state, sink);
		responding = false;
	}
	while (state->ring.call_count > 0) {
		close_first(state, sink, reason, time_ns, responding);
		redis_tell_silent(state, sink);
		responding = false;
	}
	redis_drop_queued(state, sink, false);
	close_reading(state, sink, reason, time_ns);
	state->reply.has_call = false;
	state->flow[FLOW_REQUEST].phase = state->flow[FLOW_RESPONSE].phase = PHASE_START;
}

static void redis_lost(void *opaque, const struct proto_sink *sink, enum proto_flow which)
{
	struct redis_state *state = opaque;

	if (state->opaque || state->flow[which].phase == PHASE_DEAD || state->flow[FLOW_RESPONSE].phase == PHASE_DEAD)
		return;
	redis_pair_lost(state, sink, which);
	state->flow[which].phase = PHASE_START;
	state->flow[which].held = false;
}

static void redis_passed(void *opaque, enum proto_flow which, uint32_t length, uint32_t peer_position)
{
	redis_pair_passed(opaque, which, length, peer_position);
}

static size_t redis_memory(const void *opaque)
{
	const struct redis_state *state = opaque;

	return sizeof(*state) + redis_ring_memory(&state->ring) + state->queued_size * sizeof(*state->queued);
}

const struct proto_ops redis_ops = {
	.protocol = PROTOCOL_REDIS,
	.name = "redis",
	.detect = redis_detect,
	.detect_max = REDIS_DETECT_MAX,
	.state_new = redis_state_new,
	.state_free = redis_state_free,
	.joined = redis_joined,
	.feed = redis_feed_flow,
	.end = redis_end,
	.close = redis_close,
	.lost = redis_lost,
	.memory = redis_memory,
	.passed = redis_passed,
};
