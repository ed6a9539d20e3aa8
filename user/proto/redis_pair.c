/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which command does a reply answer? In step: the first open one, unless the reply was on its way before that command
 * was: then it was not asked for ("-ERR max number of clients reached").
 *
 * After a loss, and on a connection that is older than the agent, nobody can count. What is left: a reply begins where
 * the replies stood when its command was sent, if no other command was open then (the kernel tells, for each direction,
 * how far the OTHER one had come). So while adrift a reply is paired with the first command that was sent at that very
 * place, if
 *  - this connection was never seen to send commands between the replies to others, and was seen to send some behind
 *    all replies several times (BURSTS_TRUSTED): then at the begin of each batch none is open, and
 *  - after a loss of commands, some reply was read between the lost ones and this one.
 * Until then each reply takes the oldest command that moved before it with it, and both are counted as one that is
 * lost; so what is counted is the larger of commands and replies. Commands before a loss of commands stay in step
 * (`settled`). Not seen is a client that mixes commands and replies only inside of the gap, or only before the agent's
 * time. Where positions are not known (unix sockets) the order in which both flows are told stands for them.
 */
#include "proto/redis_internal.h"

#define BURSTS_TRUSTED 2

/* a is before b: positions are modulo 2^32. */
static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* What later commands mean may have been said in what was lost. */
static void forget(struct redis_state *state, const struct proto_sink *sink)
{
	state->database = -1;
	state->subscriptions_unsure = true;
	state->in_multi = false;
	redis_drop_queued(state, sink, true);
}

void redis_close_first(struct redis_state *state, const struct proto_sink *sink)
{
	redis_ring_pop(&state->ring);
	if (state->settled > 0 && --state->settled == 0)
		forget(state, sink);
}

void redis_give_up_first(struct redis_state *state, const struct proto_sink *sink)
{
	sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	redis_close_first(state, sink);
	redis_tell_silent(state, sink);
}

/* True: the command gets no answer. */
static bool take_silence(struct redis_state *state)
{
	uint8_t was = state->silence;

	if (state->reading.silence == SILENCE_ON) {
		state->silence = SILENCE_NONE;
		return false;
	}
	if (state->reading.silence != SILENCE_NONE) {
		if (was != SILENCE_ALL)
			state->silence = state->reading.silence;
		return true;
	}
	if (was == SILENCE_NEXT)
		state->silence = SILENCE_NONE;
	return was != SILENCE_NONE;
}

int redis_open(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	const struct redis_reading *reading = &state->reading;
	const struct redis_flow *flow = feed->flow, *replies = &state->flow[FLOW_RESPONSE];
	struct redis_call call = {
		.position = flow->position,
		.operand = reading->operand,
		.command = reading->command,
		.flags = reading->flags,
	};
	struct redis_batch batch = {
		.first_ns = flow->first_ns,
		.last_ns = feed->chunk->time_ns,
		.tgid = flow->tgid,
		.tid = flow->tid,
		.goroutine = flow->goroutine,
		.peer_position = feed->chunk->peer_position ? feed->chunk->peer_position : replies->next,
	};

	if (take_silence(state))
		call.flags |= CALL_SILENT;
	int error = redis_ring_push(&state->ring, &call, &batch);
	if (error)
		return error;
	if (state->drift_open) {
		state->drift_open = false;
		state->drift_later = true;
		state->drift_peer = batch.peer_position;
	}
	if (state->ring.call_count == 1)
		redis_tell_begin(state, feed->sink);
	if (call.flags & CALL_SILENT)
		redis_tell_silent(state, feed->sink);
	return 0;
}

/* No byte of a command moved before the reply at hand that was not fed yet. */
static bool none_on_the_way(const struct redis_feed *feed)
{
	const struct redis_flow *requests = &feed->state->flow[FLOW_REQUEST];

	return feed->flow->peer_position != 0 && requests->fed && !before(requests->next, feed->flow->peer_position);
}

bool redis_may_wait(const struct redis_feed *feed)
{
	const struct redis_flow *requests = &feed->state->flow[FLOW_REQUEST];

	return !none_on_the_way(feed) && !feed->chunk->no_wait && !requests->ended && requests->phase != PHASE_DEAD;
}

static bool wait_or_alone(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	if (redis_may_wait(feed))
		return false;
	feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
	/* Its command may still come: it must not be taken for an open one then. */
	if (!none_on_the_way(feed) && !state->adrift) {
		state->adrift = state->drift_open = true;
		state->settled = 0;
		forget(state, feed->sink);
	}
	return true;
}

