/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner: see the header.
 */
#include "host/scan.h"

#include <errno.h>
#include <stdlib.h>

#include "base/number.h"

#define NUMBER_SIZE 128 /* of a floating-point number's text */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
	return is_blank(c) || c == '\n' || c == '\r';
}

struct span span_trim(struct span span)
{
	while (span.length && is_space(*span.at))
		span = span_skip(span, 1);
	while (span.length && is_space(span.at[span.length - 1]))
		span.length--;
	return span;
}

void span_copy(struct span span, char *ret_text, size_t size)
{
	size_t length = span.length < size - 1 ? span.length : size - 1;

	memcpy(ret_text, span.at, length);
	ret_text[length] = '\0';
}

bool scan_until(struct span *line, char separator, struct span *ret_part)
{
	const char *found;
	size_t length;

	if (!line->length)
		return false;
	found = memchr(line->at, separator, line->length);
	length = found ? (size_t)(found - line->at) : line->length;
	*ret_part = (struct span){ line->at, length };
	*line = span_skip(*line, length + 1);
	return true;
}

bool scan_line(struct span *text, struct span *ret_line)
{
	return scan_until(text, '\n', ret_line);
}

bool scan_word(struct span *line, struct span *ret_word)
{
	const char *at = line->at, *end = at + line->length, *word;

	while (at < end && is_blank(*at))
		at++;
	word = at;
	while (at < end && !is_blank(*at))
		at++;
	*ret_word = (struct span){ word, (size_t)(at - word) };
	*line = (struct span){ at, (size_t)(end - at) };
	return at > word;
}

bool scan_u64(struct span *line, uint64_t *ret_value)
{
	struct span word;

	return scan_word(line, &word) && !span_u64(word, ret_value);
}

int span_u64(struct span span, uint64_t *ret_value)
{
	return number_u64_span(span.at, span.length, ret_value);
}

int span_i64(struct span span, int64_t *ret_value)
{
	bool negative = span.length && *span.at == '-';
	uint64_t value, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	int error = span_u64(negative ? span_skip(span, 1) : span, &value);

	if (error)
		return error;
	if (value > limit)
		return -ERANGE;
	*ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

int span_hex(struct span span, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (span_begins(span, "0x"))
		span = span_skip(span, 2);
	if (!span.length)
		return -EINVAL;
	if (span.length > 16)
		return -ERANGE;
	for (size_t i = 0; i < span.length; i++) {
		char c = span.at[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value << 4 | (uint64_t)((c | 0x20) - 'a' + 10);
		else
			return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

int span_double(struct span span, double *ret_value)
{
	char text[NUMBER_SIZE], *end;
	uint64_t whole;
	double value;

	/* Most are whole numbers, and of fifteen digits a double holds every one. */
	if (span.length <= 15 && !span_u64(span, &whole)) {
		*ret_value = (double)whole;
		return 0;
	}
	/* strtod skips blanks and takes NaN(...), which Go does not. */
	if (!span.length || span.length >= sizeof(text) || is_space(*span.at) || memchr(span.at, '(', span.length) ||
	    memchr(span.at, '\0', span.length))
		return -EINVAL;
	span_copy(span, text, sizeof(text));
	value = strtod(text, &end);
	if (*end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int whole_number(double value, double *ret_whole)
{
	/* 2^64; also refuses what is not a number. */
	if (!(value >= 0 && value < 0x1p64))
		return -ERANGE;
	*ret_whole = (double)(uint64_t)value;
	return 0;
}

void span_metric_name(struct span span, char *ret_text, size_t size)
{
	span_copy(span, ret_text, size);
	for (char *c = ret_text; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
		      *c == ':'))
			*c = '_';
}

void text_join(char *ret_text, size_t size, const struct span *parts, size_t count)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		size_t room = size - 1 - length, taken = parts[i].length < room ? parts[i].length : room;

		memcpy(ret_text + length, parts[i].at, taken);
		length += taken;
	}
	ret_text[length] = '\0';
}
