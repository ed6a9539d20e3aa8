/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growable byte buffer: doubling up to its limit, errors that stick. An append is whole or not at all.
 * One byte is always allocated beyond the contents, for the terminating NUL that vsnprintf insists on writing.
 */
#include "base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_CAPACITY 256

void buffer_init(struct buffer *buffer, size_t limit)
{
	*buffer = (struct buffer){ .limit = limit };
}

void buffer_done(struct buffer *buffer)
{
	if (!buffer)
		return;
	free(buffer->data);
	*buffer = (struct buffer){ .limit = buffer->limit };
}

void buffer_reset(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->error = 0;
}

/* Doubles while that stays under the limit (and its one spare byte), never below what is needed. */
static size_t next_capacity(const struct buffer *buffer, size_t needed)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_CAPACITY;

	if (capacity < needed && __builtin_mul_overflow(capacity, 2, &capacity))
		capacity = needed;
	if (buffer->limit < SIZE_MAX && capacity > buffer->limit + 1)
		capacity = buffer->limit + 1;
	return capacity < needed ? needed : capacity;
}

/* Makes room for `length` more bytes and the spare one; false, with the error set, when there is none. */
static bool buffer_reserve(struct buffer *buffer, size_t length)
{
	size_t needed, capacity;
	char *data;

	if (buffer->error)
		return false;
	if (length > buffer->limit - buffer->length) {
		buffer->error = -ENOBUFS;
		return false;
	}
	if (__builtin_add_overflow(buffer->length + length, 1, &needed)) {
		buffer->error = -ENOMEM;
		return false;
	}
	if (needed <= buffer->capacity)
		return true;
	capacity = next_capacity(buffer, needed);
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->error = -ENOMEM;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void *buffer_extend(struct buffer *buffer, size_t length)
{
	char *at;

	if (!buffer_reserve(buffer, length))
		return NULL;
	at = buffer->data + buffer->length;
	buffer->length += length;
	return at;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (!length || !buffer_reserve(buffer, length))
		return;
	memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void buffer_append_char(struct buffer *buffer, char c)
{
	buffer_append(buffer, &c, 1);
}

void buffer_append_uint(struct buffer *buffer, unsigned long long value)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t start = sizeof(digits);

	do {
		digits[--start] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buffer_append(buffer, digits + start, sizeof(digits) - start);
}

__attribute__((format(printf, 2, 0))) static void buffer_vprintf(struct buffer *buffer, const char *format,
								 va_list arguments)
{
	size_t spare = buffer->capacity - buffer->length;
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(spare ? buffer->data + buffer->length : NULL, spare, format, arguments);
	if (length < 0)
		buffer->error = -EINVAL;
	else if (buffer_reserve(buffer, (size_t)length)) {
		if ((size_t)length >= spare)
			vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;

	if (buffer->error)
		return;
	va_start(arguments, format);
	buffer_vprintf(buffer, format, arguments);
	va_end(arguments);
}

int buffer_error(const struct buffer *buffer)
{
	return buffer->error;
}
