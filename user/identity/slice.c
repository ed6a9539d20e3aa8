/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed bytes: comparing, cutting, and the one way out, slice_clean.
 * Pure functions: no allocation, no state.
 */
#include "identity/slice.h"

#include <stdint.h>

#include "base/utf8.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool slice_is(struct slice slice, const char *string)
{
	size_t length = strlen(string);

	return slice.length == length && (!length || !memcmp(slice.data, string, length));
}

bool slice_starts(struct slice slice, const char *prefix)
{
	size_t length = strlen(prefix);

	return slice.length >= length && (!length || !memcmp(slice.data, prefix, length));
}

bool slice_ends(struct slice slice, const char *suffix)
{
	size_t length = strlen(suffix);

	return slice.length >= length && (!length || !memcmp(slice.data + slice.length - length, suffix, length));
}

bool slice_contains(struct slice slice, const char *string)
{
	return slice.length && memmem(slice.data, slice.length, string, strlen(string));
}

bool slice_in(struct slice slice, const char *const *list)
{
	for (; list && *list; list++)
		if (slice_is(slice, *list))
			return true;
	return false;
}

bool slice_is_number(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++)
		if (slice.data[i] < '0' || slice.data[i] > '9')
			return false;
	return slice.length;
}

struct slice slice_skip(struct slice slice, size_t count)
{
	if (count >= slice.length)
		return slice_of("");
	return slice_make(slice.data + count, slice.length - count);
}

struct slice slice_drop(struct slice slice, size_t count)
{
	slice.length -= count < slice.length ? count : slice.length;
	return slice;
}

struct slice slice_before(struct slice slice, char c)
{
	const char *found = slice.length ? memchr(slice.data, c, slice.length) : NULL;

	return found ? slice_make(slice.data, (size_t)(found - slice.data)) : slice;
}

struct slice slice_after_last(struct slice slice, char c)
{
	const char *found = slice.length ? memrchr(slice.data, c, slice.length) : NULL;

	return found ? slice_skip(slice, (size_t)(found - slice.data) + 1) : slice;
}

bool slice_next(struct slice *rest, char c, struct slice *ret_part)
{
	if (!rest->length)
		return false;
	*ret_part = slice_before(*rest, c);
	*rest = slice_skip(*rest, ret_part->length + 1);
	return true;
}

struct slice slice_trim(struct slice slice)
{
	while (slice.length && is_space(slice.data[slice.length - 1]))
		slice.length--;
	while (slice.length && is_space(slice.data[0]))
		slice = slice_skip(slice, 1);
	return slice;
}

static struct slice without_trailing_slashes(struct slice path)
{
	while (path.length && path.data[path.length - 1] == '/')
		path.length--;
	return path;
}

struct slice slice_base(struct slice path)
{
	return slice_after_last(without_trailing_slashes(path), '/');
}

struct slice slice_parent(struct slice path)
{
	path = without_trailing_slashes(path);
	return without_trailing_slashes(slice_drop(path, slice_base(path).length));
}

/* The character that utf8_sequence measured. */
static uint32_t decode(const char *bytes, size_t length)
{
	uint32_t character = (unsigned char)bytes[0] & (length > 1 ? 0x7fU >> length : 0x7fU);

	for (size_t i = 1; i < length; i++)
		character = character << 6 | ((unsigned char)bytes[i] & 0x3fU);
	return character;
}

/* Controls (C0, DEL, C1), line and paragraph ends, direction marks, the byte order mark, noncharacters. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

size_t slice_clean_to(struct slice slice, char *name, size_t max)
{
	size_t length = 0;

	slice = slice_trim(slice);
	while (slice.length) {
		size_t consumed = utf8_sequence(slice.data, slice.length);
		bool hidden = consumed && is_hidden(decode(slice.data, consumed));
		const char *bytes = !consumed ? "\xef\xbf\xbd" : hidden ? "_" : slice.data;
		size_t count = !consumed ? 3 : hidden ? 1 : consumed;

		if (length + count > max)
			break;
		memcpy(name + length, bytes, count);
		length += count;
		slice = slice_skip(slice, consumed ? consumed : 1);
	}
	/* The cut may have uncovered white space. */
	length = slice_trim(slice_make(name, length)).length;
	name[length] = '\0';
	return length;
}

size_t slice_clean(struct slice slice, char *name)
{
	return slice_clean_to(slice, name, IDENTITY_NAME_MAX);
}
