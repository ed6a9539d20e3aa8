/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of protobuf's wire format that an exposition needs (protobuf.dev, "Encoding"). Nested messages are
 * written in place: their length is put before them once it is known, which moves the message by a byte or four.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

void wire_uint(struct buffer *out, uint32_t field, uint64_t value);
void wire_sint(struct buffer *out, uint32_t field, int64_t value); /* zigzag */
void wire_double(struct buffer *out, uint32_t field, double value);
/* Invalid UTF-8 is replaced. */
void wire_string(struct buffer *out, uint32_t field, const char *text);

/* Returns where the message begins: hand it to wire_message_end. Field 0: a length-delimited message of a stream,
 * which has no tag. */
size_t wire_message_begin(struct buffer *out, uint32_t field);
void wire_message_end(struct buffer *out, size_t begin);
