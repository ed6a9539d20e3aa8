/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands, as clients send them:
 *   command = "*" count CRLF 1*( "$" length CRLF bytes CRLF )     an array of strings; a count below 1 is passed over
 *   inline  = words with blanks between them, LF or CRLF
 * From the RESP specification ("Sending commands to a Redis server") and, for inline commands, networking.c of Redis.
 * Read are the command's name and the few arguments that say what kind of call it is; all others are passed over.
 */
#include <string.h>

#include "proto/redis_internal.h"

/* The option of SET stands behind key and value. */
#define SET_OPTIONS 3

/* Is this argument one that is looked at? */
static bool is_wanted(const struct redis_reading *reading)
{
	if (reading->arg == 0)
		return true;
	switch (reading->kind) {
	case KIND_CONTAINER:
	case KIND_SELECT:
		return reading->arg == 1;
	case KIND_REPLY:
		return reading->arg == 2;
	case KIND_MAY_BLOCK:
		return !reading->options_over;
	case KIND_SET:
		return reading->arg >= SET_OPTIONS;
	default:
		return false;
	}
}

static void take_name(struct redis_reading *reading, struct text word)
{
	reading->command = redis_command_find(word.data, word.length);
	reading->kind = redis_commands[reading->command].kind;
	if (reading->kind == KIND_BLOCKING)
		reading->flags |= CALL_BLOCKING;
}

/* A number that cannot be right is refused by the server as well. */
static void take_database(struct redis_reading *reading, struct text word)
{
	uint32_t number = 0;

	reading->operand = UINT32_MAX;
	if (word.length == 0 || word.length > 8)
		return;
	for (size_t i = 0; i < word.length; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return;
		number = number * 10 + (uint32_t)(word.data[i] - '0');
	}
	reading->operand = number;
}

static void take_silence(struct redis_reading *reading, struct text word)
{
	if (redis_word_is(word.data, word.length, "OFF"))
		reading->silence = SILENCE_ALL;
	else if (redis_word_is(word.data, word.length, "SKIP"))
		reading->silence = SILENCE_NEXT;
	else if (redis_word_is(word.data, word.length, "ON"))
		reading->silence = SILENCE_ON;
}

static void take_argument(struct redis_reading *reading, struct text word)
{
	if (reading->arg == 0) {
		take_name(reading, word);
		return;
	}
	switch (reading->kind) {
	case KIND_CONTAINER:
		reading->command = redis_subcommand_find(reading->command, word.data, word.length);
		reading->kind = redis_commands[reading->command].kind;
		break;
	case KIND_SELECT:
		take_database(reading, word);
		break;
	case KIND_REPLY:
		take_silence(reading, word);
		break;
	case KIND_MAY_BLOCK:
		/* BLOCK comes before STREAMS; XREADGROUP's group and consumer may have any name. */
		if (redis_word_is(word.data, word.length, "BLOCK"))
			reading->flags |= CALL_BLOCKING;
		reading->options_over = redis_word_is(word.data, word.length, "STREAMS");
		break;
	default:
		if (redis_word_is(word.data, word.length, "GET"))
			reading->flags |= CALL_LOOKUP;
		break;
	}
}

static void begin_command(struct redis_feed *feed)
{
	redis_begin_message(feed);
	feed->state->reading = (struct redis_reading){ 0 };
}

static enum proto_status finish_command(struct redis_feed *feed)
{
	struct redis_reading *reading = &feed->state->reading;

	feed->flow->phase = PHASE_START;
	if (reading->kind != KIND_SELECT)
		reading->operand = reading->arg > 0 ? reading->arg - 1 : 0;
	if (redis_open(feed) == 0)
		return PROTO_OK;
	/* The command was read, and cannot be kept: from here on nobody knows which reply is whose. */
	feed->sink->losses->out_of_step[STEP_PIPELINE_FULL]++;
	feed->flow->phase = PHASE_LOST;
	return PROTO_LOST;
}

/* A command that lies whole in the chunk, as nearly all do: read at once. False: nothing was taken, go byte by byte. */
static bool take_whole(struct redis_feed *feed)
{
	const uint8_t *at = feed->chunk->data + feed->at, *end = feed->chunk->data + feed->chunk->length;
	struct redis_reading reading = { 0 };
	uint32_t count, length;

	if (!redis_header(&at, end, '*', &count) || count == 0)
		return false;
	for (; reading.arg < count; reading.arg++) {
		if (!redis_header(&at, end, '$', &length) || (size_t)(end - at) < (size_t)length + 2 ||
		    at[length] != '\r' || at[length + 1] != '\n')
			return false;
		if (is_wanted(&reading))
			take_argument(&reading,
				      (struct text){ (const char *)at, length > REDIS_WORD_MAX ? 0 : length });
		at += length + 2;
	}
	redis_begin_message(feed);
	feed->state->reading = reading;
	feed->at = (size_t)(at - feed->chunk->data);
	return true;
}

static enum proto_status start(struct redis_feed *feed)
{
	uint8_t byte = feed->chunk->data[feed->at];

