/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply means to its command: outcome, cache lookups, and what changes for the commands behind it. A command
 * that MULTI queued is no call yet: it is kept, and becomes one with its element of EXEC's reply; its time is EXEC's.
 * If it is not executed (DISCARD, a watched key, an error before), it was none: INFO commandstats says the same.
 */
#include <stdio.h>
#include <string.h>

#include "proto/redis_internal.h"

#define QUEUE_FIRST_SIZE 16

static bool is_error(uint8_t type)
{
	return type == '-' || type == '!';
}

static bool is_status(const struct redis_replying *reply, const char *status)
{
	return reply->type == '+' && !strncmp(reply->status, status, sizeof(reply->status));
}

/* Of each thing that was looked up, whether it was there. A call that failed looked nothing up. */
static void count_lookups(const struct redis_call *call, const struct redis_replying *reply, struct db_facts *db)
{
	uint32_t found;

	switch (redis_command_of(call)->kind) {
	case KIND_SET:
		if (!(call->flags & CALL_LOOKUP) || (reply->type == '+' && !reply->null))
			return;
		break;
	case KIND_VALUE:
		break;
	case KIND_EACH:
		if (reply->type != '*')
			return;
		db->hits = reply->hits;
		db->misses = reply->misses;
		return;
	case KIND_COUNT:
		if (reply->type != ':')
			return;
		found = reply->number < call->operand ? (uint32_t)reply->number : call->operand;
		db->hits = found;
		db->misses = call->operand - found;
		return;
	case KIND_ALL:
		if (reply->type != '*' && reply->type != '%')
			return;
		/* A streamed one does not begin with its count. */
		db->hits = reply->number > 0 || reply->hits > 0;
		db->misses = !db->hits;
		return;
	default:
		return;
	}
	db->hits = !reply->null;
	db->misses = reply->null;
}

static struct text database_text(int32_t database, char text[12])
{
	size_t length = 0;

	if (database < 0)
		return (struct text){ "", 0 };
	if (database < 10) {
		text[length++] = (char)('0' + database);
		return (struct text){ text, length };
	}
	return (struct text){ text, (size_t)snprintf(text, 12, "%d", database) };
}

/* Threads that send and receive at once may tell a reply before its command: times are those of returning calls. */
static void order_times(struct exchange *exchange)
{
	uint64_t *first = &exchange->response_first_ns;

	if (*first != 0 && *first < exchange->request_first_ns)
		*first = exchange->request_first_ns;
	if (exchange->response_last_ns != 0 && exchange->response_last_ns < *first)
		exchange->response_last_ns = *first;
	if (exchange->response_last_ns != 0 && exchange->response_last_ns < exchange->request_first_ns)
		exchange->response_last_ns = exchange->request_first_ns;
}

/* Tells a call. `exchange` has its outcome and the moments of its reply. */
static void tell(const struct redis_state *state, const struct proto_sink *sink, const struct redis_call *call,
		 const struct redis_batch *batch, struct exchange *exchange)
{
	const struct redis_command *command = redis_command_of(call);
	char database[12];

	exchange->protocol = PROTOCOL_REDIS;
	exchange->tgid = batch->tgid;
	exchange->tid = batch->tid;
	exchange->goroutine = batch->goroutine;
	exchange->request_first_ns = batch->first_ns;
	exchange->request_last_ns = batch->last_ns;
	exchange->request_position = call->position;
	exchange->db.operation = (struct text){ command->name, command->length };
	exchange->db.name_space = database_text(state->database, database);
	exchange->db.blocking = call->flags & CALL_BLOCKING;
	order_times(exchange);
	sink->exchange(sink->ctx, exchange);
}

void redis_tell_begin(struct redis_state *state, const struct proto_sink *sink)
{
	const struct redis_batch *batch = redis_first_batch(&state->ring);
	struct exchange exchange = {
		.protocol = PROTOCOL_REDIS,
		.tgid = batch->tgid,
		.tid = batch->tid,
		.goroutine = batch->goroutine,
		.request_first_ns = batch->first_ns,
		.request_last_ns = batch->last_ns,
		.request_position = redis_first_call(&state->ring)->position,
		.request_peer_position = batch->peer_position,
	};

	if (sink->begin)
		sink->begin(sink->ctx, &exchange);
}

