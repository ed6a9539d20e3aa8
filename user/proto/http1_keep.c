/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user named of a request and its response: parameters of the query, header fields. All else of them is passed
 * over as ever. What a known name of credentials holds is never kept, whoever named it, and neither is what a URL in a
 * field holds beside its path.
 *   query = parameters with "&" between, each name [ "=" value ]     WHATWG URL section 5.1; some servers take ";" too
 * A field that comes several times has several values. Of a value that goes on in a folded line (RFC 9112 section 5.2)
 * the first line is kept. Trailers are not looked at.
 */
#include <string.h>
#include <strings.h>

#include "proto/http1_internal.h"

#define REDACTED "REDACTED"

static bool is_one_of(struct text text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text.length == strlen(words[i]) && !strncasecmp(text.data, words[i], text.length))
			return true;
	return false;
}

/* OpenTelemetry's list (HTTP conventions, url.query) and the names that passwords and tokens mostly have. */
static bool is_secret(struct text key)
{
	static const char *const keys[] = {
		"X-Amz-Signature",
		"X-Amz-Credential",
		"X-Amz-Security-Token",
		"AWSAccessKeyId",
		"Signature",
		"sig",
		"X-Goog-Signature",
		"X-Goog-Credential",
		"password",
		"passwd",
		"pwd",
		"secret",
		"client_secret",
		"token",
		"access_token",
		"refresh_token",
		"id_token",
		"auth",
		"authorization",
		"api_key",
		"apikey",
		"api-key",
		"key",
		"session",
		"sessionid",
		"jsessionid",
		"phpsessid",
		"code",
		"credential",
		"credentials",
	};

	return is_one_of(key, keys, sizeof(keys) / sizeof(keys[0]));
}

static bool is_wanted(const struct keep *keep, struct text key)
{
	for (size_t i = 0; i < keep->query_key_count; i++)
		if (key.length == strlen(keep->query_keys[i]) && !memcmp(key.data, keep->query_keys[i], key.length))
			return true;
	return false;
}

static void add(struct http1_kept *kept, const char *text, size_t length)
{
	memcpy(kept->query + kept->query_length, text, length);
	kept->query_length = (uint16_t)(kept->query_length + length);
}

static void keep_parameter(struct http1_feed *feed, struct text key, struct text value)
{
	struct http1_extra *extra;
	struct http1_kept *kept;

	if (!is_wanted(feed->sink->keep, key))
		return;
	extra = http1_extra_of(feed);
	if (!extra)
		return;
	kept = extra->kept;
	if (value.length > 1 && is_secret(key))
		value = (struct text){ "=" REDACTED, sizeof("=" REDACTED) - 1 };
	if (1 + key.length + value.length > sizeof(kept->query) - kept->query_length)
		return;
	if (kept->query_length > 0)
		add(kept, "&", 1);
	add(kept, key.data, key.length);
	add(kept, value.data, value.length);
}

void http1_keep_query(struct http1_feed *feed, struct text query, bool cut)
{
	const char *at = query.data + 1, *end = query.data + query.length, *fragment;

	if (query.length == 0 || query.data[0] != '?' || !feed->sink->keep->query_key_count)
		return;
	fragment = memchr(at, '#', (size_t)(end - at));
	if (fragment) {
		end = fragment;
		cut = false;
	}
	while (at < end) {
		const char *stop = at, *equals;

		while (stop < end && *stop != '&' && *stop != ';')
			stop++;
		/* The last one may lack its end. */
		if (stop == end && cut)
			return;
		equals = memchr(at, '=', (size_t)(stop - at));
		if (!equals)
			equals = stop;
		keep_parameter(feed, (struct text){ at, (size_t)(equals - at) },
			       (struct text){ equals, (size_t)(stop - equals) });
		at = stop + 1;
	}
}

static struct text trim_end(struct text value)
{
	while (value.length > 0 && (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t'))
		value.length--;
	return value;
}

/* Of a URL (RFC 3986) neither query nor fragment; one that says who logs in, or was cut before it could, is not kept.
 */
static struct text without_secrets(const struct keep_field *field, struct text value)
{
	static const char *const urls[] = { "referer", "location", "content-location", "origin", "refresh",
					    "link",    "host" };
	const char *end;

	if (!is_one_of((struct text){ field->name, field->length }, urls, sizeof(urls) / sizeof(urls[0])))
		return value;
	for (end = value.data; end < value.data + value.length && *end != '?' && *end != '#'; end++)
		;
	value.length = (size_t)(end - value.data);
	if (value.length == KEEP_VALUE_BYTES || memchr(value.data, '@', value.length))
		value.length = 0;
	return value;
}

static void keep_value(struct http1_feed *feed, size_t index, struct text value)
{
	struct http1_extra *extra = http1_extra_of(feed);
	uint16_t length = (uint16_t)value.length;
	struct http1_kept *kept;
	char *at;

	if (!extra)
		return;
	kept = extra->kept;
	if (KEPT_HEADER_BYTES + value.length > sizeof(kept->fields) - kept->fields_length)
		return;
	at = kept->fields + kept->fields_length;
	at[0] = (char)feed->which;
	at[1] = (char)index;
	memcpy(at + 2, &length, sizeof(length));
	memcpy(at + KEPT_HEADER_BYTES, value.data, value.length);
	kept->fields_length = (uint16_t)(kept->fields_length + KEPT_HEADER_BYTES + value.length);
}

/* The answer must not depend on whether the line was split and lacks its middle. */
static struct text value_of(const char *line, size_t length, size_t at)
{
	struct text value;

	if (length > HTTP1_LINE_FRONT)
		length = HTTP1_LINE_FRONT;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	value = (struct text){ line + at, length - at };
	if (value.length > KEEP_VALUE_BYTES)
		value.length = KEEP_VALUE_BYTES;
	return trim_end(value);
}

/* An interim response (RFC 9110 section 15.2) is not the answer. */
static bool is_final(const struct http1_feed *feed)
{
	return feed->which == FLOW_REQUEST || feed->flow->status >= 200 || feed->flow->status == 101;
}

void http1_keep_field(struct http1_feed *feed, const char *line, size_t length)
{
	const struct keep *keep = feed->sink->keep;

	if (!is_final(feed))
		return;
	for (size_t i = 0; i < keep->field_counts[feed->which]; i++) {
		const struct keep_field *field = &keep->fields[feed->which][i];
		struct text value;

		if (length <= field->length || line[field->length] != ':' ||
		    strncasecmp(line, field->name, field->length) != 0)
			continue;
		value = without_secrets(field, value_of(line, length, field->length + 1));
		if (value.length > 0)
			keep_value(feed, i, value);
		return;
	}
}
