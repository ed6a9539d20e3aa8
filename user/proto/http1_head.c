/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads, line by line as they come: whole lines are read where they lie, a line split over chunks is put together in a
 * store of its own, which keeps its begin and its end. No head is ever held as a whole.
 * A line ends with LF, and CR before it is dropped: RFC 9112 section 2.2 lets a recipient take a lone LF as line end in
 * start lines and fields, and the servers in wide use do. NUL in a head makes it malformed: RFC 9110 section 5.5.
 */
#include <string.h>

#include "proto/http1_internal.h"

void http1_line_drop(struct http1_flow *flow)
{
	free(flow->line);
	flow->line = NULL;
}

/* Takes what fits behind what is there, up to `limit`. Returns how much. */
static size_t fill(char *store, size_t used, size_t limit, const uint8_t *bytes, size_t length)
{
	size_t room = limit - used;

	if (length > room)
		length = room;
	memcpy(store + used, bytes, length);
	return length;
}

/* Keeps the last HTTP1_LINE_TAIL bytes of what did not fit in front. */
static void keep_tail(struct http1_line_store *line, const uint8_t *bytes, size_t length)
{
	size_t old;

	if (length >= HTTP1_LINE_TAIL) {
		memcpy(line->tail, bytes + length - HTTP1_LINE_TAIL, HTTP1_LINE_TAIL);
		line->tail_length = HTTP1_LINE_TAIL;
		return;
	}
	old = line->tail_length;
	if (old > HTTP1_LINE_TAIL - length)
		old = HTTP1_LINE_TAIL - length;
	memmove(line->tail, line->tail + line->tail_length - old, old);
	memcpy(line->tail + old, bytes, length);
	line->tail_length = (uint8_t)(old + length);
}

bool http1_line_keep(struct http1_flow *flow, const uint8_t *bytes, size_t length)
{
	struct http1_line_store *line = flow->line;
	size_t taken;

	if (!line) {
		line = flow->line = malloc(sizeof(*line));
		if (!line)
			return false;
		line->front_length = line->tail_length = 0;
	}
	taken = fill(line->front, line->front_length, HTTP1_LINE_FRONT, bytes, length);
	line->front_length = (uint16_t)(line->front_length + taken);
	if (length > taken)
		keep_tail(line, bytes + taken, length - taken);
	return true;
}

/* Puts a split line together and empties its store; the text is good until bytes are kept again. */
static struct text join_line(struct http1_line_store *line)
{
	struct text text = { line->front, (size_t)line->front_length + line->tail_length };

	memcpy(line->front + line->front_length, line->tail, line->tail_length);
	line->front_length = line->tail_length = 0;
	return text;
}

static bool line_is_begun(const struct http1_flow *flow)
{
	return flow->line && flow->line->front_length > 0;
}

static enum proto_status take_first_line(struct http1_feed *feed, struct text line)
{
	struct http1_flow *flow = feed->flow;

	flow->phase = PHASE_FIELDS;
	flow->field = FIELD_NONE;
	if (feed->which == FLOW_REQUEST)
		return http1_request_line(feed, line.data, line.length);
	if (!http1_status_line(flow, line.data, line.length))
		return PROTO_MALFORMED;
	http1_response_line(feed);
	return PROTO_OK;
}

/* One whole line. *ret_end when it ends the head. */
static enum proto_status take_line(struct http1_feed *feed, struct text line, bool *ret_end)
{
	if (line.length > 0 && line.data[line.length - 1] == '\r')
		line.length--;
	if (feed->flow->phase == PHASE_FIRST_LINE)
		return take_first_line(feed, line);
	if (line.length == 0)
		*ret_end = true;
	else
		http1_field_line(feed, line.data, line.length);
	return PROTO_OK;
}

/* Passes over whole field lines that nobody reads, which most are: of them only the first byte is looked at. */
static void pass_fields(struct http1_feed *feed)
{
	const uint8_t *at = feed->chunk->data + feed->at;
	const uint8_t *end = feed->chunk->data + feed->chunk->length;
	uint32_t letters = http1_field_letters(feed);

	while (at < end && !http1_field_matters(letters, *at)) {
		const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));

		if (!lf)
			break;
		at = lf + 1;
		feed->flow->field = FIELD_OTHER;
	}
	feed->at = (size_t)(at - feed->chunk->data);
}

/* Takes whole lines up to the end of the head or of the chunk. */
static enum proto_status take_lines(struct http1_feed *feed, bool *ret_end)
{
	const uint8_t *data = feed->chunk->data;
	size_t length = feed->chunk->length;

	while (!*ret_end && feed->at < length) {
		const uint8_t *start = data + feed->at;
		const uint8_t *lf = memchr(start, '\n', length - feed->at);
		size_t line_length = lf ? (size_t)(lf - start) : length - feed->at;
		struct text line = { (const char *)start, line_length };
		enum proto_status status;

		if (!lf || line_is_begun(feed->flow)) {
			if (!http1_line_keep(feed->flow, start, line_length))
				return PROTO_LOST;
			if (lf)
				line = join_line(feed->flow->line);
		}
		feed->at += line_length + (lf ? 1 : 0);
		if (!lf)
			break;
		status = take_line(feed, line, ret_end);
		if (status != PROTO_OK)
			return status;
		if (!*ret_end && !(feed->flow->flags & HEAD_LENGTH_EMPTY))
			pass_fields(feed);
	}
	return PROTO_OK;
}

enum proto_status http1_take_head(struct http1_feed *feed)
{
	struct http1_flow *flow = feed->flow;
	size_t start = feed->at;
	bool end = false;
	enum proto_status status = take_lines(feed, &end);

	if (status != PROTO_OK)
		return status;
	flow->head_bytes += (uint32_t)(feed->at - start);
	if (flow->flags & HEAD_MALFORMED || memchr(feed->chunk->data + start, '\0', feed->at - start))
		return PROTO_MALFORMED;
	if (flow->head_bytes > HTTP1_HEAD_MAX) {
		feed->sink->losses->out_of_step[STEP_HEAD_TOO_LARGE]++;
		return PROTO_LOST;
	}
	if (!end)
		return PROTO_OK;
	http1_line_drop(flow);
	return http1_begin_body(feed);
}
