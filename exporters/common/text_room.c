/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most text is valid and copied as it is; each byte that begins no well-formed character becomes U+FFFD, and so does
 * NUL, which would end the string.
 */
#include "exporters/common/text_room.h"

#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

char *text_room_keep(struct text_room *room, struct text text)
{
	char *begin = room->at, *at = begin;
	size_t left = room->left;

	for (size_t i = 0; i < text.length;) {
		size_t length = text.data[i] ? utf8_sequence(text.data + i, text.length - i) : 0;
		const char *from = length ? text.data + i : replacement;
		size_t size = length ? length : sizeof(replacement) - 1;

		if (size >= left)
			return NULL;
		memcpy(at, from, size);
		at += size;
		left -= size;
		i += length ? length : 1;
	}
	if (left == 0)
		return NULL;
	*at = '\0';
	room->at = at + 1;
	room->left = left - 1;
	return begin;
}
