/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request lines and status lines, each read once it is whole. Of a request line, the method, the path and the authority
 * are kept; of the query nothing but what the user named (http1_keep.c).
 *   request-line   = method SP request-target SP HTTP-version             RFC 9112 section 3
 *   request-target = origin-form / absolute-form / authority-form / "*"   RFC 9112 section 3.2
 *   status-line    = HTTP-version SP status-code SP [ reason-phrase ]     RFC 9112 section 4
 * Stricter than section 3 allows: words are parted by one SP, as every server in wide use demands.
 */
#include <string.h>
#include <strings.h>

#include "proto/http1_internal.h"

#define VERSION_LENGTH 8 /* "HTTP/1.1" */

/* 10 or 11, 0 when it is neither. A higher minor version is read as 1.1: RFC 9110 section 2.5. */
static uint8_t read_version(const char *text)
{
	if (memcmp(text, "HTTP/1.", 7) != 0 || text[7] < '0' || text[7] > '9')
		return 0;
	return text[7] == '0' ? 10 : 11;
}

struct target {
	struct text path;
	struct text authority;
};

/* absolute-form: "http://" [ userinfo "@" ] authority path. Credentials of userinfo are not kept. */
static void split_absolute(struct target *target, size_t scheme_length)
{
	const char *rest = target->path.data + scheme_length;
	size_t length = target->path.length - scheme_length;
	const char *slash = memchr(rest, '/', length);
	size_t authority = slash ? (size_t)(slash - rest) : length;
	const char *at = memrchr(rest, '@', authority);

	target->path = (struct text){ rest + authority, length - authority };
	/* An empty path is "/": RFC 9110 section 4.2.3. */
	if (target->path.length == 0)
		target->path = (struct text){ "/", 1 };
	at = at ? at + 1 : rest;
	target->authority = (struct text){ at, authority - (size_t)(at - rest) };
}

static void split_target(struct target *target, enum http_method method)
{
	struct text *path = &target->path;

	if (method == HTTP_METHOD_CONNECT || path->data[0] == '/')
		return;
	if (path->length >= 7 && !strncasecmp(path->data, "http://", 7))
		split_absolute(target, 7);
	else if (path->length >= 8 && !strncasecmp(path->data, "https://", 8))
		split_absolute(target, 8);
}

/* Length of the target up to its query or fragment; SIZE_MAX when a byte is not allowed in it. */
static size_t scan_target(const char *target, size_t length)
{
	enum {
		ENDS_PATH = 1,
		NOT_ALLOWED = 2,
	};
	static const uint8_t classes[256] = {
		[0 ... ' '] = NOT_ALLOWED,
		['#'] = ENDS_PATH,
		['?'] = ENDS_PATH,
		[0x7f] = NOT_ALLOWED,
	};
	size_t i = 0;
	size_t path;

	while (i < length && classes[(uint8_t)target[i]] == 0)
		i++;
	path = i;
	while (i < length && classes[(uint8_t)target[i]] != NOT_ALLOWED)
		i++;
	return i == length ? path : SIZE_MAX;
}

static bool keep_target(struct http1_state *state, struct http1_request *request, struct target *target)
{
	if (target->path.length > HTTP1_PATH_MAX)
		target->path.length = HTTP1_PATH_MAX;
	if (target->authority.length > HTTP1_HOST_MAX)
		target->authority.length = HTTP1_HOST_MAX;
	return http1_keep_text(state, request, target->path.data, target->path.length, target->authority.data,
			       target->authority.length) == 0;
}

enum proto_status http1_request_line(struct http1_feed *feed, const char *line, size_t length)
{
	size_t method_length = http1_method_length(line, length);
	struct http1_request *request;
	struct target target = {};
	size_t target_length, query_at;
	uint8_t version;
	bool cut;

	if (method_length == 0 || length < method_length + 3 + VERSION_LENGTH ||
	    line[length - VERSION_LENGTH - 1] != ' ')
		return PROTO_MALFORMED;
	version = read_version(line + length - VERSION_LENGTH);
	target_length = length - method_length - 2 - VERSION_LENGTH;
	/* The answer must not depend on whether the line was split and lacks its middle. */
	cut = method_length + 1 + target_length > HTTP1_LINE_FRONT;
	if (cut)
		target_length = HTTP1_LINE_FRONT - method_length - 1;
	target.path.data = line + method_length + 1;
	target.path.length = query_at = scan_target(target.path.data, target_length);
	if (version == 0 || target.path.length == SIZE_MAX)
		return PROTO_MALFORMED;
	if (http1_open(feed, &request) != 0)
		return PROTO_LOST;
	feed->flow->version = request->version = version;
	request->method = http1_method(line, method_length);
	if (request->method == HTTP_METHOD_OTHER)
		http1_method_original(feed, (struct text){ line, method_length });
	if (feed->sink->keep)
		http1_keep_query(feed, (struct text){ line + method_length + 1 + query_at, target_length - query_at },
				 cut);
	if (target.path.length > 0)
		split_target(&target, request->method);
	return keep_target(feed->state, request, &target) ? PROTO_OK : PROTO_LOST;
}

bool http1_status_line(struct http1_flow *flow, const char *line, size_t length)
{
	if (length < VERSION_LENGTH + 4 || line[VERSION_LENGTH] != ' ')
		return false;
	flow->version = read_version(line);
	flow->status = 0;
	for (size_t i = VERSION_LENGTH + 1; i < VERSION_LENGTH + 4; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		flow->status = (uint16_t)(flow->status * 10 + (line[i] - '0'));
	}
	/* The SP before an absent reason is left out by many servers. */
	if (length > VERSION_LENGTH + 4 && line[VERSION_LENGTH + 4] != ' ')
		return false;
	return flow->version != 0 && flow->status >= 100;
}
