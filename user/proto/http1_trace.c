/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spans tell and metrics do not: the two fields of W3C Trace Context, kept as they were sent (what they mean is
 * trace's business), and a method that is not known. Few requests have any of it, so each that does gets memory of its
 * own, and without memory says nothing.
 *   traceparent: one field; two of them are none           W3C Trace Context section 3.2.1, and its test suite
 *   tracestate:  lines are joined in their order           section 3.3.1.1, RFC 9110 section 5.3
 */
#include <string.h>

#include "proto/http1_internal.h"

static size_t size_of(bool has_kept)
{
	return sizeof(struct http1_extra) + (has_kept ? sizeof(struct http1_kept) : 0);
}

static struct http1_extra *make(struct http1_feed *feed)
{
	bool has_kept = feed->sink->keep != NULL;
	struct http1_extra *extra = malloc(size_of(has_kept));

	if (!extra)
		return NULL;
	extra->parent_count = extra->parent_length = extra->method_length = 0;
	extra->state_length = 0;
	extra->state_too_long = false;
	extra->has_kept = has_kept;
	if (has_kept)
		extra->kept->query_length = extra->kept->fields_length = 0;
	feed->state->text_bytes += (uint32_t)size_of(has_kept);
	return extra;
}

struct http1_extra *http1_extra_of(struct http1_feed *feed)
{
	struct http1_request *request = http1_current(feed);

	if (!request)
		return NULL;
	if (!request->extra)
		request->extra = make(feed);
	return request->extra;
}

void http1_traceparent(struct http1_feed *feed, struct text value)
{
	struct http1_extra *trace = http1_extra_of(feed);

	if (!trace || trace->parent_count > 1)
		return;
	trace->parent_count++;
	if (value.length > HTTP1_TRACEPARENT_MAX)
		value.length = HTTP1_TRACEPARENT_MAX;
	memcpy(trace->parent, value.data, value.length);
	trace->parent_length = (uint8_t)value.length;
}

void http1_tracestate(struct http1_feed *feed, struct text value)
{
	struct http1_extra *trace = http1_extra_of(feed);
	size_t comma;

	if (!trace || trace->state_too_long || value.length == 0)
		return;
	comma = trace->state_length > 0 ? 1 : 0;
	if (trace->state_length + comma + value.length > HTTP1_TRACESTATE_MAX) {
		trace->state_too_long = true;
		return;
	}
	if (comma)
		trace->state[trace->state_length++] = ',';
	memcpy(trace->state + trace->state_length, value.data, value.length);
	trace->state_length = (uint16_t)(trace->state_length + value.length);
}

void http1_method_original(struct http1_feed *feed, struct text method)
{
	struct http1_extra *extra = feed->sink->begin ? http1_extra_of(feed) : NULL;

	if (!extra)
		return;
	if (method.length > HTTP1_METHOD_MAX)
		method.length = HTTP1_METHOD_MAX;
	memcpy(extra->method, method.data, method.length);
	extra->method_length = (uint8_t)method.length;
}

void http1_extra_free(struct http1_state *state, struct http1_request *request)
{
	if (!request->extra)
		return;
	state->text_bytes -= (uint32_t)size_of(request->extra->has_kept);
	free(request->extra);
	request->extra = NULL;
}

void http1_extra_tell(const struct http1_request *request, struct http_facts *facts)
{
	const struct http1_extra *extra = request->extra;

	if (!extra)
		return;
	facts->method_original = (struct text){ extra->method, extra->method_length };
	if (extra->parent_count == 1)
		facts->traceparent = (struct text){ extra->parent, extra->parent_length };
	if (!extra->state_too_long)
		facts->tracestate = (struct text){ extra->state, extra->state_length };
	if (extra->has_kept) {
		facts->query = (struct text){ extra->kept->query, extra->kept->query_length };
		facts->fields = (struct text){ extra->kept->fields, extra->kept->fields_length };
	}
}
