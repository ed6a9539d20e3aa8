/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do these bytes begin a command or a reply of Redis? Asked of the first bytes of a connection, and of bytes after a
 * loss. A command is an array of strings whose first is a known command; a reply is a value whose header, and that of
 * its first element, is right to the last byte. Inline commands are plain words, and other protocols begin with the
 * same
 * ("GET key", "PING"): they alone are never enough, the reply must tell.
 */
#include <string.h>

#include "proto/redis_internal.h"

#define DETECT_DEPTH 4
#define DIGITS_MAX 10

/* What is still to be looked at. */
struct view {
	const uint8_t *bytes;
	size_t length;
};

static void advance(struct view *view, size_t length)
{
	view->bytes += length;
	view->length -= length;
}

/* CR LF, as far as there are bytes. */
static enum proto_detect line_end(struct view *view)
{
	static const uint8_t line[2] = { '\r', '\n' };

	for (size_t i = 0; i < 2; i++) {
		if (i == view->length)
			return DETECT_MORE;
		if (view->bytes[i] != line[i])
			return DETECT_NO;
	}
	advance(view, 2);
	return DETECT_RESPONSE;
}

/* Digits without leading zeros, and the line's end. -1 is told as UINT64_MAX. */
static enum proto_detect number_line(struct view *view, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t i = 0;

	if (view->length >= 2 && view->bytes[0] == '-' && view->bytes[1] == '1') {
		advance(view, 2);
		*ret_number = UINT64_MAX;
		return line_end(view);
	}
	if (view->length == 1 && view->bytes[0] == '-')
		return DETECT_MORE;
	while (i < view->length && i <= DIGITS_MAX && view->bytes[i] >= '0' && view->bytes[i] <= '9')
		number = number * 10 + (uint64_t)(view->bytes[i++] - '0');
	if (i > DIGITS_MAX || (i > 1 && view->bytes[0] == '0') || (i == 0 && view->length > 0))
		return DETECT_NO;
	if (i == view->length)
		return DETECT_MORE;
	advance(view, i);
	*ret_number = number;
	return line_end(view);
}

/* A line of `allowed` characters, not empty. */
static enum proto_detect text_line(struct view *view, const char *allowed, size_t max)
{
	size_t i = 0;

	while (i < view->length && i <= max && view->bytes[i] && strchr(allowed, view->bytes[i]))
		i++;
	if (i > max)
		return DETECT_NO;
	if (i == view->length)
		return DETECT_MORE;
	advance(view, i);
	return i > 0 ? line_end(view) : DETECT_NO;
}

/* The simple strings that there are, but for those of scripts. Any text would be a greeting of POP3. */
static enum proto_detect status_line(const struct view *view)
{
	static const char *const known[] = {
		"OK\r\n",     "PONG\r\n", "QUEUED\r\n", "RESET\r\n", "FULLRESYNC ", "CONTINUE",   "Background ",
		"string\r\n", "list\r\n", "set\r\n",    "zset\r\n",  "hash\r\n",    "stream\r\n", "none\r\n",
	};
	enum proto_detect answer = DETECT_NO;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t whole = strlen(known[i]), length = view->length < whole ? view->length : whole;

		if (memcmp(view->bytes, known[i], length))
			continue;
		if (length == whole)
			return DETECT_RESPONSE;
		answer = DETECT_MORE;
	}
	return answer;
}

static enum proto_detect error_line(const struct view *view)
{
	size_t i = 0;

	while (i < view->length && i <= REDIS_WORD_MAX && view->bytes[i] >= 'A' && view->bytes[i] <= 'Z')
		i++;
	if (i > REDIS_WORD_MAX)
		return DETECT_NO;
	if (i == view->length)
		return DETECT_MORE;
	if (view->bytes[i] != ' ' && view->bytes[i] != '\r')
		return DETECT_NO;
	return redis_code_find((const char *)view->bytes, i) ? DETECT_RESPONSE : DETECT_NO;
}

/* A string's bytes end with CR LF, where that can be seen. */
static enum proto_detect bulk(struct view *view)
{
	uint64_t length = 0;
	enum proto_detect answer = number_line(view, &length);

