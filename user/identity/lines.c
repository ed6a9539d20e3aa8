/* SPDX-License-Identifier: Apache-2.0 */
/*
 * There are a dozen lines or two: looking through them all is cheap, and happens when a process is new.
 */
#include "identity/lines.h"

#include <stdio.h>

size_t lines_add(char *lines, size_t size, size_t length, const char *key, struct slice value)
{
	char text[LINE_VALUE_MAX + 1];
	int line;

	if (!slice_clean_to(value, text, sizeof(text) - 1))
		return length;
	line = snprintf(lines + length, size - length, "%s=%s\n", key, text);
	if (line > 0 && (size_t)line < size - length)
		return length + (size_t)line;
	lines[length] = '\0';
	return length;
}

bool lines_key(struct slice key)
{
	for (size_t i = 0; i < key.length; i++) {
		char c = key.data[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return key.length > 0 && key.length <= IDENTITY_NAME_MAX;
}

bool lines_have(const char *lines, struct slice key)
{
	struct slice rest = slice_of(lines), line;

	while (slice_next(&rest, '\n', &line)) {
		struct slice own = slice_before(line, '=');

		if (own.length == key.length && !memcmp(own.data, key.data, key.length))
			return true;
	}
	return false;
}

size_t lines_add_all(char *lines, size_t size, size_t length, const char *more)
{
	struct slice rest = slice_of(more), line;

	while (slice_next(&rest, '\n', &line)) {
		if (lines_have(lines, slice_before(line, '=')) || line.length + 2 > size - length)
			continue;
		memcpy(lines + length, line.data, line.length);
		length += line.length;
		lines[length++] = '\n';
		lines[length] = '\0';
	}
	return length;
}

static bool has_line(struct slice lines, struct slice wanted)
{
	struct slice line;

	while (slice_next(&lines, '\n', &line))
		if (line.length == wanted.length && !memcmp(line.data, wanted.data, wanted.length))
			return true;
	return false;
}

size_t lines_intersect(char *lines, const char *other)
{
	struct slice rest = slice_of(lines), line;
	size_t length = 0;

	while (slice_next(&rest, '\n', &line)) {
		if (!line.length || !has_line(slice_of(other), line))
			continue;
		memmove(lines + length, line.data, line.length);
		length += line.length;
		lines[length++] = '\n';
	}
	lines[length] = '\0';
	return length;
}
