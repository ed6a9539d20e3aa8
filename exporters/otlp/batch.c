/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From spans to requests. A span is encoded when it comes, so that what waits is compact and of known size; a request
 * is put together when it is sent: a ResourceSpans for each service in it, each with one scope, sonde.
 *   ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
 *   ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
 *   ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exporters/common/message_json.h"
#include "exporters/otlp/internal.h"
#include "exporters/otlp/frame.h"

#define BATCH_ITEMS_MAX 8192
#define FIELD_SPAN 2 /* of ScopeSpans */

/* Each span's own tag and length come with it. */
static void encode_protobuf(struct buffer *out, const ProtobufCMessage *message)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	uint8_t *at;

	frame_tag(out, FIELD_SPAN, length);
	at = buffer_extend(out, length);
	if (at)
		protobuf_c_message_pack(message, at);
}

/* Spans of one process share a resource: the service's name, a newline, and what is known of the process. */
static const char *resource_of(struct otlp *otlp, const struct span *span)
{
	const struct otlp_resources *resources = &otlp->config.resources;
	const char *lines = resources->process ? resources->process(resources->ctx, span->tgid) : "";

	return frame_resource(otlp, span->service, lines);
}

void batch_span(void *ctx, const struct span *span)
{
	struct otlp *otlp = ctx;
	struct buffer *out = &otlp->scratch;

	span_message_fill(&otlp->message, span);
	buffer_reset(out);
	if (otlp->config.targets[OTLP_TRACES].encoding == OTLP_JSON)
		message_json(out, &otlp->message.span.base);
	else
		encode_protobuf(out, &otlp->message.span.base);
	if (buffer_error(out))
		otlp->figures.dropped[OTLP_TRACES][DROPPED_NO_MEMORY]++;
	else
		queue_put(otlp, OTLP_TRACES, resource_of(otlp, span), out->data, out->length, 1);
}

static bool same_service(const struct otlp_item *a, const struct otlp_item *b)
{
	const struct otlp_resource *own = a->resource, *other = b->resource;

	return own == other || (own->length == other->length && !memcmp(own->text, other->text, own->length));
}

static void append_spans(struct buffer *out, struct otlp_item *const *items, size_t count, const struct otlp_item *like,
			 const char *between)
{
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		if (!same_service(items[i], like))
			continue;
		if (!first)
			buffer_append_string(out, between);
		first = false;
		buffer_append(out, items[i]->bytes, items[i]->length);
	}
}

static size_t spans_length(struct otlp_item *const *items, size_t count, const struct otlp_item *like)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += same_service(items[i], like) ? items[i]->length : 0;
	return length;
}

static void group_protobuf(struct otlp *otlp, struct buffer *out, struct otlp_item *const *items, size_t count,
			   const struct otlp_item *like)
{
	struct frame frame = { 0 };
	size_t spans = spans_length(items, count, like), scope_spans;

	frame_make(otlp, OTLP_TRACES, like->resource->text, like->resource->length, &frame);
	scope_spans = frame.scope_length + spans + frame.schema_length;
	frame_tag(out, 1,
		  frame.resource_length + 1 + frame_varint_length(scope_spans) + scope_spans + frame.schema_length);
	buffer_append(out, frame.bytes, frame.resource_length);
	frame_tag(out, 2, scope_spans);
	buffer_append(out, frame.bytes + frame.resource_length, frame.scope_length);
	append_spans(out, items, count, like, "");
	buffer_append(out, frame.bytes + frame.resource_length + frame.scope_length, frame.schema_length);
	buffer_append(out, frame.bytes + frame.resource_length + frame.scope_length, frame.schema_length);
}

static void group_json(struct otlp *otlp, struct buffer *out, struct otlp_item *const *items, size_t count,
		       const struct otlp_item *like)
{
	buffer_append_string(out, "{\"resource\":");
	frame_resource_json(otlp, OTLP_TRACES, out, like->resource->text, like->resource->length);
	buffer_append_string(out, ",\"scopeSpans\":[{\"scope\":");
	frame_scope_json(otlp, out);
	buffer_append_string(out, ",\"spans\":[");
	append_spans(out, items, count, like, ",");
	buffer_append_string(out, "],\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}],\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}");
}

/* The first item of each service stands for it. */
static bool is_first(struct otlp_item *const *items, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (same_service(items[i], items[index]))
			return false;
	return true;
}

static void write_groups(struct otlp *otlp, struct buffer *out, struct otlp_item *const *items, size_t count)
{
	bool json = otlp->config.targets[OTLP_TRACES].encoding == OTLP_JSON;
	const struct otlp_item *last = NULL;
	bool any = false;

	if (json)
		buffer_append_string(out, "{\"resourceSpans\":[");
	for (size_t i = 0; i < count; i++) {
		if ((last && same_service(items[i], last)) || !is_first(items, i))
			continue;
		last = items[i];
		if (json && any)
			buffer_append_char(out, ',');
		any = true;
		if (json)
			group_json(otlp, out, items, count, items[i]);
		else
			group_protobuf(otlp, out, items, count, items[i]);
	}
	if (json)
		buffer_append_string(out, "]}");
}

static size_t take_spans(struct otlp *otlp, struct otlp_item **items, uint32_t *ret_count)
{
	size_t taken = 0, bytes = 0, limit = otlp->config.batch_spans;

	if (limit > BATCH_ITEMS_MAX)
		limit = BATCH_ITEMS_MAX;
	while (taken < limit && bytes < OTLP_BATCH_BYTES) {
		struct otlp_item *item = queue_take(otlp, OTLP_TRACES);

		if (!item)
			break;
		items[taken++] = item;
		bytes += item->length;
	}
	*ret_count = (uint32_t)taken;
	return taken;
}

static void fill_spans(struct otlp *otlp, struct otlp_call *call)
{
	struct otlp_item **items = calloc(BATCH_ITEMS_MAX, sizeof(struct otlp_item *));
	size_t count;

	if (!items) {
		call->body.error = -ENOMEM;
		return;
	}
	count = take_spans(otlp, items, &call->count);
	write_groups(otlp, &call->body, items, count);
	for (size_t i = 0; i < count; i++)
		queue_item_free(otlp, items[i]);
	free(items);
}

static void fill_metrics(struct otlp *otlp, struct otlp_call *call)
{
	struct otlp_item *item = queue_take(otlp, OTLP_METRICS);

	if (!item)
		return;
	call->count = item->count;
	buffer_append(&call->body, item->bytes, item->length);
	queue_item_free(otlp, item);
}

bool batch_fill(struct otlp *otlp, enum otlp_signal signal)
{
	struct otlp_call *call = &otlp->calls[signal];

	buffer_reset(&call->body);
	call->count = 0;
	if (signal == OTLP_TRACES)
		fill_spans(otlp, call);
	else
		fill_metrics(otlp, call);
	otlp->lanes[signal].waiting_ns = otlp->config.now_ns(otlp->config.ctx);
	if (!buffer_error(&call->body) && otlp->config.targets[signal].gzip)
		frame_compress(&call->body);
	if (!buffer_error(&call->body) && otlp->config.targets[signal].encoding == OTLP_GRPC)
		frame_grpc(&call->body, otlp->config.targets[signal].gzip);
	if (buffer_error(&call->body)) {
		otlp->figures.dropped[signal][DROPPED_NO_MEMORY] += call->count;
		return false;
	}
	return call->count > 0;
}
