/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which command does a reply answer? In step: the first open one, unless the reply was on its way before that command
 * was: then it was not asked for ("-ERR max number of clients reached").
 *
 * After a loss, and on a connection that is older than the agent, nobody can count (adrift). Commands before a loss of
 * commands stay in step: the last of them has CALL_LOSS_BEHIND. What is left: a reply begins where the replies stood
 * when its command was sent, if no other command was open then (the kernel tells, for each direction, how far the OTHER
 * one had come). So while adrift a reply is paired with the first command that was sent at that very place, if
 *  - this connection was never seen to send commands between the replies to others, and was seen to send some behind
 *    all replies several times (BURSTS_TRUSTED): then at the begin of each batch none is open, and
 *  - no command was lost that was sent at that place too (`anchored`): some reply was read between the lost ones and
 *    this one. Of a call that was told in part it is known where it was sent; of others the first command that is seen
 *    behind them tells that they were sent there or before.
 * Until then each reply takes the oldest command that moved before it with it, and both are counted as one that is
 * lost; so what is counted is the larger of commands and replies, each time that the flows come together again. That is
 * all of them where the bytes of one flow were all seen. Else there may be some that left no trace: at most as many as
 * the smaller of what was lost of both has room for (unseen_exchanges_max).
 * Values of an aggregate with a hole in it are no replies: redis_pass.c.
 * Not seen is a client that mixes commands and replies only inside of the gap, or only before the agent's time. Where
 * positions are not known (unix sockets) the order in which both flows are told stands for them.
 */
#include "proto/redis_internal.h"

#define BURSTS_TRUSTED 2
/* The shortest of each: "*1 $1 x" with its line ends, "x" and LF inline; ":0", and "_" in RESP3, with CR LF. */
#define COMMAND_BYTES_MIN 11
#define INLINE_BYTES_MIN 2
#define REPLY_BYTES_MIN 4
#define REPLY3_BYTES_MIN 3

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
	bool loss_behind = redis_first_call(&state->ring)->flags & CALL_LOSS_BEHIND;

	redis_ring_pop(&state->ring);
	if (loss_behind) {
		state->adrift = true;
		forget(state, sink);
	}
}

void redis_give_up_first(struct redis_state *state, const struct proto_sink *sink)
{
	/* One that came late: its reply was counted already. */
	if (state->alone > 0 && before(redis_first_call(&state->ring)->position, state->alone_peer))
		state->alone--;
	else
		sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	redis_close_first(state, sink);
	redis_tell_silent(state, sink);
}

/* Between MULTI and EXEC nothing is executed, CLIENT REPLY neither. True: the command is one of those between. */
static bool is_queued(struct redis_state *state)
{
	uint8_t kind = state->reading.kind;

	if (kind == KIND_EXEC || kind == KIND_DISCARD || kind == KIND_RESET)
		state->multi_sent = false;
	else if (kind == KIND_MULTI)
		state->multi_sent = true;
	return state->multi_sent && kind != KIND_MULTI;
}

