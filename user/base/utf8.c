/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 by the table of RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#include "base/utf8.h"

#include <stdint.h>

/* By first byte: how many follow, and between what the second one lies (the others: 80 to BF). */
struct utf8_form {
	uint8_t first, last;
	uint8_t following;
	uint8_t second_from, second_to;
};

static const struct utf8_form forms[] = {
	{ 0x00, 0x7f, 0, 0, 0 },       { 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf },
	{ 0xe1, 0xec, 2, 0x80, 0xbf }, { 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf },
	{ 0xf0, 0xf0, 3, 0x90, 0xbf }, { 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

static const struct utf8_form *form_of(uint8_t first)
{
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (first >= forms[i].first && first <= forms[i].last)
			return &forms[i];
	return NULL;
}

size_t utf8_sequence(const char *text, size_t length)
{
	const uint8_t *bytes = (const uint8_t *)text;
	const struct utf8_form *form;
	size_t i;

	form = length ? form_of(bytes[0]) : NULL;
	if (!form || length <= form->following)
		return 0;
	if (form->following && (bytes[1] < form->second_from || bytes[1] > form->second_to))
		return 0;
	for (i = 2; i <= form->following; i++)
		if (bytes[i] < 0x80 || bytes[i] > 0xbf)
			return 0;
	return (size_t)form->following + 1;
}

bool utf8_valid(const char *text, size_t length)
{
	while (length) {
		size_t step = utf8_sequence(text, length);

		if (!step)
			return false;
		text += step;
		length -= step;
	}
	return true;
}
