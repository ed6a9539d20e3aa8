/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking the text of the kernel's files apart: lines, words, numbers. Pure: works on borrowed bytes that need not end
 * in a NUL, allocates nothing, never reads past the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

struct span {
	const char *at;
	size_t length;
};

static inline struct span span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static inline bool span_is(struct span span, const char *text)
{
	return strlen(text) == span.length && !memcmp(span.at, text, span.length);
}

static inline bool span_begins(struct span span, const char *text)
{
	size_t length = strlen(text);

	return length <= span.length && !memcmp(span.at, text, length);
}

static inline struct span span_skip(struct span span, size_t count)
{
	count = count < span.length ? count : span.length;
	return (struct span){ span.at + count, span.length - count };
}

/* The length for printf's %.*s, cut to what there is room for. */
static inline int span_cut(struct span span, size_t most)
{
	return (int)(span.length < most ? span.length : most);
}

/* Without blanks and line ends at both ends. */
struct span span_trim(struct span span);
/* Cuts a NUL-terminated copy to size; a NUL byte inside ends it. */
void span_copy(struct span span, char *ret_text, size_t size);

/* The next line, without its end, taken off the text; false at the end. */
bool scan_line(struct span *text, struct span *ret_line);
/* The next word between blanks, taken off the line. */
bool scan_word(struct span *line, struct span *ret_word);
/* What stands before the next `separator`, which is taken off too; all when there is none, false when nothing is left.
 */
bool scan_until(struct span *line, char separator, struct span *ret_part);
/* The next word as an unsigned number. */
bool scan_u64(struct span *line, uint64_t *ret_value);

/* The whole span as a number: decimal, with a sign where signed. -EINVAL, -ERANGE. */
MUST_CHECK int span_u64(struct span span, uint64_t *ret_value);
MUST_CHECK int span_i64(struct span span, int64_t *ret_value);
MUST_CHECK int span_hex(struct span span, uint64_t *ret_value);
/* As Go's ParseFloat reads it, which Prometheus' formats follow. */
MUST_CHECK int span_double(struct span span, double *ret_value);
/* Without its fraction; -ERANGE when it is no unsigned 64-bit number. */
MUST_CHECK int whole_number(double value, double *ret_whole);

/* The parts one after the other, cut to size: what snprintf would do at ten times the cost. */
void text_join(char *ret_text, size_t size, const struct span *parts, size_t count);

/* Into ret_text: every byte that no metric name may have becomes an underscore. */
void span_metric_name(struct span span, char *ret_text, size_t size);
