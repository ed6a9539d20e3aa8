/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a message by protobuf-c's descriptor. Only the types that otlp.proto uses are known. Recursion goes as deep as
 * the message types nest, which is bounded by otlp.proto.
 */
#include "exporters/common/message_json.h"

#include <math.h>
#include <string.h>

#include "exporters/common/escape.h"

static void write_name(struct buffer *out, const char *name)
{
	bool upper = false;

	buffer_append_char(out, '"');
	for (; *name; name++) {
		if (*name == '_') {
			upper = true;
			continue;
		}
		buffer_append_char(out, upper ? (char)(*name - 'a' + 'A') : *name);
		upper = false;
	}
	buffer_append_string(out, "\":");
}

static void write_hex(struct buffer *out, const ProtobufCBinaryData *bytes)
{
	static const char digits[] = "0123456789abcdef";

	buffer_append_char(out, '"');
	for (size_t i = 0; i < bytes->len; i++) {
		buffer_append_char(out, digits[bytes->data[i] >> 4]);
		buffer_append_char(out, digits[bytes->data[i] & 15]);
	}
	buffer_append_char(out, '"');
}

/* Proto3's JSON has words for what RFC 8259 has no numbers for. */
static void write_double(struct buffer *out, double value)
{
	if (isnan(value))
		buffer_append_string(out, "\"NaN\"");
	else if (isinf(value))
		buffer_append_string(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		buffer_printf(out, "%.17g", value);
}

static void write_text(struct buffer *out, const char *text)
{
	buffer_append_char(out, '"');
	escape_append(out, text, ESCAPE_JSON);
	buffer_append_char(out, '"');
}

static void write_value(struct buffer *out, ProtobufCType type, const void *value)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
		buffer_printf(out, "%d", *(const int32_t *)value);
		break;
	case PROTOBUF_C_TYPE_FIXED32:
		buffer_printf(out, "%u", *(const uint32_t *)value);
		break;
	case PROTOBUF_C_TYPE_INT64:
		buffer_printf(out, "\"%lld\"", (long long)*(const int64_t *)value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		buffer_printf(out, "\"%llu\"", (unsigned long long)*(const uint64_t *)value);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		write_double(out, *(const double *)value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buffer_append_string(out, *(const protobuf_c_boolean *)value ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_STRING:
		write_text(out, *(char *const *)value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		write_hex(out, value);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		message_json(out, *(ProtobufCMessage *const *)value);
		break;
	default:
		buffer_append_string(out, "null");
		break;
	}
}

static size_t element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return 4;
	}
}

static void write_list(struct buffer *out, const ProtobufCFieldDescriptor *field, const char *elements, size_t count)
{
	buffer_append_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_char(out, ',');
		write_value(out, field->type, elements + i * element_size(field->type));
	}
	buffer_append_char(out, ']');
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const char *base = (const char *)message;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(base + field->quantifier_offset) > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(base + field->quantifier_offset) == field->id;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)(base + field->offset) != NULL;
	return *(const protobuf_c_boolean *)(base + field->quantifier_offset);
}

void message_json(struct buffer *out, const ProtobufCMessage *message)
{
	const char *base = (const char *)message;
	bool first = true;

	buffer_append_char(out, '{');
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (!is_set(message, field))
			continue;
		if (!first)
			buffer_append_char(out, ',');
		first = false;
		write_name(out, field->name);
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			write_list(out, field, *(char *const *)(base + field->offset),
				   *(const size_t *)(base + field->quantifier_offset));
		else
			write_value(out, field->type, base + field->offset);
	}
	buffer_append_char(out, '}');
}