	if (answer != DETECT_RESPONSE || length == UINT64_MAX)
		return answer;
	if (length + 2 > REDIS_DETECT_MAX / 2)
		return length <= REDIS_BULK_MAX ? DETECT_RESPONSE : DETECT_NO;
	if (length >= view->length)
		return DETECT_MORE;
	advance(view, (size_t)length);
	return line_end(view);
}

static enum proto_detect value(struct view *view, int depth);

static enum proto_detect aggregate(struct view *view, bool may_be_null, int depth)
{
	uint64_t count = 0;
	enum proto_detect answer = number_line(view, &count);

	if (answer != DETECT_RESPONSE)
		return answer;
	if (count == UINT64_MAX)
		return may_be_null ? DETECT_RESPONSE : DETECT_NO;
	if (count > REDIS_COUNT_MAX)
		return DETECT_NO;
	if (count == 0 || depth == DETECT_DEPTH)
		return DETECT_RESPONSE;
	return value(view, depth + 1);
}

static enum proto_detect value(struct view *view, int depth)
{
	uint64_t number;
	uint8_t type;

	if (view->length == 0)
		return DETECT_MORE;
	type = view->bytes[0];
	advance(view, 1);
	switch (type) {
	case '+':
		return status_line(view);
	case '-':
		return error_line(view);
	case ':':
		return number_line(view, &number);
	case '$':
	case '!':
	case '=':
		return bulk(view);
	case '*':
	case '%':
	case '~':
	case '>':
	case '|':
		return aggregate(view, type == '*', depth);
	case '_':
		return line_end(view);
	case '#':
		return text_line(view, "tf", 1);
	case ',':
		return text_line(view, "0123456789.-+einfa", 32);
	case '(':
		return text_line(view, "0123456789-+", 256);
	default:
		return DETECT_NO;
	}
}

/* "*2", "$3", "GET": the array is a command. MORE: it may be one. */
static enum proto_detect command(struct view view)
{
	uint64_t count = 0, length = 0;
	enum proto_detect answer;

	advance(&view, 1);
	answer = number_line(&view, &count);
	if (answer != DETECT_RESPONSE)
		return answer;
	if (count == 0 || count > REDIS_COUNT_MAX)
		return DETECT_NO;
	if (view.length == 0)
		return DETECT_MORE;
	if (view.bytes[0] != '$')
		return DETECT_NO;
	advance(&view, 1);
	answer = number_line(&view, &length);
	if (answer != DETECT_RESPONSE)
		return answer;
	if (length == 0 || length > REDIS_WORD_MAX)
		return DETECT_NO;
	if (view.length < length)
		return DETECT_MORE;
	if (redis_command_find((const char *)view.bytes, (size_t)length) == REDIS_COMMAND_OTHER)
		return DETECT_NO;
	advance(&view, (size_t)length);
	answer = line_end(&view);
	return answer == DETECT_RESPONSE ? DETECT_REQUEST : answer;
}

/* Printable lines, the first of which begins with a command. */
static enum proto_detect inline_command(const struct view *view)
{
	size_t word = 0;

	while (word < view->length && word <= REDIS_WORD_MAX && view->bytes[word] > ' ')
		word++;
	if (word > REDIS_WORD_MAX)
		return DETECT_NO;
	if (word < view->length && redis_command_find((const char *)view->bytes, word) == REDIS_COMMAND_OTHER)
		return DETECT_NO;
	for (size_t i = 0; i < view->length; i++) {
		uint8_t byte = view->bytes[i];

		if ((byte < ' ' && byte != '\r' && byte != '\n' && byte != '\t') || byte > '~')
			return DETECT_NO;
	}
	return view->length < REDIS_DETECT_MAX ? DETECT_MORE : DETECT_NO;
}

enum proto_detect redis_detect(const uint8_t *bytes, size_t length)
{
	struct view view = { bytes, length < REDIS_DETECT_MAX ? length : REDIS_DETECT_MAX };
	enum proto_detect answer;

	if (length == 0)
		return DETECT_MORE;
	if ((bytes[0] | 0x20) >= 'a' && (bytes[0] | 0x20) <= 'z')
		return inline_command(&view);
	if (bytes[0] == '*') {
		answer = command(view);
		if (answer != DETECT_NO)
			return answer;
	}
	answer = value(&view, 0);
	/* A header longer than what is looked at is none. */
	return answer == DETECT_MORE && length >= REDIS_DETECT_MAX ? DETECT_NO : answer;
}
