/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies runs of plain bytes whole and stops only at what needs an escape or a look at its UTF-8. Each byte that begins
 * no well-formed sequence becomes one U+FFFD. Pure.
 */
#include "exporters/common/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Of eight bytes at once: whether one of them is below 0x20, not ASCII, or one that some rule escapes. The marks are
 * exact for what is not marked; a marked byte may be an innocent neighbour, which the slow way looks at again. */
static bool all_plain(const char *text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t word, marks;

	memcpy(&word, text, sizeof(word));
	marks = word | (word - ones * 0x20);
	for (const char *special = "\"\\&<>"; *special; special++)
		marks |= (word ^ ones * (uint8_t)*special) - ones;
	return !(marks & high);
}

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '&' && c != '<' && c != '>';
}

/* Bytes of plain text at the beginning; a byte that no rule escapes may end it. */
static size_t plain_length(const char *text, size_t length)
{
	size_t at = 0;

	while (length - at >= sizeof(uint64_t) && all_plain(text + at))
		at += sizeof(uint64_t);
	while (at < length && is_plain(text[at]))
		at++;
	return at;
}

/* Bytes of the well-formed character at `text`; 0 when there is none. A NUL ends no character but its own. */
static size_t character_length(const char *text)
{
	if ((uint8_t)*text < 0x80)
		return 1;
	return utf8_sequence(text, strnlen(text, 4));
}

static const char *escape_prometheus(char c, bool quoted)
{
	if (c == '\\')
		return "\\\\";
	if (c == '\n')
		return "\\n";
	return c == '"' && quoted ? "\\\"" : NULL;
}

static const char *escape_html(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	default:
		return NULL;
	}
}

/* RFC 8259: quotation mark, reverse solidus and U+0000 to U+001F MUST be escaped; the last in `six` as \u00XX. */
static const char *escape_json(char c, char six[7])
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"')
		return "\\\"";
	if (c == '\\')
		return "\\\\";
	if ((uint8_t)c >= 0x20)
		return NULL;
	memcpy(six, "\\u0000", 7);
	six[4] = hex[c >> 4];
	six[5] = hex[c & 0xF];
	return six;
}

static const char *escape_of(char c, enum escape_rule rule, char six[7])
{
	switch (rule) {
	case ESCAPE_BACKSLASH:
	case ESCAPE_QUOTED:
		return escape_prometheus(c, rule == ESCAPE_QUOTED);
	case ESCAPE_JSON:
		return escape_json(c, six);
	case ESCAPE_HTML:
		return escape_html(c);
	case ESCAPE_NOTHING:
		break;
	}
	return NULL;
}

void escape_append(struct buffer *out, const char *text, enum escape_rule rule)
{
	const char *plain = text, *end = text + strlen(text);
	const char *instead;
	size_t length;
	char six[7];

	for (;;) {
		text += plain_length(text, (size_t)(end - text));
		if (!*text)
			break;
		length = character_length(text);
		instead = length == 0 ? replacement : escape_of(*text, rule, six);
		if (!instead) {
			text += length;
			continue;
		}
		buffer_append(out, plain, (size_t)(text - plain));
		buffer_append_string(out, instead);
		plain = ++text;
	}
	buffer_append(out, plain, (size_t)(text - plain));
}

void escape_hex(const uint8_t *bytes, size_t length, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		ret_text[2 * i] = digits[bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	ret_text[2 * length] = '\0';
}
