/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a maximum, for output that is built piece by piece.
 * Errors stick: after the first failed append every later one is a no-op, and buffer_error says why,
 * so a writer checks once at the end. Never holds a terminating NUL unless one was appended.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buffer {
	char *data;      /* owned; NULL while nothing was appended */
	size_t length;   /* bytes in use */
	size_t capacity; /* bytes allocated */
	size_t limit;    /* length never exceeds this */
	int error;       /* 0, -ENOMEM, -ENOBUFS (limit reached), -EINVAL (not printable) */
};

/* An empty buffer that may grow to `limit` bytes. Allocates nothing yet. */
void buffer_init(struct buffer *buffer, size_t limit);
/* Frees the contents; the buffer may be initialised again. Takes NULL. */
void buffer_done(struct buffer *buffer);
/* Forgets contents and error, keeps the allocation. */
void buffer_reset(struct buffer *buffer);

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
/* Room for `length` more bytes, which count as appended: the caller writes them at once. NULL when it failed. */
void *buffer_extend(struct buffer *buffer, size_t length);
void buffer_append_string(struct buffer *buffer, const char *string);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_uint(struct buffer *buffer, unsigned long long value);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format, ...);

/* 0 or the first error that an append met. */
MUST_CHECK int buffer_error(const struct buffer *buffer);
