/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Well-formed UTF-8 stays as it is; C0, DEL and C1 controls are replaced like invalid bytes, because a label is read by
 * people and terminals.
 */
#include "aggregate/text.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The length of the character at `at`, or 0 when the bytes are no character or a control. */
static size_t printable_length(const char *at, size_t left)
{
	uint8_t first = (uint8_t)at[0];

	if (first < 0x80)
		return first >= 0x20 && first != 0x7f;
	if (first == 0xc2 && left > 1 && (uint8_t)at[1] < 0xa0)
		return 0;
	return utf8_sequence(at, left);
}

size_t text_sanitise(const char *bytes, size_t length, char *out, size_t capacity)
{
	size_t used = 0;

	for (size_t i = 0; i < length;) {
		const char *from = bytes + i;
		size_t taken = printable_length(from, length - i), size = taken;

		if (taken == 0) {
			from = replacement;
			size = sizeof(replacement) - 1;
			taken = 1;
		}
		if (used + size >= capacity)
			break;
		memcpy(out + used, from, size);
		used += size;
		i += taken;
	}
	out[used] = '\0';
	return used;
}
