/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values, as servers send them. From the RESP specification (RESP2 and RESP3, with its streamed types):
 *   simple    = ( "+" / "-" / ":" / "_" / "#" / "," / "(" ) text CRLF
 *   bulk      = ( "$" / "!" / "=" ) length CRLF bytes CRLF          "$-1" is null; "$?" is streamed: 1*( ";" length ...
 * ) aggregate = ( "*" / "~" / ">" ) count CRLF count values         "*-1" is null; "?": streamed, up to "." CRLF / (
 * "%" / "|" ) count CRLF count pairs of values      "|": attributes, the value itself comes behind Values are counted,
 * not kept. Aggregates are followed to a depth of REDIS_DEPTH_MAX; deeper ones are counted together, so that no depth
 * of nesting costs memory.
 */
#include <string.h>

#include "proto/redis_internal.h"

static bool is_line_type(uint8_t type)
{
	return type == '+' || type == '-' || type == ':' || type == '_' || type == '#' || type == ',' || type == '(';
}

static bool is_aggregate(uint8_t type)
{
	return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

static bool is_known(uint8_t type)
{
	return is_line_type(type) || is_aggregate(type) || type == '$' || type == '!' || type == '=';
}

/* Only servers that were asked for RESP3 send these. */
static bool is_resp3(uint8_t type)
{
	return type != '+' && type != '-' && type != ':' && type != '$' && type != '*';
}

static enum proto_status take_null(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;

	if (flow->number != 1 || (flow->type != '$' && flow->type != '*'))
		return PROTO_MALFORMED;
	flow->tail_missing = false;
	redis_note_value(feed, flow->type, true, 0, (struct text){ "", 0 });
	return redis_finish_value(feed);
}

/* Of pushes and arrays that may be one, the first word says what they are. */
static bool word_is_wanted(const struct redis_replying *reply)
{
	return (reply->undecided || reply->base == 1) && reply->depth == reply->base + 1 && reply->words == 0 &&
	       reply->attributes == 0;
}

static enum proto_status begin_chunk(struct redis_feed *feed)
{
	if (feed->flow->number > 0) {
		redis_begin_bulk(feed, feed->flow->number, false);
		return PROTO_OK;
	}
	feed->state->reply.chunks = false;
	redis_note_value(feed, '$', false, 0, (struct text){ "", 0 });
	return redis_finish_value(feed);
}

static enum proto_status take_number(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	struct redis_replying *reply = &feed->state->reply;

	switch (redis_take_number(feed)) {
	case NUMBER_MORE:
		return PROTO_OK;
	case NUMBER_BAD:
		return PROTO_MALFORMED;
	default:
		break;
	}
	if (flow->negative)
		return take_null(feed);
	if (is_aggregate(flow->type))
		return redis_open_aggregate(feed);
	if (flow->streamed && flow->type == '$') {
		reply->chunks = true;
		flow->phase = PHASE_HEADER;
		return PROTO_OK;
	}
	if (flow->streamed || flow->number > REDIS_BULK_MAX)
		return PROTO_MALFORMED;
	if (flow->type == ';')
		return begin_chunk(feed);
	redis_begin_bulk(feed, flow->number,
			 flow->type == '!' || (flow->number <= REDIS_WORD_MAX && word_is_wanted(reply)));
	return PROTO_OK;
}

/* The first word of an error. */
static void note_code(struct redis_feed *feed, struct text text)
{
	struct redis_replying *reply = &feed->state->reply;
	const char *blank = text.length > 0 ? memchr(text.data, ' ', text.length) : NULL;

	if (reply->depth == reply->base && !reply->attributes)
		reply->code = redis_code_find(text.data, blank ? (size_t)(blank - text.data) : text.length);
}

static enum proto_status take_bulk(struct redis_feed *feed)
{
	uint8_t type = feed->flow->type;
	struct text word;

	switch (redis_take_bulk(feed, &word)) {
	case NUMBER_MORE:
		return PROTO_OK;
	case NUMBER_BAD:
		return PROTO_MALFORMED;
	default:
		break;
	}
	if (type == ';') {
		feed->flow->phase = PHASE_HEADER;
		return PROTO_OK;
	}
	redis_note_value(feed, type, false, 0, word);
	if (type == '!')
		note_code(feed, word);
	return redis_finish_value(feed);
}

/* ":" and up to 19 digits, with or without a sign. */
static bool parse_integer(struct text word, uint64_t *ret_number)
{
	size_t i = word.length > 0 && (word.data[0] == '-' || word.data[0] == '+') ? 1 : 0;
	uint64_t number = 0;

	if (word.length == i || word.length - i > 19)
		return false;
	for (size_t at = i; at < word.length; at++) {
		if (word.data[at] < '0' || word.data[at] > '9')
			return false;
		number = number * 10 + (uint64_t)(word.data[at] - '0');
	}
	*ret_number = word.data[0] == '-' ? 0 : number;
	return true;
}

static enum proto_status finish_line(struct redis_feed *feed, struct text word)
{
	uint8_t type = feed->flow->type;
	uint64_t number = 0;

	feed->flow->tail_missing = false;
	if (type == '.')
		return redis_end_streamed(feed, word);
	if ((type == ':' && !parse_integer(word, &number)) || (type == '_' && word.length > 0) ||
	    (type == '#' && (word.length != 1 || (word.data[0] != 't' && word.data[0] != 'f'))))
		return PROTO_MALFORMED;
	redis_note_value(feed, type, type == '_', number, word);
	if (type == '-')
		note_code(feed, word);
	return redis_finish_value(feed);
}

static enum proto_status take_line(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	const uint8_t *bytes = feed->chunk->data + feed->at;
	size_t given = feed->chunk->length - feed->at, length = 0;

	if (flow->cr) {
		if (*bytes != '\n')
			return PROTO_MALFORMED;
		feed->at++;
		return finish_line(feed, (struct text){ flow->word, flow->word_length });
	}
	while (length < given && bytes[length] != '\r') {
		if (bytes[length++] == '\n')
			return PROTO_MALFORMED;
	}
	flow->left += length;
	/* Commands that MONITOR tells of may be of any length. */
	if (flow->left > REDIS_LINE_MAX && flow->type != '+')
		return PROTO_MALFORMED;
	redis_word_add(flow, bytes, length);
	flow->cr = length < given;
	feed->at += length + flow->cr;
	return PROTO_OK;
}

/* A reply begins. False: wait. */
static bool begin_reply(struct redis_feed *feed, uint8_t type)
{
	struct redis_state *state = feed->state;

	redis_begin_message(feed);
	state->reply = (struct redis_replying){ .undecided = true };
	if (type == '|' || redis_push_possible(state, type))
		return true;
	state->reply.undecided = false;
	return redis_pair(feed);
}

/* The answer to SYNC is a snapshot, which begins like a string and does not end like one. */
static bool is_replication(struct redis_state *state, uint8_t type)
{
	return type == '$' && state->reply.has_call && state->reply.depth == 0 &&
	       redis_command_of(redis_first_call(&state->ring))->kind == KIND_SYNC;
}

static enum proto_status begin_value(struct redis_feed *feed, uint8_t type)
{
	struct redis_flow *flow = feed->flow;

	feed->at++;
	if (is_resp3(type))
		feed->state->resp3 = true;
	flow->type = type;
	if (is_replication(feed->state, type)) {
		redis_note_value(feed, type, false, 0, (struct text){ "", 0 });
		return redis_finish_value(feed);
	}
	if (is_line_type(type)) {
		flow->phase = PHASE_LINE;
		flow->cr = false;
		flow->left = 0;
		redis_word_begin(flow);
	} else {
		redis_begin_number(flow, type);
	}
	return PROTO_OK;
}

/* Before the answer to SYNC and PSYNC a busy server sends line feeds. */
static bool is_sign_of_life(const struct redis_state *state, uint8_t byte)
{
	return byte == '\n' && state->ring.call_count > 0 &&
	       redis_command_of(&state->ring.calls[state->ring.call_head])->kind == KIND_SYNC;
}

/* A string or a number that is the whole reply and lies whole in the chunk, as most do: read at once. False: nothing
 * was taken. */
static bool take_whole(struct redis_feed *feed)
{
	const uint8_t *at = feed->chunk->data + feed->at, *end = feed->chunk->data + feed->chunk->length;
	const uint8_t *begin = at + 1;
	uint8_t type = *at;
	uint32_t number = 0;

	if (type == '+') {
		while (++at < end - 1 && *at >= ' ')
			;
		if (at >= end - 1 || at[0] != '\r' || at[1] != '\n')
			return false;
		redis_note_value(feed, type, false, 0, (struct text){ (const char *)begin, (size_t)(at - begin) });
		at += 2;
	} else {
		if ((type != '$' && type != ':') || !redis_header(&at, end, type, &number))
			return false;
		if (type == '$') {
			if ((size_t)(end - at) < (size_t)number + 2 || at[number] != '\r' || at[number + 1] != '\n')
				return false;
			at += number + 2;
		}
		redis_note_value(feed, type, false, type == ':' ? number : 0, (struct text){ "", 0 });
	}
	feed->flow->tail_missing = false;
	feed->at = (size_t)(at - feed->chunk->data);
	return true;
}

static enum proto_status take_first_type(struct redis_feed *feed)
{
	uint8_t type = feed->chunk->data[feed->at];

	if (is_sign_of_life(feed->state, type)) {
		feed->at++;
		return PROTO_OK;
	}
	if (!is_known(type))
		return PROTO_MALFORMED;
	if (redis_pass_torn(feed))
		return PROTO_OK;
	if (!begin_reply(feed, type))
		return PROTO_WAIT;
	if (!feed->state->reply.undecided && !is_replication(feed->state, type) && take_whole(feed))
		return redis_finish_reply(feed);
	return begin_value(feed, type);
}

static enum proto_status take_type(struct redis_feed *feed)
{
	struct redis_replying *reply = &feed->state->reply;
	uint8_t type = feed->chunk->data[feed->at];

	if (reply->chunks)
		return type == ';' ? begin_value(feed, type) : PROTO_MALFORMED;
	if (type == '.' && reply->depth > 0) {
		enum proto_status status = begin_value(feed, '_');

		feed->flow->type = '.';
		return status;
	}
	if (!is_known(type))
		return PROTO_MALFORMED;
	/* Behind attributes it shows what the reply is. */
	if (reply->depth == 0 && reply->undecided && type != '|' && !redis_push_possible(feed->state, type)) {
		if (!redis_pair(feed))
			return PROTO_WAIT;
		reply->undecided = false;
	}
	return begin_value(feed, type);
}

/* Values one by one need no more than to be counted: not the last ones of an aggregate, nor those that are answers, nor
 * the first ones, which may say what a reply is. */
static bool values_are_plain(const struct redis_replying *reply)
{
	if (reply->depth == 0 || reply->chunks || reply->levels[reply->depth - 1] == REDIS_STREAMED)
		return false;
	return reply->depth > reply->base && (reply->depth > reply->base + 1 || reply->words >= PUSH_VALUES);
}

/* Strings and numbers inside of an aggregate that lie whole in the chunk, up to its last one: an array may have
 * millions. */
static void take_plain_values(struct redis_feed *feed)
{
	struct redis_replying *reply = &feed->state->reply;
	const uint8_t *at = feed->chunk->data + feed->at, *end = feed->chunk->data + feed->chunk->length;
	uint64_t taken = 0;
	uint64_t most;

	if (!values_are_plain(reply))
		return;
	most = reply->levels[reply->depth - 1] - 1;
	while (taken < most && at < end) {
		const uint8_t *value = at;
		uint8_t type = *at;
		uint32_t number;

		if ((type != '$' && type != ':') || !redis_header(&value, end, type, &number))
			break;
		if (type == '$') {
			if ((size_t)(end - value) < (size_t)number + 2 || value[number] != '\r' ||
			    value[number + 1] != '\n')
				break;
			value += number + 2;
		}
		at = value;
		taken++;
	}
	if (taken == 0)
		return;
	reply->levels[reply->depth - 1] -= taken;
	if (reply->depth == reply->base + 1 && !reply->attributes)
		reply->hits += (uint32_t)taken;
	feed->flow->tail_missing = false;
	feed->at = (size_t)(at - feed->chunk->data);
}

enum proto_status redis_take_reply(struct redis_feed *feed)
{
	switch (feed->flow->phase) {
	case PHASE_START:
		return take_first_type(feed);
	case PHASE_HEADER:
		take_plain_values(feed);
		return feed->at < feed->chunk->length ? take_type(feed) : PROTO_OK;
	case PHASE_PASS:
		return redis_take_pass(feed);
	case PHASE_NUMBER:
		return take_number(feed);
	case PHASE_BULK:
		return take_bulk(feed);
	case PHASE_LINE:
		return take_line(feed);
	case PHASE_DECIDE:
		return redis_finish_reply(feed);
	default:
		return PROTO_LOST;
	}
}
