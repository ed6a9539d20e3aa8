/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See percent.h.
 */
#include "base/percent.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text; text++) {
		char c = *text;

		if (c == '%') {
			int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high << 4 | low);
			text += 2;
		}
		if (used + 1 >= size)
			return false;
		out[used++] = c;
	}
	if (used >= size)
		return false;
	out[used] = '\0';
	return true;
}
