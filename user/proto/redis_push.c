/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nobody asked for, and subscriptions, whose answers look like it. From "Redis Pub/Sub" and the RESP3
 * specification, "Pushes":
 *   RESP3: ">" begins a push: "message", "pmessage", "smessage", "invalidate", ..., and the answers to SUBSCRIBE and
 * the like, one for each channel: kind, channel, subscriptions that there are now. RESP2: the same are arrays, but only
 * where the client has subscriptions; then no command but SUBSCRIBE and the like, PING, QUIT and RESET is allowed.
 * Anywhere else an array that begins with "message" is an ordinary reply. MONITOR: every command of the server as a
 * simple string: "1339518083.107412 [0 127.0.0.1:60866] ...".
 */
#include <string.h>

#include "proto/redis_internal.h"

/* In the order of enum redis_kind. */
static const char confirmations[][16] = {
	"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe",
};

static uint8_t kind_confirmed(struct text word)
{
	if (word.length == 0)
		return 0;
	for (size_t i = 0; i < sizeof(confirmations) / sizeof(confirmations[0]); i++)
		if (word.length == strlen(confirmations[i]) && !memcmp(word.data, confirmations[i], word.length))
			return (uint8_t)(KIND_SUBSCRIBE + i);
	return 0;
}

static bool is_message(struct text word)
{
	const char message[] = "message";
	size_t length = sizeof(message) - 1;

	if (word.length == length + 1 && (word.data[0] == 'p' || word.data[0] == 's'))
		word = (struct text){ word.data + 1, length };
	return word.length == length && !memcmp(word.data, message, length);
}

void redis_push_value(struct redis_state *state, uint64_t number, struct text word)
{
	struct redis_replying *reply = &state->reply;

	if (reply->words == 0) {
		reply->confirms = kind_confirmed(word);
		reply->is_message = is_message(word);
	} else if (reply->words == 2) {
		reply->confirmed = (uint32_t)number;
	}
	reply->words++;
}

static const struct redis_command *first_command(const struct redis_state *state)
{
	return state->ring.call_count > 0 ? redis_command_of(&state->ring.calls[state->ring.call_head]) : NULL;
}

static bool has_subscriptions(const struct redis_state *state)
{
	return state->channels > 0 || state->patterns > 0 || state->shards > 0;
}

bool redis_push_possible(const struct redis_state *state, uint8_t type)
{
	const struct redis_command *first = first_command(state);

	if (type == '>')
		return true;
	if (type == '+')
		return state->monitor;
	if (type != '*' || state->resp3)
		return false;
	return has_subscriptions(state) || state->subscriptions_unsure || (first && redis_kind_subscribes(first->kind));
}

/* "1339518083.107412 [" */
static bool is_monitored(const struct redis_flow *flow)
{
	uint8_t i = 0;

	while (i < flow->word_length && flow->word[i] >= '0' && flow->word[i] <= '9')
		i++;
	return i > 0 && i < flow->word_length && flow->word[i] == '.';
}

/* Of an array of RESP2, that is no confirmation that the first command waits for. */
static bool array_is_push(const struct redis_state *state)
{
	const struct redis_command *first = first_command(state);

	if (state->reply.confirms)
		return state->subscriptions_unsure && (!first || !redis_kind_subscribes(first->kind));
	if (!state->reply.is_message)
		return false;
	return has_subscriptions(state) || !first || redis_kind_subscribes(first->kind) || first->kind == KIND_RESET;
}

static bool is_push(const struct redis_feed *feed)
{
	const struct redis_state *state = feed->state;

	switch (state->reply.type) {
	case '>':
		return true;
	case '+':
		return is_monitored(feed->flow);
	default:
		return array_is_push(state);
	}
}

bool redis_push_decide(struct redis_feed *feed)
{
	struct redis_state *state = feed->state;
	struct redis_replying *reply = &state->reply;
	const struct redis_command *first = first_command(state);

	if (reply->confirms && !state->adrift && first && first->kind == reply->confirms) {
		reply->has_call = true;
	} else if (is_push(feed)) {
		/* A confirmation that nobody waits for: its command may be on its way. */
		if (reply->type == '>' && reply->confirms && !first && redis_may_wait(feed))
			return false;
		reply->is_push = true;
	} else if (!redis_pair(feed)) {
		return false;
	}
	reply->undecided = false;
	return true;
}

void redis_push_confirmed(struct redis_state *state)
{
	uint32_t count = state->reply.confirmed;

	switch (state->reply.confirms) {
	case KIND_SSUBSCRIBE:
	case KIND_SUNSUBSCRIBE:
		state->shards = count;
		break;
	case KIND_SUBSCRIBE:
	case KIND_UNSUBSCRIBE:
		state->channels = count > state->patterns ? count - state->patterns : 0;
		break;
	default:
		state->patterns = count > state->channels ? count - state->channels : 0;
		break;
	}
}

bool redis_subscription_answered(const struct redis_state *state, struct redis_call *call)
{
	if (call->operand > 0)
		return --call->operand == 0;
	/* UNSUBSCRIBE without a channel is answered for each that there was, as far as that is known. */
	if (state->subscriptions_unsure)
		return true;
	switch (redis_command_of(call)->kind) {
	case KIND_UNSUBSCRIBE:
		return state->channels == 0;
	case KIND_PUNSUBSCRIBE:
		return state->patterns == 0;
	case KIND_SUNSUBSCRIBE:
		return state->shards == 0;
	default:
		return true;
	}
}
