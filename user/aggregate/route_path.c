/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments of a path are values: numbers, UUIDs, hashes, dates, addresses, tokens. Judged by shape alone, in one
 * pass over the bytes. Errs towards names for short segments ("v1", "1.0", "oauth2"), because a value that is missed is
 * still caught when its position collects too many, while a name that is taken for a value is lost.
 */
#include "aggregate/route_path.h"

#include <stdint.h>
#include <string.h>

#include "aggregate/text.h"

#define HEX_MIN 8            /* abbreviated commit ids are 7 to 12: the shorter ones are left to the tree */
#define NUMERIC_DIGITS_MIN 4 /* 2024-01, 10.0.0.1; but "1.0" and "1.2.3" are names */
#define MIXED_MIN 16         /* tokens with digits, lower and upper case */
#define TOKEN_MIN 20         /* tokens with four digits or more among letters */
#define EXTENSION_MAX 5

/* What a segment is made of: how many bytes of each kind. A byte may be of several. */
struct shape {
	size_t digits;
	size_t lower;
	size_t upper;
	size_t hex_letters;
	size_t separators;  /* of numbers, dates and times: - . : , _ + and the letters T and Z */
	size_t token_marks; /* - _ = ~ */
	size_t dashes;
	size_t ats; /* @ or %, which may be an encoded one */
};

enum kind {
	DIGIT = 1,
	LOWER = 2,
	UPPER = 4,
	HEX_LETTER = 8,
	SEPARATOR = 16,
	TOKEN_MARK = 32,
	DASH = 64,
	AT = 128,
};

static const uint8_t kinds[256] = {
	['0' ... '9'] = DIGIT,
	['a' ... 'f'] = LOWER | HEX_LETTER,
	['g' ... 'z'] = LOWER,
	['A' ... 'F'] = UPPER | HEX_LETTER,
	['G' ... 'S'] = UPPER,
	['T'] = UPPER | SEPARATOR,
	['U' ... 'Y'] = UPPER,
	['Z'] = UPPER | SEPARATOR,
	['-'] = SEPARATOR | TOKEN_MARK | DASH,
	['_'] = SEPARATOR | TOKEN_MARK,
	['.'] = SEPARATOR,
	[':'] = SEPARATOR,
	[','] = SEPARATOR,
	['+'] = SEPARATOR,
	['='] = TOKEN_MARK,
	['~'] = TOKEN_MARK,
	['@'] = AT,
	['%'] = AT,
};

static struct shape shape_of(struct text segment)
{
	struct shape shape = { 0 };

	for (size_t i = 0; i < segment.length; i++) {
		uint8_t kind = kinds[(uint8_t)segment.data[i]];

		shape.digits += (kind & DIGIT) != 0;
		shape.lower += (kind & LOWER) != 0;
		shape.upper += (kind & UPPER) != 0;
		shape.hex_letters += (kind & HEX_LETTER) != 0;
		shape.separators += (kind & SEPARATOR) != 0;
		shape.token_marks += (kind & TOKEN_MARK) != 0;
		shape.dashes += (kind & DASH) != 0;
		shape.ats += (kind & AT) != 0;
	}
	return shape;
}

/* RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(struct text segment, const struct shape *shape)
{
	const char *at = segment.data;

	return segment.length == 36 && shape->dashes == 4 && shape->digits + shape->hex_letters == 32 && at[8] == '-' &&
	       at[13] == '-' && at[18] == '-' && at[23] == '-';
}

static bool is_number(struct text segment, const struct shape *shape)
{
	if (shape->digits == segment.length)
		return true;
	if ((segment.data[0] == '-' || segment.data[0] == '+') && shape->digits + 1 == segment.length)
		return shape->digits > 0;
	return shape->digits >= NUMERIC_DIGITS_MIN && shape->digits + shape->separators == segment.length;
}

static bool is_hex(struct text segment, const struct shape *shape)
{
	size_t prefix = segment.length > 2 && segment.data[0] == '0' && (segment.data[1] | 0x20) == 'x' ? 1 : 0;

	return segment.length >= HEX_MIN && shape->digits > 0 &&
	       shape->digits + shape->hex_letters + prefix == segment.length;
}

static bool is_email(struct text segment)
{
	const char *at = memchr(segment.data, '@', segment.length);
	size_t mark = 1;

	if (!at) {
		at = memmem(segment.data, segment.length, "%40", 3);
		mark = 3;
	}
	if (!at || at == segment.data)
		return false;
	size_t domain = segment.length - (size_t)(at - segment.data) - mark;
	const char *dot = memchr(at + mark, '.', domain);
	return dot && dot > at + mark;
}

static bool is_token(struct text segment, const struct shape *shape)
{
	size_t letters = shape->lower + shape->upper;

	if (shape->digits + letters + shape->token_marks != segment.length)
		return false;
	if (segment.length >= MIXED_MIN && shape->digits >= 2 && shape->lower > 0 && shape->upper > 0)
		return true;
	return segment.length >= TOKEN_MIN && shape->digits >= 4 && letters > 0;
}

bool route_segment_is_identifier(struct text segment)
{
	if (segment.length == 0)
		return false;
	if (segment.length > ROUTE_SEGMENT_BYTES)
		return true;
	struct shape shape = shape_of(segment);
	return is_number(segment, &shape) || is_uuid(segment, &shape) || is_hex(segment, &shape) ||
	       (shape.ats > 0 && is_email(segment)) || is_token(segment, &shape);
}

/* Length of ".ext" at the end: up to five letters and digits with a letter among them; 0 when there is none. */
static size_t extension_length(struct text segment)
{
	size_t length = 0, letters = 0;

	while (length < segment.length && length <= EXTENSION_MAX) {
		char c = segment.data[segment.length - 1 - length];

		if (c == '.')
			return length > 0 && letters > 0 && length + 1 < segment.length ? length + 1 : 0;
		uint8_t kind = kinds[(uint8_t)c];
		if (!(kind & (LOWER | UPPER | DIGIT)))
			return 0;
		letters += (kind & (LOWER | UPPER)) != 0;
		length++;
	}
	return 0;
}

size_t route_segment_text(struct text segment, char out[ROUTE_SEGMENT_ROOM])
{
	size_t extension = extension_length(segment);
	struct text stem = { .data = segment.data, .length = segment.length - extension };

	if (segment.length <= ROUTE_SEGMENT_BYTES && !route_segment_is_identifier(segment)) {
		if (extension == 0 || !route_segment_is_identifier(stem))
			return text_sanitise(segment.data, segment.length, out, ROUTE_SEGMENT_ROOM);
	} else {
		extension = 0;
	}
	memcpy(out, ROUTE_ID, ROUTE_ID_LENGTH);
	memcpy(out + ROUTE_ID_LENGTH, stem.data + stem.length, extension); /* letters and digits: fit as they are */
	out[ROUTE_ID_LENGTH + extension] = '\0';
	return ROUTE_ID_LENGTH + extension;
}

static bool ends_segment(char c)
{
	return c == '/' || c == '?' || c == '#';
}

bool route_path_split(struct text path, struct route_path *ret_path)
{
	size_t at = 0;

	if (path.length == 0 || path.data[0] != '/')
		return false;
	ret_path->count = 0;
	ret_path->cut = false;
	while (at < path.length && path.data[at] == '/') {
		size_t start = ++at, parameters;

		while (at < path.length && !ends_segment(path.data[at]) && path.data[at] != ';')
			at++;
		parameters = at;
		while (at < path.length && !ends_segment(path.data[at]))
			at++;
		ret_path->trailing_slash = at == start;
		if (parameters == start)
			continue;
		if (ret_path->count == ROUTE_SEGMENTS_MAX) {
			ret_path->cut = true;
			break;
		}
		ret_path->segments[ret_path->count++] =
			(struct text){ .data = path.data + start, .length = parameters - start };
	}
	ret_path->trailing_slash = ret_path->trailing_slash && ret_path->count > 0 && !ret_path->cut;
	return true;
}
