/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values and the aggregates around them. They are counted, not kept: of a reply stays what its command needs to know.
 * Aggregates are followed to a depth of REDIS_DEPTH_MAX; deeper ones are counted together, so that no depth of nesting
 * costs memory. Called by redis_reply.c, which reads the bytes.
 */
#include <string.h>

#include "proto/redis_internal.h"

static void note_status(struct redis_replying *reply, struct text word)
{
	size_t length = word.length < sizeof(reply->status) ? word.length : sizeof(reply->status) - 1;

	memcpy(reply->status, word.data, length);
	reply->status[length] = '\0';
}

/* A value at the level of the answers, or at the first level inside of one. */
void redis_note_value(struct redis_feed *feed, uint8_t type, bool null, uint64_t number, struct text word)
{
	struct redis_replying *reply = &feed->state->reply;

	if (reply->attributes)
		return;
	if (reply->depth == reply->base) {
		reply->type = type;
		reply->null = null;
		reply->number = number;
		reply->code = 0;
		reply->hits = reply->misses = 0;
		reply->words = reply->confirms = 0;
		reply->status[0] = '\0';
		if (type == '+')
			note_status(reply, word);
	} else if (reply->depth == reply->base + 1) {
		reply->hits += !null;
		reply->misses += null;
		if (reply->words < PUSH_VALUES)
			redis_push_value(feed->state, number, word);
	}
}

/* The reply is over. */
enum proto_status redis_finish_reply(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	struct redis_replying *reply = &state->reply;
	enum proto_status status = PROTO_OK;

	if (reply->undecided && !redis_push_decide(feed)) {
		feed->flow->phase = PHASE_DECIDE;
		return PROTO_WAIT;
	}
	feed->flow->phase = PHASE_START;
	if (reply->is_push) {
		if (reply->confirms)
			redis_push_confirmed(state);
	} else if (reply->has_call) {
		status = redis_answered(feed);
	}
	reply->has_call = false;
	return status;
}

/* The array of EXEC is over: it is the answer now, not its last element. */
static void end_elements(struct redis_replying *reply)
{
	reply->base = 0;
	reply->type = '*';
	reply->null = false;
	reply->code = 0;
	reply->confirms = 0;
	reply->status[0] = '\0';
}

/* A value is over, and with it maybe those around it. */
enum proto_status redis_finish_value(struct redis_feed *feed)
{
	struct redis_replying *reply = &feed->state->reply;

	feed->flow->phase = PHASE_HEADER;
	while (reply->depth > 0) {
		uint64_t *left = &reply->levels[reply->depth - 1];
		uint8_t bit = (uint8_t)(1u << (reply->depth - 1));

		if (reply->base == 1 && reply->depth == 1 && !redis_element_answered(feed))
			return PROTO_OK;
		if (*left == REDIS_STREAMED || --*left > 0)
			return PROTO_OK;
		reply->depth--;
		if (reply->depth < reply->base)
			end_elements(reply);
		/* Behind attributes comes the value that they are of. */
		if (reply->attributes & bit) {
			reply->attributes &= (uint8_t)~bit;
			return PROTO_OK;
		}
	}
	return redis_finish_reply(feed);
}

static enum proto_status open_merged(struct redis_feed *feed, uint8_t type, uint64_t values)
{
	uint64_t *left = &feed->state->reply.levels[REDIS_DEPTH_MAX - 1];

	if (*left == REDIS_STREAMED || feed->flow->streamed || *left > UINT64_MAX / 2)
		return PROTO_MALFORMED;
	*left += values;
	if (type != '|')
		return redis_finish_value(feed);
	feed->flow->phase = PHASE_HEADER;
	return PROTO_OK;
}

enum proto_status redis_open_aggregate(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	struct redis_replying *reply = &feed->state->reply;
	uint64_t values = flow->number << (flow->type == '%' || flow->type == '|');

	if (flow->negative || flow->number > REDIS_COUNT_MAX)
		return PROTO_MALFORMED;
	if (flow->type != '|')
		redis_note_value(feed, flow->type, false, flow->number, (struct text){ "", 0 });
	if (reply->depth == REDIS_DEPTH_MAX)
		return open_merged(feed, flow->type, values);
	if (values == 0 && !flow->streamed) {
		if (flow->type != '|')
			return redis_finish_value(feed);
		flow->phase = PHASE_HEADER;
		return PROTO_OK;
	}
	if (reply->depth == 0 && redis_answers_queue(feed->state, values) && redis_queue_mutes(feed->state))
		return PROTO_LOST;
	if (flow->type == '|')
		reply->attributes |= (uint8_t)(1u << reply->depth);
	else if (reply->depth == 0 && flow->type == '*' && redis_answers_queue(feed->state, values))
		reply->base = 1;
	reply->levels[reply->depth++] = flow->streamed ? REDIS_STREAMED : values;
	flow->phase = PHASE_HEADER;
	return PROTO_OK;
}

/* A streamed aggregate ends. */
enum proto_status redis_end_streamed(struct redis_feed *feed, struct text word)
{
	struct redis_replying *reply = &feed->state->reply;

	if (word.length > 0 || reply->depth == 0 || reply->levels[reply->depth - 1] != REDIS_STREAMED)
		return PROTO_MALFORMED;
	/* It was not counted: its end stands for a last value. */
	reply->levels[reply->depth - 1] = 1;
	return redis_finish_value(feed);
}