/* True: the command gets no answer. */
static bool take_silence(struct redis_state *state, bool queued)
{
	uint8_t was = state->silence;

	if (queued && was != SILENCE_NEXT)
		return was == SILENCE_ALL;
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

/* The first command behind lost ones: where were these sent, at the latest? */
static void end_of_loss(struct redis_state *state, uint32_t sent_at)
{
	uint32_t lost_at = state->lost_peer != 0 ? state->lost_peer : sent_at;

	if (!state->drift_later || before(state->drift_peer, lost_at))
		state->drift_peer = lost_at;
	state->drift_open = false;
	state->drift_later = true;
}

static bool is_anchored(struct redis_state *state, uint32_t sent_at)
{
	if (state->drift_open)
		end_of_loss(state, sent_at);
	if (state->drift_later && before(state->drift_peer, sent_at))
		state->drift_later = false;
	return !state->drift_later;
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
		.unseen = state->unseen[FLOW_REQUEST],
	};

	bool queued = is_queued(state);

	if (queued)
		call.silence = reading->silence;
	if (take_silence(state, queued))
		call.flags |= CALL_SILENT;
	batch.anchored = is_anchored(state, batch.peer_position);
	int error = redis_ring_push(&state->ring, &call, &batch);
	if (error)
		return error;
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

static void count_alone(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	feed->sink->losses->out_of_step[STEP_RESPONSE_ALONE]++;
	if (none_on_the_way(feed) || feed->flow->peer_position == 0)
		return;
	state->alone++;
	state->alone_peer = feed->flow->peer_position;
}

static bool wait_or_alone(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	if (redis_may_wait(feed))
		return false;
	count_alone(feed);
	/* Its command may still come: it must not be taken for an open one then. */
	if (!none_on_the_way(feed) && !state->adrift) {
		state->adrift = state->drift_open = true;
		state->lost_peer = 0;
		forget(state, feed->sink);
	}
	return true;
}

bool redis_waits_for_replies(const struct redis_state *state)
{
	return !state->interleaved && state->bursts >= BURSTS_TRUSTED;
}

/* The first open command moved before the reply at hand. */
static bool first_moved_before(const struct redis_feed *feed)
{
	const struct redis_call *call = redis_first_call(&feed->state->ring);

	return feed->flow->peer_position == 0 || before(call->position, feed->flow->peer_position);
}

bool redis_may_answer(const struct redis_feed *feed)
{
	return feed->state->ring.call_count > 0 && first_moved_before(feed);
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

const struct redis_batch *redis_sent_at(const struct redis_state *state, uint32_t position)
{
	const struct redis_ring *ring = &state->ring;

	if (state->interleaved)
		return NULL;
	for (uint32_t i = 0; i < ring->batch_count; i++) {
		const struct redis_batch *batch = &ring->batches[(ring->batch_head + i) & (ring->batch_size - 1)];

		if (batch->peer_position == position)
			return batch->anchored ? batch : NULL;
	}
	return NULL;
}

/* The reply at hand, and the oldest command that moved before it: one exchange that is lost. */
static bool count_as_lost(struct redis_feed *feed)
{
	if (redis_may_answer(feed))
		redis_give_up_first(feed->state, feed->sink);
	else
		count_alone(feed);
	return true;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void redis_pair_account(struct redis_state *state, const struct proto_sink *sink, uint32_t unseen_commands)
{
	uint32_t commands = unseen_commands - state->accounted;
	uint32_t replies = state->unseen[FLOW_RESPONSE];
	uint32_t unseen = smaller(commands / (state->inlined ? INLINE_BYTES_MIN : COMMAND_BYTES_MIN),
				  replies / (state->resp3 ? REPLY3_BYTES_MIN : REPLY_BYTES_MIN));

	state->accounted = unseen_commands;
	state->unseen[FLOW_RESPONSE] = 0;
	if (!unseen)
		return;
	sink->losses->unseen_exchanges_max += unseen;
	sink->losses->unseen_request_bytes += commands;
	sink->losses->unseen_response_bytes += replies;
	sink->losses->unseen_connections += !state->both_lost;
	state->both_lost = true;
}

/* From here on, and up to the next loss, each reply answers the first command. */
static void come_together(struct redis_feed *feed, const struct redis_batch *batch)
{
	struct redis_state *state = feed->state;

	redis_pair_account(state, feed->sink, batch->unseen);
	while (state->ring.call_count > 0 && redis_first_batch(&state->ring)->peer_position != feed->flow->position)
		redis_give_up_first(state, feed->sink);
	/* It was one that gets no answers. */
	if (state->ring.call_count == 0) {
		count_alone(feed);
		return;
	}
	state->adrift = state->torn = false;
	state->alone = 0;
	pair_in_step(feed);
}

static bool pair_adrift(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	const struct redis_batch *certain;

	if (feed->flow->peer_position != 0 && redis_may_wait(feed))
		return false;
	certain = redis_sent_at(state, feed->flow->position);
	if (!certain)
		return count_as_lost(feed);
	if (state->bursts < BURSTS_TRUSTED) {
		note_burst(state, feed->flow->position);
		return count_as_lost(feed);
	}
	come_together(feed, certain);
	return true;
}

bool redis_pair(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;

	state->reply.has_call = false;
	if (state->adrift)
		return pair_adrift(feed);
	if (state->ring.call_count == 0)
		return wait_or_alone(feed);
	pair_in_step(feed);
	return true;
}

static void requests_lost(struct redis_state *state, const struct proto_sink *sink)
{
	struct redis_ring *ring = &state->ring;

	/* Of two losses with nothing seen between them only the later one's place is known. */
	if (state->drift_open)
		state->lost_peer = 0;
	state->drift_open = true;
	state->silence = SILENCE_NONE;
	state->multi_sent = false;
	if (ring->call_count > 0) {
		ring->calls[(ring->call_head + ring->call_count - 1) & (ring->call_size - 1)].flags |= CALL_LOSS_BEHIND;
	} else {
		state->adrift = true;
		forget(state, sink);
	}
}

/* An open command may change the database, or what is subscribed. */
static bool changes_session(const struct redis_state *state)
{
	const struct redis_ring *ring = &state->ring;

	for (uint32_t i = 0; i < ring->call_count; i++) {
		const struct redis_call *call = &ring->calls[(ring->call_head + i) & (ring->call_size - 1)];
		uint8_t kind = redis_command_of(call)->kind;

		if (kind == KIND_SELECT || kind == KIND_RESET || kind == KIND_EXEC || redis_kind_subscribes(kind))
			return true;
	}
	return false;
}

static void responses_lost(struct redis_state *state, const struct proto_sink *sink)
{
	bool known = !state->adrift && !changes_session(state) && state->queued_count == 0;
	bool unsure = state->subscriptions_unsure;
	int32_t database = state->database;

	if (state->reply.has_call)
		redis_give_up_first(state, sink);
	state->adrift = true;
	state->torn = state->torn || state->reply.depth > 0;
	forget(state, sink);
	if (!known)
		return;
	state->database = database;
	state->subscriptions_unsure = unsure;
}

void redis_pair_passed(struct redis_state *state, enum proto_flow which, uint32_t length, uint32_t peer_position)
{
	state->unseen[which] += length;
	if (which == FLOW_RESPONSE || state->lost_peer == 0)
		return;
	if (peer_position == 0 || before(state->lost_peer, peer_position))
		state->lost_peer = peer_position;
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
