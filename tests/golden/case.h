/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A golden case: what crossed one connection, and what must come out of it. README.md describes the text format.
 * Included by the golden programs, each of which is one file.
 */
#pragma once

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "model/connection.h"
#include "model/losses.h"
#include "proto/proto.h"

#define CASE_EVENTS_MAX 64
#define CASE_LINES_MAX 64
#define CASE_LINE_MAX 4096
#define CASE_BYTES_MAX (1u << 20)

enum event_kind {
	EVENT_BYTES,
	EVENT_GAP, /* bytes that crossed in a call that was seen, and were not captured */
	EVENT_END,
};

struct event {
	enum event_kind kind;
	enum proto_flow flow;
	size_t sequence;
	uint64_t time_ns;
	uint32_t position;
	uint32_t peer_position;
	size_t length;
	uint8_t *data; /* owned by the case; NULL unless EVENT_BYTES */
};

struct golden_case {
	char name[64];
	struct event events[CASE_EVENTS_MAX];
	size_t event_count;
	uint32_t start[2];        /* stream positions of the first bytes */
	uint32_t end_position[2]; /* one past the last */
	uint64_t close_ns;
	enum connection_end_reason close_reason;
	bool unknown_positions; /* peer_position is never known, as of unix sockets */
	bool no_loss;           /* not played with lost segments: the case says why */
	bool no_reorder;        /* likewise with flows that overtake each other */
	bool no_split;          /* likewise with split segments */
	bool opaque;
	bool encrypted;
	char *exchanges[CASE_LINES_MAX]; /* expected lines, owned */
	size_t exchange_count;
	char *asks[CASE_LINES_MAX];
	size_t ask_count;
	char *transactions[CASE_LINES_MAX];
	size_t transaction_count;
	struct keep keep; /* what is kept, with has_keep */
	bool has_keep;
	char *names[CASE_LINES_MAX]; /* what keep points to, owned */
	size_t name_count;
	char *kept[CASE_LINES_MAX]; /* what must be kept of each exchange */
	size_t kept_count;
	uint64_t out_of_step[STEP_REASON_COUNT];
};

static void case_free(struct golden_case *golden)
{
	if (!golden)
		return;
	for (size_t i = 0; i < golden->event_count; i++)
		free(golden->events[i].data);
	for (size_t i = 0; i < golden->exchange_count; i++)
		free(golden->exchanges[i]);
	for (size_t i = 0; i < golden->ask_count; i++)
		free(golden->asks[i]);
	for (size_t i = 0; i < golden->transaction_count; i++)
		free(golden->transactions[i]);
	for (size_t i = 0; i < golden->name_count; i++)
		free(golden->names[i]);
	for (size_t i = 0; i < golden->kept_count; i++)
		free(golden->kept[i]);
	free(golden);
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10;
}

