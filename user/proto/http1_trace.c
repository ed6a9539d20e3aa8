/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two fields of W3C Trace Context, kept as they were sent: what they mean is trace's business. Few requests carry
 * them, so each that does gets memory of its own, and without memory says nothing.
 *   traceparent: one field; two of them are none           W3C Trace Context section 3.2.1, and its test suite
 *   tracestate:  lines are joined in their order           section 3.3.1.1, RFC 9110 section 5.3
 */
#include <string.h>

#include "proto/http1_internal.h"

static struct http1_trace *trace_of(struct http1_feed *feed)
{
	struct http1_request *request = http1_current(feed);

	if (!request)
		return NULL;
	if (!request->trace) {
		request->trace = malloc(sizeof(*request->trace));
		if (!request->trace)
			return NULL;
		request->trace->parent_count = request->trace->parent_length = 0;
		request->trace->state_length = 0;
		request->trace->state_too_long = false;
		feed->state->text_bytes += (uint32_t)sizeof(*request->trace);
	}
	return request->trace;
}

void http1_traceparent(struct http1_feed *feed, struct text value)
{
	struct http1_trace *trace = trace_of(feed);

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
	struct http1_trace *trace = trace_of(feed);
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

void http1_trace_free(struct http1_state *state, struct http1_request *request)
{
	if (!request->trace)
		return;
	state->text_bytes -= (uint32_t)sizeof(*request->trace);
	free(request->trace);
	request->trace = NULL;
}

void http1_trace_tell(const struct http1_request *request, struct http_facts *facts)
{
	const struct http1_trace *trace = request->trace;

	if (!trace)
		return;
	if (trace->parent_count == 1)
		facts->traceparent = (struct text){ trace->parent, trace->parent_length };
	if (!trace->state_too_long)
		facts->tracestate = (struct text){ trace->state, trace->state_length };
}
