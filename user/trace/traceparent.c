/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context Level 1 (Recommendation, 23 November 2021), sections 3.2 and 3.3:
 *   traceparent   = version "-" version-format
 *   version       = 2HEXDIGLC                             ; "ff" is invalid
 *   version-format = trace-id "-" parent-id "-" trace-flags
 *   trace-id      = 32HEXDIGLC                            ; all zeroes is invalid
 *   parent-id     = 16HEXDIGLC                            ; likewise
 *   trace-flags   = 2HEXDIGLC
 * Version 00 ends there. Of a higher version the same is read, when it ends there or goes on with "-" (section 4.3).
 *   tracestate    = list-member 0*31( OWS "," OWS list-member )
 *   list-member   = key "=" value / OWS
 *   key           = lcalpha 0*255keychar / 1*241( lcalpha / DIGIT first, keychar ) "@" lcalpha 0*13keychar
 *   keychar       = lcalpha / DIGIT / "_" / "-" / "*" / "/"
 *   value         = 0*255( %x20-2B / %x2D-3C / %x3E-7E ) nblk-chr
 */
#include "trace/traceparent.h"

#include <string.h>

#define TRACEPARENT_BYTES 55
#define VERSION_INVALID 0xff
#define MEMBERS_MAX 32
#define KEY_MAX 256
#define TENANT_MAX 241
#define SYSTEM_MAX 14
#define VALUE_MAX 256

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i])
			return false;
	return true;
}

bool traceparent_parse(struct text text, struct traceparent *ret_parent)
{
	struct traceparent parent;
	const char *at = text.data;
	uint8_t version;

	if (text.length < TRACEPARENT_BYTES || at[2] != '-' || at[35] != '-' || at[52] != '-')
		return false;
	if (!read_hex(at, &version, 1) || version == VERSION_INVALID)
		return false;
	if (text.length > TRACEPARENT_BYTES && (version == 0 || at[TRACEPARENT_BYTES] != '-'))
		return false;
	if (!read_hex(at + 3, parent.trace_id, TRACE_ID_BYTES) || !read_hex(at + 36, parent.parent_id, SPAN_ID_BYTES) ||
	    !read_hex(at + 53, &parent.flags, 1))
		return false;
	if (is_zero(parent.trace_id, TRACE_ID_BYTES) || is_zero(parent.parent_id, SPAN_ID_BYTES))
		return false;
	*ret_parent = parent;
	return true;
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool key_part_valid(const char *text, size_t length, size_t maximum, bool digit_first)
{
	if (length == 0 || length > maximum || !(is_lower(text[0]) || (digit_first && is_digit(text[0]))))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!is_lower(text[i]) && !is_digit(text[i]) && !strchr("_-*/", text[i]))
			return false;
	return !memchr(text, '\0', length);
}

static bool key_valid(const char *text, size_t length)
{
	const char *at = memchr(text, '@', length);
	size_t tenant = at ? (size_t)(at - text) : 0;

	if (!at)
		return key_part_valid(text, length, KEY_MAX, true);
	return key_part_valid(text, tenant, TENANT_MAX, true) &&
	       key_part_valid(at + 1, length - tenant - 1, SYSTEM_MAX, false);
}

static bool value_valid(const char *text, size_t length)
{
	if (length == 0 || length > VALUE_MAX || text[length - 1] == ' ')
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == ',' || text[i] == '=')
			return false;
	return true;
}

static bool member_valid(const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t key = equals ? (size_t)(equals - text) : 0;

	return equals && key_valid(text, key) && value_valid(equals + 1, length - key - 1);
}

static struct text trim(struct text text)
{
	while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.length--;
	}
	while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
		text.length--;
	return text;
}

bool tracestate_valid(struct text text)
{
	size_t members = 0;

	while (text.length > 0) {
		const char *comma = memchr(text.data, ',', text.length);
		size_t length = comma ? (size_t)(comma - text.data) : text.length;
		struct text member = trim((struct text){ text.data, length });

		if (member.length > 0 && (++members > MEMBERS_MAX || !member_valid(member.data, member.length)))
			return false;
		length += comma ? 1 : 0;
		text.data += length;
		text.length -= length;
	}
	return members > 0;
}
