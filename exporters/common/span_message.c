/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See span_message.h. Flags: W3C's in the low byte, and whether the parent is in another process (trace.proto,
 * SpanFlags).
 */
#include "exporters/common/span_message.h"

#include <string.h>

#define FLAG_REMOTE_KNOWN 0x100
#define FLAG_REMOTE 0x200

static bool fill_text(struct span_message *message, struct text text, Otlp__AnyValue *value)
{
	otlp__any_value__init(value);
	value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	value->string_value = text_room_keep(&message->room, text);
	return value->string_value != NULL;
}

/* False when none of its texts found room. */
static bool fill_list(struct span_message *message, const struct span_attribute *attribute, Otlp__ArrayValue *list)
{
	size_t first = message->text_count;

	for (size_t i = 0; i < (size_t)attribute->number && message->text_count < SPAN_LIST_TEXTS_MAX; i++) {
		Otlp__AnyValue *value = &message->texts[message->text_count];

		if (fill_text(message, attribute->texts[i], value))
			message->text_pointers[message->text_count++] = value;
	}
	otlp__array_value__init(list);
	list->values = message->text_pointers + first;
	list->n_values = message->text_count - first;
	return list->n_values > 0;
}

static bool fill_value(struct span_message *message, const struct span_attribute *attribute, Otlp__AnyValue *value,
		       Otlp__ArrayValue *list)
{
	if (attribute->kind == SPAN_VALUE_TEXT)
		return fill_text(message, attribute->text, value);
	otlp__any_value__init(value);
	if (attribute->kind == SPAN_VALUE_LIST) {
		value->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
		value->array_value = list;
		return fill_list(message, attribute, list);
	}
	value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value->int_value = attribute->number;
	return true;
}

static void fill_attributes(struct span_message *message, const struct span *span)
{
	size_t count = 0;

	for (size_t i = 0; i < span->attribute_count && count < SPAN_ATTRIBUTES_MAX; i++) {
		const struct span_attribute *attribute = &span->attributes[i];

		if (!fill_value(message, attribute, &message->values[count], &message->lists[count]))
			continue;
		otlp__key_value__init(&message->pairs[count]);
		message->pairs[count].key = (char *)(uintptr_t)attribute->key; /* only read */
		message->pairs[count].value = &message->values[count];
		message->pair_pointers[count] = &message->pairs[count];
		count++;
	}
	message->span.attributes = message->pair_pointers;
	message->span.n_attributes = count;
}

static void fill_ids(struct span_message *message, const struct span *span)
{
	uint8_t *ids = message->ids;

	memcpy(ids, span->trace_id, TRACE_ID_BYTES);
	memcpy(ids + TRACE_ID_BYTES, span->span_id, SPAN_ID_BYTES);
	memcpy(ids + TRACE_ID_BYTES + SPAN_ID_BYTES, span->parent_id, SPAN_ID_BYTES);
	message->span.has_trace_id = message->span.has_span_id = true;
	message->span.trace_id = (ProtobufCBinaryData){ TRACE_ID_BYTES, ids };
	message->span.span_id = (ProtobufCBinaryData){ SPAN_ID_BYTES, ids + TRACE_ID_BYTES };
	message->span.has_parent_span_id = span->has_parent;
	message->span.parent_span_id = (ProtobufCBinaryData){ SPAN_ID_BYTES, ids + TRACE_ID_BYTES + SPAN_ID_BYTES };
	message->span.has_flags = true;
	message->span.flags = span->trace_flags;
	if (span->has_parent)
		message->span.flags |= FLAG_REMOTE_KNOWN | (span->parent_is_remote ? FLAG_REMOTE : 0);
}

void span_message_fill(struct span_message *message, const struct span *span)
{
	Otlp__Span *to = &message->span;

	otlp__span__init(to);
	otlp__status__init(&message->status);
	message->room = (struct text_room){ message->text, sizeof(message->text) };
	message->text_count = 0;
	fill_ids(message, span);
	to->name = text_room_keep(&message->room, span->name);
	if (span->trace_state.length > 0)
		to->trace_state = text_room_keep(&message->room, span->trace_state);
	to->has_kind = true;
	to->kind = (int32_t)span->kind;
	to->has_start_time_unix_nano = to->has_end_time_unix_nano = true;
	to->start_time_unix_nano = span->start_ns;
	to->end_time_unix_nano = span->end_ns;
	to->status = &message->status;
	if (span->status != SPAN_STATUS_UNSET) {
		message->status.has_code = true;
		message->status.code = (int32_t)span->status;
	}
	fill_attributes(message, span);
}