/* Tells a call that has its answer. */
static void tell_answered(struct redis_feed *feed, const struct redis_call *call)
{
	struct redis_state *state = feed->state;
	const struct redis_replying *reply = &state->reply;
	bool partial = call->flags & CALL_PARTIAL;
	struct exchange exchange = {
		.response_first_ns = partial ? state->partial_ns : feed->flow->first_ns,
		.response_last_ns = feed->chunk->time_ns,
		.response_position = partial ? state->partial_position : feed->flow->position,
	};

	if (is_error(reply->type)) {
		exchange.db.failed = true;
		exchange.db.status = redis_code_text(reply->code);
	} else {
		count_lookups(call, reply, &exchange.db);
	}
	tell(state, feed->sink, call, redis_first_batch(&state->ring), &exchange);
}

void redis_tell_aborted(struct redis_state *state, const struct proto_sink *sink, enum exchange_error error,
			uint64_t end_ns, bool responding)
{
	const struct redis_flow *flow = &state->flow[FLOW_RESPONSE];
	const struct redis_call call = *redis_first_call(&state->ring);
	struct exchange exchange = { .error = error, .response_last_ns = end_ns };

	if (call.flags & CALL_PARTIAL) {
		exchange.response_first_ns = state->partial_ns;
		exchange.response_position = state->partial_position;
	} else if (responding) {
		exchange.response_first_ns = flow->first_ns;
		exchange.response_position = flow->position;
	}
	tell(state, sink, &call, redis_first_batch(&state->ring), &exchange);
	redis_close_first(state, sink);
}

void redis_tell_queue_aborted(struct redis_state *state, const struct proto_sink *sink, enum exchange_error error,
			      uint64_t end_ns)
{
	for (; state->queued_told < state->queued_count; state->queued_told++) {
		struct exchange exchange = { .error = error, .response_last_ns = end_ns };

		tell(state, sink, &state->queued[state->queued_told], redis_first_batch(&state->ring), &exchange);
	}
}

void redis_tell_silent(struct redis_state *state, const struct proto_sink *sink)
{
	while (state->ring.call_count > 0 && redis_first_call(&state->ring)->flags & CALL_SILENT) {
		struct exchange exchange = { 0 };

		tell(state, sink, redis_first_call(&state->ring), redis_first_batch(&state->ring), &exchange);
		redis_close_first(state, sink);
	}
}

static void reset_session(struct redis_state *state, const struct proto_sink *sink)
{
	state->database = 0;
	state->channels = state->patterns = state->shards = 0;
	state->subscriptions_unsure = state->in_multi = state->monitor = state->resp3 = false;
	redis_drop_queued(state, sink, false);
}

/* Where there are subscriptions RESP2 allows no command but those that are answered by arrays, QUIT and RESET. */
static void learn_subscriptions(struct redis_state *state, const struct redis_call *call)
{
	uint8_t kind = redis_command_of(call)->kind, type = state->reply.type;

	if (!state->subscriptions_unsure || redis_kind_subscribes(kind) || type == '*' || is_error(type))
		return;
	state->subscriptions_unsure = false;
	if (!state->resp3)
		state->channels = state->patterns = state->shards = 0;
}

/* What the answer changes for the commands behind it. */
static void take_effect(struct redis_state *state, const struct proto_sink *sink, const struct redis_call *call)
{
	const struct redis_replying *reply = &state->reply;

	if (is_error(reply->type) && redis_command_of(call)->kind != KIND_EXEC)
		return;
	switch (redis_command_of(call)->kind) {
	case KIND_SELECT:
		if (is_status(reply, "OK"))
			state->database = call->operand <= INT32_MAX ? (int32_t)call->operand : -1;
		break;
	case KIND_HELLO:
		state->resp3 = reply->type == '%';
		break;
	case KIND_MULTI:
		state->in_multi = true;
		redis_drop_queued(state, sink, true);
		break;
	case KIND_EXEC:
		/* Of an array whose length is not that of the queue nobody knows which element is whose. */
		redis_drop_queued(state, sink, !reply->null && !is_error(reply->type));
		state->in_multi = false;
		break;
	case KIND_DISCARD:
		redis_drop_queued(state, sink, false);
		state->in_multi = false;
		break;
	case KIND_RESET:
		reset_session(state, sink);
		break;
	case KIND_MONITOR:
		state->monitor = true;
		break;
	default:
		break;
	}
}

