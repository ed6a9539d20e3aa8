/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the framing of commands and of values have in common: numbers that end with CR LF, and strings of known length,
 * which are passed over, whether they were captured or not. Any of them may be split anywhere.
 */
#include <string.h>

#include "proto/redis_internal.h"

#define SKIP_WORTHWHILE 4096u /* bytes; less is cheaper to copy than to ask for */
#define SKIP_STEP (1u << 30)  /* positions are modulo 2^32 */
#define DIGITS_MAX 19         /* of a signed 64-bit number */
#define CRLF_LENGTH 2

void redis_begin_message(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;

	flow->first_ns = feed->chunk->time_ns;
	flow->position = feed->chunk->position + (uint32_t)feed->at;
	flow->peer_position = feed->chunk->peer_position;
	flow->tgid = feed->chunk->tgid;
	flow->tid = feed->chunk->tid;
	flow->goroutine = feed->chunk->goroutine;
	flow->tail_missing = false;
}

void redis_begin_number(struct redis_flow *flow, uint8_t type)
{
	flow->phase = PHASE_NUMBER;
	flow->type = type;
	flow->number = 0;
	flow->digits = 0;
	flow->negative = flow->streamed = flow->cr = false;
}

/* One byte of a number, but for digits. */
static enum redis_number number_byte(struct redis_flow *flow, uint8_t byte)
{
	bool begun = flow->digits > 0 || flow->negative || flow->streamed;

	if (flow->cr)
		return byte == '\n' ? NUMBER_DONE : NUMBER_BAD;
	if (byte == '\r' && (flow->digits > 0 || flow->streamed))
		flow->cr = true;
	else if (byte == '-' && !begun)
		flow->negative = true;
	else if (byte == '?' && !begun)
		flow->streamed = true;
	else
		return NUMBER_BAD;
	return NUMBER_MORE;
}

enum redis_number redis_take_number(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	const uint8_t *at = feed->chunk->data + feed->at, *end = feed->chunk->data + feed->chunk->length;
	enum redis_number state = NUMBER_MORE;

	while (at < end && state == NUMBER_MORE) {
		uint8_t byte = *at++;

		if (byte < '0' || byte > '9') {
			state = number_byte(flow, byte);
		} else if (flow->digits == DIGITS_MAX || flow->cr || flow->streamed) {
			state = NUMBER_BAD;
		} else {
			flow->number = flow->number * 10 + (byte - '0');
			flow->digits++;
		}
	}
	feed->at = (size_t)(at - feed->chunk->data);
	return state;
}

void redis_word_begin(struct redis_flow *flow)
{
	flow->word_length = 0;
	flow->word_long = false;
}

void redis_word_add(struct redis_flow *flow, const uint8_t *bytes, size_t length)
{
	if (length > sizeof(flow->word) - flow->word_length) {
		length = sizeof(flow->word) - flow->word_length;
		flow->word_long = true;
	}
	memcpy(flow->word + flow->word_length, bytes, length);
	flow->word_length = (uint8_t)(flow->word_length + length);
}

/* Lets the capture be silent about the rest of a string that is long enough. */
static void ask_to_skip(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	uint64_t step = flow->left < SKIP_STEP ? flow->left : SKIP_STEP;

	if (flow->left <= SKIP_WORTHWHILE || flow->left > flow->ask_at)
		return;
	flow->ask_at = flow->left - step;
	feed->sink->skip_until(feed->sink->ctx, feed->which, feed->chunk->position + (uint32_t)(feed->at + step));
}

void redis_begin_bulk(struct redis_feed *feed, uint64_t length, bool wanted)
{
	struct redis_flow *flow = feed->flow;

	flow->phase = PHASE_BULK;
	flow->left = length + CRLF_LENGTH;
	flow->ask_at = flow->left;
	flow->word_wanted = wanted;
	redis_word_begin(flow);
	if (feed->at == feed->chunk->length)
		ask_to_skip(feed);
}

/* The whole string and what ends it are at hand, as nearly always. */
static enum redis_number take_whole(struct redis_feed *feed, struct text *ret_word)
{
	struct redis_flow *flow = feed->flow;
	const uint8_t *bytes = feed->chunk->data + feed->at;
	size_t length = (size_t)flow->left - CRLF_LENGTH;

	if (bytes[length] != '\r' || bytes[length + 1] != '\n')
		return NUMBER_BAD;
	if (flow->word_wanted)
		*ret_word = (struct text){ (const char *)bytes, length };
	feed->at += length + CRLF_LENGTH;
	flow->left = 0;
	flow->tail_missing = false;
	return NUMBER_DONE;
}

/* One byte of the CR LF. */
static bool is_line_end(const struct redis_flow *flow, uint8_t byte)
{
	return byte == (flow->left == CRLF_LENGTH ? '\r' : '\n');
}

/* Bytes that were not captured. When the call that moved the last of them was not seen, nobody knows its time. */
static enum redis_number pass_gap(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	size_t given = feed->chunk->length - feed->at;
	size_t length = given < flow->left ? given : (size_t)flow->left;

	feed->at += length;
	flow->left -= length;
	flow->tail_missing = flow->left == 0 && feed->chunk->missing;
	if (flow->left > 0)
		ask_to_skip(feed);
	return flow->left > 0 ? NUMBER_MORE : NUMBER_DONE;
}

enum redis_number redis_take_bulk(struct redis_feed *feed, struct text *ret_word)
{
	struct redis_flow *flow = feed->flow;
	size_t given = feed->chunk->length - feed->at;

	*ret_word = (struct text){ "", 0 };
	if (!feed->chunk->data)
		return pass_gap(feed);
	if (flow->left <= given && flow->left >= CRLF_LENGTH && flow->word_length == 0)
		return take_whole(feed, ret_word);
	while (flow->left > 0 && feed->at < feed->chunk->length) {
		const uint8_t *bytes = feed->chunk->data + feed->at;
		size_t length = feed->chunk->length - feed->at;

		if (flow->left > CRLF_LENGTH) {
			length = length < flow->left - CRLF_LENGTH ? length : (size_t)(flow->left - CRLF_LENGTH);
			if (flow->word_wanted)
				redis_word_add(flow, bytes, length);
		} else {
			length = 1;
			if (!is_line_end(flow, *bytes))
				return NUMBER_BAD;
		}
		feed->at += length;
		flow->left -= length;
	}
	if (flow->left > 0) {
		ask_to_skip(feed);
		return NUMBER_MORE;
	}
	flow->tail_missing = false;
	if (flow->word_wanted)
		*ret_word = (struct text){ flow->word, flow->word_length };
	return NUMBER_DONE;
}
