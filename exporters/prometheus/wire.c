/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format: varints, zigzag, doubles, strings and nested messages, appended to a buffer. protobuf-c is
 * not used here: it would want a tree of ten thousand series in memory, where this writes each as it is visited.
 */
#include "exporters/prometheus/wire.h"

#include <string.h>

#include "exporters/common/escape.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_LENGTH_DELIMITED = 2,
};

#define VARINT_MAX 10 /* bytes of a 64-bit varint */

static size_t varint_encode(uint64_t value, uint8_t out[VARINT_MAX])
{
	size_t length = 0;

	while (value >= 0x80) {
		out[length++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[length++] = (uint8_t)value;
	return length;
}

static void varint(struct buffer *out, uint64_t value)
{
	uint8_t bytes[VARINT_MAX];

	buffer_append(out, bytes, varint_encode(value, bytes));
}

static void tag(struct buffer *out, uint32_t field, enum wire_type type)
{
	varint(out, (uint64_t)field << 3 | type);
}

void wire_uint(struct buffer *out, uint32_t field, uint64_t value)
{
	tag(out, field, WIRE_VARINT);
	varint(out, value);
}

void wire_sint(struct buffer *out, uint32_t field, int64_t value)
{
	wire_uint(out, field, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

void wire_double(struct buffer *out, uint32_t field, double value)
{
	uint8_t bytes[sizeof(uint64_t)];
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(bits >> (8 * i));
	tag(out, field, WIRE_FIXED64);
	buffer_append(out, bytes, sizeof(bytes));
}

void wire_string(struct buffer *out, uint32_t field, const char *text)
{
	size_t begin = wire_message_begin(out, field);

	escape_append(out, text, ESCAPE_NOTHING);
	wire_message_end(out, begin);
}

size_t wire_message_begin(struct buffer *out, uint32_t field)
{
	if (field)
		tag(out, field, WIRE_LENGTH_DELIMITED);
	buffer_append_char(out, 0); /* room for a length below 128 */
	return out->length;
}

void wire_message_end(struct buffer *out, size_t begin)
{
	static const uint8_t room[VARINT_MAX];
	uint8_t bytes[VARINT_MAX];
	size_t length, length_size;

	if (out->error)
		return;
	length = out->length - begin;
	length_size = varint_encode(length, bytes);
	buffer_append(out, room, length_size - 1);
	if (out->error)
		return;
	memmove(out->data + begin + length_size - 1, out->data + begin, length);
	memcpy(out->data + begin - 1, bytes, length_size);
}