/* The first open command moved before the reply at hand. */
static bool first_moved_before(const struct redis_feed *feed)
{
	const struct redis_call *call = redis_first_call(&feed->state->ring);

	return feed->flow->peer_position == 0 || before(call->position, feed->flow->peer_position);
}

static void note_burst(struct redis_state *state, uint32_t sent_at)
{
	state->burst_peer = sent_at;
	if (state->bursts < BURSTS_TRUSTED)
		state->bursts++;
}

/* Where a client has read all replies before it sends the next commands, the reply to the first of them begins where it
 * had come to; those that it sends without having read anything were sent at the same place. */
static void look_for_interleaving(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	uint32_t sent_at = redis_first_batch(&state->ring)->peer_position;

	if (!(redis_first_call(&state->ring)->flags & CALL_FIRST))
		return;
	if (sent_at == feed->flow->position)
		note_burst(state, sent_at);
	else if (sent_at != state->burst_peer)
		state->interleaved = true;
}

static void pair_in_step(struct redis_feed *feed)
{
	if (!first_moved_before(feed)) {
		feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
		return;
	}
	feed->state->reply.has_call = true;
	look_for_interleaving(feed);
}

/* Is there a batch whose first command the reply surely answers? */
static bool find_certain(const struct redis_feed *feed)
{
	const struct redis_state *state = feed->state;
	const struct redis_ring *ring = &state->ring;

	if (state->interleaved || state->drift_open)
		return false;
	for (uint32_t i = 0; i < ring->batch_count; i++) {
		const struct redis_batch *batch = &ring->batches[(ring->batch_head + i) & (ring->batch_size - 1)];

		if (batch->peer_position == feed->flow->position)
			return !state->drift_later || before(state->drift_peer, batch->peer_position);
	}
	return false;
}

/* The reply at hand, and the oldest command that moved before it: one exchange that is lost. */
static bool count_as_lost(struct redis_feed *feed)
{
	if (feed->state->ring.call_count > 0 && first_moved_before(feed))
		redis_give_up_first(feed->state, feed->sink);
	else
		feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
	return true;
}

static bool pair_adrift(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	if (feed->flow->peer_position != 0 && redis_may_wait(feed))
		return false;
	if (find_certain(feed)) {
		if (state->bursts < BURSTS_TRUSTED) {
			note_burst(state, feed->flow->position);
			return count_as_lost(feed);
		}
		while (redis_first_batch(&state->ring)->peer_position != feed->flow->position)
			redis_give_up_first(state, feed->sink);
		state->adrift = state->drift_later = false;
		pair_in_step(feed);
		return true;
	}
	return count_as_lost(feed);
}

bool redis_pair(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	state->reply.has_call = false;
	if (state->adrift && state->settled == 0)
		return pair_adrift(feed);
	if (state->ring.call_count == 0)
		return wait_or_alone(feed);
	pair_in_step(feed);
	return true;
}

static void requests_lost(struct redis_state *state, const struct proto_sink *sink)
{
	if (!state->adrift)
		state->settled = state->ring.call_count;
	state->adrift = state->drift_open = true;
	state->silence = SILENCE_NONE;
	if (state->settled == 0)
		forget(state, sink);
}

static bool changes_database(const struct redis_state *state)
{
	const struct redis_ring *ring = &state->ring;

	for (uint32_t i = 0; i < ring->call_count; i++) {
		const struct redis_call *call = &ring->calls[(ring->call_head + i) & (ring->call_size - 1)];
		uint8_t kind = redis_command_of(call)->kind;

		if (kind == KIND_SELECT || kind == KIND_RESET || kind == KIND_EXEC)
			return true;
	}
	return false;
}

static void responses_lost(struct redis_state *state, const struct proto_sink *sink)
{
	bool known = !state->adrift && !changes_database(state) && state->queued_count == 0;
	int32_t database = state->database;

	if (state->reply.has_call)
		redis_give_up_first(state, sink);
	state->adrift = true;
	state->settled = 0;
	forget(state, sink);
	if (known)
		state->database = database;
}

void redis_pair_lost(struct redis_state *state, const struct proto_sink *sink, enum proto_flow which)
{
	if (which == FLOW_REQUEST)
		requests_lost(state, sink);
	else
		responses_lost(state, sink);
	if (which == FLOW_RESPONSE)
		state->reply = (struct redis_replying){ 0 };
}