void redis_drop_queued(struct redis_state *state, const struct proto_sink *sink, bool lost)
{
	if (lost)
		sink->losses->out_of_step[STEP_REQUEST_LOST] += state->queued_count - state->queued_told;
	free(state->queued);
	state->queued = NULL;
	state->queued_count = state->queued_size = state->queued_told = 0;
}

/* Keeps a command up to EXEC. Where there is no memory it is counted, and its EXEC tells of itself alone. */
static void queue(struct redis_state *state, const struct proto_sink *sink, const struct redis_call *call)
{
	state->in_multi = true;
	if (state->queued_count == state->queued_size) {
		uint32_t size = state->queued_size ? 2 * state->queued_size : QUEUE_FIRST_SIZE;
		struct redis_call *queued = NULL;

		if (size <= REDIS_OPEN_MAX)
			queued = malloc(size * sizeof(*queued));
		if (!queued) {
			sink->losses->out_of_step[STEP_PIPELINE_FULL]++;
			sink->losses->out_of_step[STEP_REQUEST_LOST]++;
			return;
		}
		if (state->queued_count > 0)
			memcpy(queued, state->queued, state->queued_count * sizeof(*queued));
		free(state->queued);
		state->queued = queued;
		state->queued_size = size;
	}
	state->queued[state->queued_count++] = *call;
}

bool redis_answers_queue(const struct redis_state *state, uint64_t count)
{
	return state->reply.has_call &&
	       redis_command_of(&state->ring.calls[state->ring.call_head])->kind == KIND_EXEC && count > 0 &&
	       count == state->queued_count;
}

bool redis_queue_mutes(struct redis_state *state)
{
	uint8_t silence = SILENCE_NONE;
	bool mutes = false;

	for (uint32_t i = 0; i < state->queued_count; i++) {
		uint8_t said = state->queued[i].silence;

		if (said == SILENCE_ALL || (said == SILENCE_NEXT && silence == SILENCE_NONE))
			silence = said;
		else if (said == SILENCE_ON)
			silence = SILENCE_NONE;
		mutes = mutes || silence != SILENCE_NONE;
	}
	if (mutes)
		state->silence = silence;
	return mutes;
}

bool redis_element_answered(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	struct redis_call *call, answered;

	/* A loss of commands may have emptied the queue meanwhile. */
	if (state->queued_told >= state->queued_count)
		return true;
	call = &state->queued[state->queued_told];
	if (redis_kind_subscribes(redis_command_of(call)->kind) && state->reply.confirms) {
		redis_push_confirmed(state);
		if (!redis_subscription_answered(state, call))
			return false;
	}
	/* In a transaction nothing waits. */
	call->flags &= (uint8_t)~CALL_BLOCKING;
	answered = *call;
	state->queued_told++;
	if (!feed->flow->tail_missing)
		tell_answered(feed, &answered);
	else
		feed->sink->losses->out_of_step[STEP_REQUEST_LOST]++;
	take_effect(state, feed->sink, &answered);
	return true;
}

/* One of several answers. True: more of them come. */
static bool is_partial(struct redis_feed *feed, struct redis_call *call)
{
	struct redis_state *state = feed->state;

	if (!redis_kind_subscribes(redis_command_of(call)->kind) || !state->reply.confirms)
		return false;
	redis_push_confirmed(state);
	if (redis_subscription_answered(state, call))
		return false;
	if (!(call->flags & CALL_PARTIAL)) {
		state->partial_ns = feed->flow->first_ns;
		state->partial_position = feed->flow->position;
	}
	call->flags |= CALL_PARTIAL;
	return true;
}

enum proto_status redis_answered(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	const struct redis_replying *reply = &state->reply;
	struct redis_call *call = redis_first_call(&state->ring);
	bool opaque = redis_command_of(call)->kind == KIND_SYNC && !is_error(reply->type);

	if (is_partial(feed, call))
		return PROTO_OK;
	if (feed->flow->tail_missing) {
		redis_give_up_first(state, feed->sink);
		return PROTO_OK;
	}
	if (is_status(reply, "QUEUED")) {
		queue(state, feed->sink, call);
	} else {
		struct redis_call answered = *call;

		learn_subscriptions(state, call);
		tell_answered(feed, call);
		take_effect(state, feed->sink, &answered);
	}
	redis_close_first(state, feed->sink);
	redis_tell_silent(state, feed->sink);
	return opaque ? PROTO_OPAQUE : PROTO_OK;
}
