/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed piece of bytes, without a terminating NUL, and the few questions that naming a process asks of it.
 * Everything that /proc or the kernel tells about a process is hostile text: nothing here reads past a slice, and only
 * slice_clean turns one into a string that may leave the agent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define IDENTITY_NAME_MAX 128 /* bytes of a service name, without the NUL */

struct slice {
	const char *data;
	size_t length;
};

static inline struct slice slice_make(const char *data, size_t length)
{
	return (struct slice){ .data = data, .length = length };
}

static inline struct slice slice_of(const char *string)
{
	return slice_make(string, strlen(string));
}

bool slice_is(struct slice slice, const char *string);
bool slice_starts(struct slice slice, const char *prefix);
bool slice_ends(struct slice slice, const char *suffix);
bool slice_contains(struct slice slice, const char *string);
/* True when `list`, which ends in NULL, holds the slice. */
bool slice_in(struct slice slice, const char *const *list);
/* True for one or more ASCII digits and nothing else. */
bool slice_is_number(struct slice slice);

/* Without the first `count` bytes; empty when there are fewer. */
struct slice slice_skip(struct slice slice, size_t count);
/* Without the last `count` bytes; empty when there are fewer. */
struct slice slice_drop(struct slice slice, size_t count);
/* The part before the first `c`; all of it when there is none. */
struct slice slice_before(struct slice slice, char c);
/* The part after the last `c`; all of it when there is none. */
struct slice slice_after_last(struct slice slice, char c);
/* Splits at the first `c`: takes the part before it out of `rest`. False when `rest` was used up. */
bool slice_next(struct slice *rest, char c, struct slice *ret_part);
/* ASCII white space off both ends. */
struct slice slice_trim(struct slice slice);

/* The last component of a path; trailing slashes do not count. */
struct slice slice_base(struct slice path);
/* The directory part of a path, "" when it has none. */
struct slice slice_parent(struct slice path);

/*
 * Makes a name that may be shown: valid UTF-8 (bytes that are not become U+FFFD, as W3C Baggage asks), no control or
 * direction characters (they become '_'), no white space at the ends, at most IDENTITY_NAME_MAX bytes cut between
 * characters. `name` holds IDENTITY_NAME_MAX + 1 bytes and is NUL-terminated. Returns its length, 0 for no name.
 */
size_t slice_clean(struct slice slice, char *name);
/* The same for texts of at most `max` bytes; `text` holds max + 1. */
size_t slice_clean_to(struct slice slice, char *text, size_t max);
