/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do these bytes begin an HTTP/1 message? Asked of the first bytes of a connection, and of bytes after a loss, so a
 * wrong yes makes wrong numbers: the whole start line must be right, not its first word.
 *   request-line = method SP request-target SP HTTP-version CRLF     RFC 9112 section 3
 *   status-line  = HTTP-version SP status-code SP [ reason ] CRLF    RFC 9112 section 4
 *   HTTP-version = "HTTP/1." DIGIT                                   RFC 9112 section 2.3, here of major version 1
 */
#include <string.h>

#include "proto/http1_internal.h"

#define METHOD_MAX 32
#define EMPTY_LINES_MAX 8

/* tchar, RFC 9110 section 5.6.2: one bit for each of the first 128 bytes. */
static bool is_token_byte(uint8_t byte)
{
	static const uint32_t bits[4] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };

	return byte < 128 && (bits[byte >> 5] >> (byte & 31) & 1);
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

enum http_method http1_method(const char *token, size_t length)
{
	static const struct {
		char text[8];
		uint8_t length;
		uint8_t method;
	} known[] = {
		{ "CONNECT", 7, HTTP_METHOD_CONNECT }, { "DELETE", 6, HTTP_METHOD_DELETE },
		{ "HEAD", 4, HTTP_METHOD_HEAD },       { "OPTIONS", 7, HTTP_METHOD_OPTIONS },
		{ "PATCH", 5, HTTP_METHOD_PATCH },     { "POST", 4, HTTP_METHOD_POST },
		{ "PUT", 3, HTTP_METHOD_PUT },         { "QUERY", 5, HTTP_METHOD_QUERY },
		{ "TRACE", 5, HTTP_METHOD_TRACE },
	};

	/* Methods are case-sensitive: RFC 9110 section 9.1. */
	if (length == 3 && !memcmp(token, "GET", 3))
		return HTTP_METHOD_GET;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (length == known[i].length && !memcmp(token, known[i].text, length))
			return known[i].method;
	}
	return HTTP_METHOD_OTHER;
}

size_t http1_method_length(const char *line, size_t length)
{
	size_t i = 0;

	while (i < length && i <= METHOD_MAX && is_token_byte((uint8_t)line[i]))
		i++;
	return i > METHOD_MAX || i == length || line[i] != ' ' ? 0 : i;
}

/* Compares as far as there are bytes; '0' in the pattern is any digit, '1' one from 1 to 9, ' ' itself. */
static enum proto_detect matches(const uint8_t *bytes, size_t length, const char *pattern)
{
	for (size_t i = 0; pattern[i]; i++) {
		if (i == length)
			return DETECT_MORE;
		if (pattern[i] == '0' ? !is_digit(bytes[i]) : bytes[i] != (uint8_t)pattern[i])
			return DETECT_NO;
	}
	return DETECT_REQUEST;
}

static enum proto_detect detect_response(const uint8_t *bytes, size_t length)
{
	enum proto_detect match = matches(bytes, length, "HTTP/1.0 000");

	if (match != DETECT_REQUEST)
		return match;
	if (bytes[9] == '0')
		return DETECT_NO;
	if (length == 12)
		return DETECT_MORE;
	return bytes[12] == ' ' || bytes[12] == '\r' || bytes[12] == '\n' ? DETECT_RESPONSE : DETECT_NO;
}

/* A path, "*", or the begin of an authority or of an absolute URI: RFC 9112 section 3.2. */
static bool begins_target(uint8_t byte)
{
	return byte == '/' || byte == '*' || byte == '[' || is_digit(byte) ||
	       ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* The request line is longer than what detection reads: the method and the begin of the target must do. */
static enum proto_detect detect_long(const uint8_t *method, size_t method_length, const uint8_t *target)
{
	if (*target != '/' && memcmp(target, "http://", 7) && memcmp(target, "https://", 8))
		return DETECT_NO;
	for (size_t i = 0; i < method_length; i++) {
		if ((method[i] < 'A' || method[i] > 'Z') && method[i] != '-')
			return DETECT_NO;
	}
	return DETECT_REQUEST;
}

static enum proto_detect detect_target(const uint8_t *bytes, size_t length, size_t start, size_t method_start)
{
	size_t i = start;
	enum proto_detect match;

	if (i < length && !begins_target(bytes[i]))
		return DETECT_NO;
	while (i < length && bytes[i] > ' ' && bytes[i] != 0x7f)
		i++;
	if (i == length && length >= HTTP1_DETECT_MAX)
		return detect_long(bytes + method_start, start - 1 - method_start, bytes + start);
	if (i == length)
		return DETECT_MORE;
	if (bytes[i] != ' ')
		return DETECT_NO;
	i++;
	match = matches(bytes + i, length - i, "HTTP/1.0");
	if (match == DETECT_REQUEST && i + 8 < length)
		return bytes[i + 8] == '\r' || bytes[i + 8] == '\n' ? DETECT_REQUEST : DETECT_NO;
	if (match == DETECT_NO || length < HTTP1_DETECT_MAX)
		return match == DETECT_NO ? DETECT_NO : DETECT_MORE;
	return DETECT_REQUEST;
}

static enum proto_detect detect_request(const uint8_t *bytes, size_t length)
{
	size_t start = 0;
	size_t i;

	/* Empty lines before a request line are to be ignored: RFC 9112 section 2.2. */
	while (start < length && start < 2 * EMPTY_LINES_MAX && (bytes[start] == '\r' || bytes[start] == '\n'))
		start++;
	i = start;
	while (i < length && i - start < METHOD_MAX && is_token_byte(bytes[i]))
		i++;
	if (i == length)
		return DETECT_MORE;
	if (i == start || bytes[i] != ' ')
		return DETECT_NO;
	return detect_target(bytes, length, i + 1, start);
}

enum proto_detect http1_detect(const uint8_t *bytes, size_t length)
{
	enum proto_detect answer;

	if (length > HTTP1_DETECT_MAX)
		length = HTTP1_DETECT_MAX;
	answer = detect_response(bytes, length);
	return answer == DETECT_NO ? detect_request(bytes, length) : answer;
}
