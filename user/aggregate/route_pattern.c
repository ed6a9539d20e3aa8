/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configured route templates, compiled into segments. A linear search in order: "first match wins" is then plain to
 * see, there are few of them, and the answer for a path is remembered by the caller's cache.
 */
#include "aggregate/route_pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/text.h"

struct route_pattern {
	char *text; /* owned; path.segments point into it */
	struct route_path path;
	bool wildcard; /* the last segment is `*`, and is not in path */
};

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

static bool is_variable(struct text segment)
{
	return segment.data[0] == '{';
}

static bool segment_valid(struct text segment)
{
	if (!is_variable(segment))
		return !memchr(segment.data, '{', segment.length) && !memchr(segment.data, '}', segment.length) &&
		       !memchr(segment.data, '*', segment.length);
	if (segment.length < 3 || segment.data[segment.length - 1] != '}')
		return false;
	for (size_t i = 1; i + 1 < segment.length; i++)
		if (!name_char(segment.data[i]))
			return false;
	return true;
}

/* Printable, and nothing that a path would lose on its way here: query, fragment, parameters, doubled slashes. */
static bool text_valid(const char *text, size_t length)
{
	char copy[ROUTE_MAX + 1];

	if (length == 0 || length > ROUTE_MAX || text[0] != '/')
		return false;
	if (strpbrk(text, "?#; ") || strstr(text, "//"))
		return false;
	return text_sanitise(text, length, copy, sizeof(copy)) == length && memcmp(copy, text, length) == 0;
}

/* Fills a pattern from its own text. */
static bool pattern_compile(struct route_pattern *pattern)
{
	size_t length = strlen(pattern->text);

	if (!text_valid(pattern->text, length))
		return false;
	if (!route_path_split((struct text){ .data = pattern->text, .length = length }, &pattern->path) ||
	    pattern->path.cut)
		return false;
	struct route_path *path = &pattern->path;
	if (length >= 2 && strcmp(pattern->text + length - 2, "/*") == 0) {
		pattern->wildcard = true;
		path->count--;
	}
	for (size_t i = 0; i < path->count; i++)
		if (!segment_valid(path->segments[i]))
			return false;
	return true;
}

int route_patterns_init(struct route_patterns *patterns, const char *const *texts, size_t count, size_t *ret_bad)
{
	*patterns = (struct route_patterns){ 0 };
	if (count > ROUTE_PATTERNS_MAX) {
		*ret_bad = ROUTE_PATTERNS_MAX;
		return -EINVAL;
	}
	if (count == 0)
		return 0;
	patterns->items = calloc(count, sizeof(*patterns->items));
	if (!patterns->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		patterns->items[i].text = strdup(texts[i]);
		patterns->count = i + 1;
		int error = !patterns->items[i].text ? -ENOMEM : pattern_compile(&patterns->items[i]) ? 0 : -EINVAL;
		if (error) {
			if (error == -EINVAL)
				*ret_bad = i;
			route_patterns_done(patterns);
			return error;
		}
	}
	return 0;
}

void route_patterns_done(struct route_patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		free(patterns->items[i].text);
	free(patterns->items);
	*patterns = (struct route_patterns){ 0 };
}

static bool pattern_matches(const struct route_pattern *pattern, const struct route_path *path)
{
	const struct route_path *wanted = &pattern->path;

	if (pattern->wildcard) {
		/* The slash before the `*` must be there: "/static/" matches, "/static" does not. */
		bool rest = path->count > wanted->count || path->trailing_slash || path->count == 0;

		if (path->count < wanted->count || !rest)
			return false;
	} else if (path->cut || path->count != wanted->count || path->trailing_slash != wanted->trailing_slash) {
		return false;
	}
	for (size_t i = 0; i < wanted->count; i++) {
		struct text want = wanted->segments[i], have = path->segments[i];

		if (!is_variable(want) &&
		    (want.length != have.length || memcmp(want.data, have.data, want.length) != 0))
			return false;
	}
	return true;
}

const char *route_patterns_match(const struct route_patterns *patterns, const struct route_path *path)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (pattern_matches(&patterns->items[i], path))
			return patterns->items[i].text;
	return NULL;
}