/* One escape behind a backslash. Returns the text after it, or NULL. */
static const char *unescape_one(const char *text, uint8_t *ret_byte)
{
	static const char names[] = "rntb0\\";
	static const char values[] = "\r\n\t\b\0\\";
	const char *name = *text ? strchr(names, *text) : NULL;

	if (name) {
		*ret_byte = (uint8_t)values[name - names];
		return text + 1;
	}
	if (*text != 'x' || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
		return NULL;
	*ret_byte = (uint8_t)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
	return text + 3;
}

/* "\{1000:text}" is text, 1000 times. Returns the text after it, or NULL. */
static const char *unescape_repeat(const char *text, uint8_t *bytes, size_t *length)
{
	const char *colon = strchr(text, ':');
	const char *brace = colon ? strchr(colon, '}') : NULL;
	uint64_t times;

	if (!brace || number_u64_span(text, (size_t)(colon - text), &times) != 0)
		return NULL;
	for (; times > 0; times--) {
		for (const char *c = colon + 1; c < brace;) {
			uint8_t byte = (uint8_t)*c++;

			if (byte == '\\' && !(c = unescape_one(c, &byte)))
				return NULL;
			if (*length == CASE_BYTES_MAX)
				return NULL;
			bytes[(*length)++] = byte;
		}
	}
	return brace + 1;
}

static bool unescape(const char *text, uint8_t *bytes, size_t *length)
{
	while (text && *text) {
		if (text[0] == '\\' && text[1] == '{') {
			text = unescape_repeat(text + 2, bytes, length);
		} else if (*length == CASE_BYTES_MAX) {
			return false;
		} else if (*text == '\\') {
			text = unescape_one(text + 1, &bytes[(*length)++]);
		} else {
			bytes[(*length)++] = (uint8_t)*text++;
		}
	}
	return text != NULL;
}

static bool append_bytes(struct event *event, const char *text)
{
	CLEANUP_FREE uint8_t *bytes = malloc(CASE_BYTES_MAX);
	size_t length = event->length;
	uint8_t *grown;

	if (!bytes)
		return false;
	if (length > 0)
		memcpy(bytes, event->data, length);
	if (!unescape(text, bytes, &length))
		return false;
	grown = realloc(event->data, length + 1);
	if (!grown)
		return false;
	memcpy(grown, bytes, length);
	event->data = grown;
	event->length = length;
	return true;
}

/* "100 rest": the number and what is behind the blank. */
static bool split_number(const char *text, uint64_t *ret_number, const char **ret_rest)
{
	size_t digits = strspn(text, "0123456789");

	*ret_rest = text + digits + (text[digits] == ' ' ? 1 : 0);
	return number_u64_span(text, digits, ret_number) == 0;
}

/* "> 100 bytes", ">~ 100 5000", ">. 100", ">+ more bytes" */
static bool parse_event(struct golden_case *golden, enum proto_flow flow, const char *line)
{
	char kind = line[0];
	const char *rest = strchr(line, ' ') ? strchr(line, ' ') + 1 : "";
	struct event *event = &golden->events[golden->event_count];
	uint64_t length;

	if (kind == '+')
		return golden->event_count > 0 && event[-1].flow == flow && append_bytes(&event[-1], rest);
	if (golden->event_count == CASE_EVENTS_MAX || !split_number(rest, &event->time_ns, &rest))
		return false;
	event->flow = flow;
	event->sequence = golden->event_count++;
	event->kind = kind == '~' ? EVENT_GAP : kind == '.' ? EVENT_END : EVENT_BYTES;
	if (kind == '~') {
		if (!split_number(rest, &length, &rest) || length > INT32_MAX)
			return false;
		event->length = length;
	}
	return kind == '~' || kind == '.' || append_bytes(event, rest);
}

static bool parse_close(struct golden_case *golden, const char *line)
{
	const char *reason;

	if (!split_number(line, &golden->close_ns, &reason))
		return false;
	golden->close_reason = !strcmp(reason, "reset")   ? END_RESET :
			       !strcmp(reason, "timeout") ? END_TIMEOUT :
							    END_NORMAL;
	return golden->close_reason != END_NORMAL || !strcmp(reason, "normal");
}

static bool parse_loss(struct golden_case *golden, const char *line)
{
	for (int reason = 0; reason < STEP_REASON_COUNT; reason++) {
		const char *text = out_of_step_reason_text(reason);
		size_t length = strlen(text);

		if (!strncmp(line, text, length) && line[length] == ' ')
			return number_u64(line + length + 1, &golden->out_of_step[reason]) == 0;
	}
	return false;
}

static void keep_field(struct golden_case *golden, enum keep_side side, const char *name)
{
	struct keep *keep = &golden->keep;

	keep->fields[side][keep->field_counts[side]++] =
		(struct keep_field){ .name = name, .length = strlen(name), .attribute = name };
	keep->letters[side] |= 1u << (*name & 31);
}

/* "keep query KEY", "keep request NAME", "keep response NAME", "keep text" */
static bool parse_keep(struct golden_case *golden, const char *line)
{
	const char *name = strchr(line, ' ');
	char *copy = strdup(name ? name + 1 : "");

	golden->has_keep = true;
	golden->names[golden->name_count++] = copy;
	if (!strcmp(line, "text"))
		golden->keep.query_text = true;
	else if (!copy || !*copy || golden->name_count == CASE_LINES_MAX)
		return false;
	else if (!strncmp(line, "request ", 8))
		keep_field(golden, KEEP_REQUEST, copy);
	else if (!strncmp(line, "response ", 9))
		keep_field(golden, KEEP_RESPONSE, copy);
	else if (golden->keep.query_key_count + 1 == golden->name_count && !strncmp(line, "query ", 6))
		golden->keep.query_key_count++; /* these stand first: they are one array */
	else
		return false;
	golden->keep.query_keys = (const char *const *)golden->names;
	return true;
}

static bool parse_option(struct golden_case *golden, const char *line)
{
	const char *rest;
	uint64_t request;
	uint64_t response;

	if (!strncmp(line, "keep ", 5))
		return parse_keep(golden, line + 5);
	if (!strncmp(line, "unknown-positions", 17))
		golden->unknown_positions = true;
	else if (!strncmp(line, "no-loss ", 8))
		golden->no_loss = true;
	else if (!strncmp(line, "no-reorder ", 11))
		golden->no_reorder = true;
	else if (!strncmp(line, "no-split ", 9))
		golden->no_split = true;
	else if (!strcmp(line, "opaque"))
		golden->opaque = true;
	else if (!strcmp(line, "encrypted"))
		golden->opaque = golden->encrypted = true;
	else if (!strncmp(line, "start ", 6) && split_number(line + 6, &request, &rest) &&
		 split_number(rest, &response, &rest) && request <= UINT32_MAX && response <= UINT32_MAX)
		memcpy(golden->start, (uint32_t[]){ (uint32_t)request, (uint32_t)response }, sizeof(golden->start));
	else
		return false;
	return true;
}

/* Expectations may have escapes, too. */
static bool keep_line(char **lines, size_t *count, const char *line)
{
	struct event text = {};

	if (*count == CASE_LINES_MAX || !append_bytes(&text, line))
		return false;
	text.data[text.length] = '\0';
	lines[(*count)++] = (char *)text.data;
	return true;
}

static bool parse_line(struct golden_case *golden, const char *line)
{
	switch (line[0]) {
	case '\0':
	case '#':
		return true;
	case '>':
		return parse_event(golden, FLOW_REQUEST, line + 1);
	case '<':
		return parse_event(golden, FLOW_RESPONSE, line + 1);
	case 'x':
		return parse_close(golden, line + 2);
	case '=':
		return keep_line(golden->exchanges, &golden->exchange_count, line + 2);
	case 't':
		return keep_line(golden->transactions, &golden->transaction_count, line + 2);
	case '+':
		return keep_line(golden->kept, &golden->kept_count, line + 2);
	case '?':
		return keep_line(golden->asks, &golden->ask_count, line + 2);
	case '!':
		return parse_loss(golden, line + 2);
	default:
		return parse_option(golden, line);
	}
}

/* Positions follow from the order of events. */
static void place_events(struct golden_case *golden)
{
	uint32_t next[2] = { golden->start[0], golden->start[1] };

	for (size_t i = 0; i < golden->event_count; i++) {
		struct event *event = &golden->events[i];

		event->position = next[event->flow];
		event->peer_position = golden->unknown_positions ? 0 : next[!event->flow];
		next[event->flow] += (uint32_t)event->length;
	}
	memcpy(golden->end_position, next, sizeof(next));
}

/* NULL with a message on stderr. */
static struct golden_case *case_read(const char *path, const char *name)
{
	struct golden_case *golden = calloc(1, sizeof(*golden));
	CLEANUP_FILE FILE *file = fopen(path, "re");
	char line[CASE_LINE_MAX];
	size_t number = 0;

	if (!golden || !file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		case_free(golden);
		return NULL;
	}
	snprintf(golden->name, sizeof(golden->name), "%s", name);
	golden->start[FLOW_REQUEST] = 1000;
	golden->start[FLOW_RESPONSE] = 5000;
	while (fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (!parse_line(golden, line)) {
			fprintf(stderr, "%s:%zu: not understood: %s\n", path, number, line);
			case_free(golden);
			return NULL;
		}
	}
	place_events(golden);
	return golden;
}