	if (feed->state->ring.call_count >= REDIS_OPEN_MAX && !feed->chunk->no_wait)
		return PROTO_WAIT;
	if (take_whole(feed))
		return finish_command(feed);
	begin_command(feed);
	if (byte == '*') {
		feed->at++;
		redis_begin_number(feed->flow, '*');
	} else {
		feed->state->inlined = true;
		feed->flow->phase = PHASE_INLINE;
		feed->flow->cr = false;
		redis_word_begin(feed->flow);
	}
	return PROTO_OK;
}

static enum proto_status take_count(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;
	struct redis_reading *reading = &feed->state->reading;

	if (flow->streamed || flow->number > REDIS_COUNT_MAX)
		return PROTO_MALFORMED;
	if (flow->negative || flow->number == 0) {
		flow->phase = PHASE_START;
		return PROTO_OK;
	}
	reading->args_left = (uint32_t)flow->number;
	flow->phase = PHASE_HEADER;
	return PROTO_OK;
}

static enum proto_status take_number(struct redis_feed *feed)
{
	struct redis_flow *flow = feed->flow;

	switch (redis_take_number(feed)) {
	case NUMBER_MORE:
		return PROTO_OK;
	case NUMBER_BAD:
		return PROTO_MALFORMED;
	default:
		break;
	}
	if (flow->type == '*')
		return take_count(feed);
	if (flow->streamed || flow->negative || flow->number > REDIS_BULK_MAX)
		return PROTO_MALFORMED;
	redis_begin_bulk(feed, flow->number, flow->number <= REDIS_WORD_MAX && is_wanted(&feed->state->reading));
	return PROTO_OK;
}

static enum proto_status take_header(struct redis_feed *feed)
{
	if (feed->chunk->data[feed->at] != '$')
		return PROTO_MALFORMED;
	feed->at++;
	redis_begin_number(feed->flow, '$');
	return PROTO_OK;
}

static enum proto_status take_bulk(struct redis_feed *feed)
{
	struct redis_reading *reading = &feed->state->reading;
	struct text word;

	switch (redis_take_bulk(feed, &word)) {
	case NUMBER_MORE:
		return PROTO_OK;
	case NUMBER_BAD:
		return PROTO_MALFORMED;
	default:
		break;
	}
	if (is_wanted(reading))
		take_argument(reading, word);
	reading->arg++;
	if (--reading->args_left == 0)
		return finish_command(feed);
	feed->flow->phase = PHASE_HEADER;
	return PROTO_OK;
}

static void end_inline_word(struct redis_feed *feed)
{
	struct redis_reading *reading = &feed->state->reading;
	struct redis_flow *flow = feed->flow;

	if (!reading->in_word)
		return;
	if (is_wanted(reading))
		take_argument(reading, (struct text){ flow->word, flow->word_long ? 0 : flow->word_length });
	reading->arg++;
	reading->in_word = false;
	redis_word_begin(flow);
}

/* An empty line gets no reply. */
static enum proto_status end_inline(struct redis_feed *feed)
{
	struct redis_reading *reading = &feed->state->reading;

	end_inline_word(feed);
	if (reading->arg > 0)
		return finish_command(feed);
	feed->flow->phase = PHASE_START;
	return PROTO_OK;
}

/* Blanks inside of quotes belong to the word; in double quotes a backslash takes the next byte with it. */
static void take_inline_byte(struct redis_feed *feed, uint8_t byte)
{
	struct redis_reading *reading = &feed->state->reading;
	struct redis_flow *flow = feed->flow;

	if (flow->cr) {
		flow->cr = false;
	} else if (reading->quote && byte == reading->quote) {
		reading->quote = 0;
		return;
	} else if (reading->quote == '"' && byte == '\\') {
		flow->cr = true; /* here: the next byte is escaped */
		return;
	} else if (!reading->quote && (byte == '"' || byte == '\'')) {
		reading->quote = byte;
		reading->in_word = true;
		return;
	} else if (!reading->quote && (byte == ' ' || byte == '\t')) {
		end_inline_word(feed);
		return;
	}
	reading->in_word = true;
	if (is_wanted(reading))
		redis_word_add(flow, &byte, 1);
}

static enum proto_status take_inline(struct redis_feed *feed)
{
	struct redis_reading *reading = &feed->state->reading;

	while (feed->at < feed->chunk->length) {
		uint8_t byte = feed->chunk->data[feed->at++];

		if (byte == '\n')
			return end_inline(feed);
		/* The server wants text here, and ends the connection at what is longer. */
		if (++reading->inline_bytes > REDIS_INLINE_MAX || (byte < ' ' && byte != '\r' && byte != '\t'))
			return PROTO_MALFORMED;
		if (byte != '\r')
			take_inline_byte(feed, byte);
	}
	return PROTO_OK;
}

enum proto_status redis_take_request(struct redis_feed *feed)
{
	switch (feed->flow->phase) {
	case PHASE_START:
		return start(feed);
	case PHASE_NUMBER:
		return take_number(feed);
	case PHASE_HEADER:
		return take_header(feed);
	case PHASE_BULK:
		return take_bulk(feed);
	case PHASE_INLINE:
		return take_inline(feed);
	default:
		return PROTO_LOST;
	}
}
