/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per message on standard error, as logfmt or JSON, with time, level, msg and fields. Only main.c
 * and agent*.c may log above debug; everything else returns errors or counts. Never a line per event without
 * log_limit_pass, never a byte of payload.
 *
 *     log_warn("cannot attach, trying the next backend", log_text("backend", "fentry"), log_errno(error));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_COUNT,
};

enum log_format {
	LOG_FORMAT_LOGFMT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_COUNT,
};

enum log_value {
	LOG_VALUE_TEXT,
	LOG_VALUE_INT,
	LOG_VALUE_UINT,
};

/* Keys are words of [a-z0-9_]. Values may hold any bytes. Borrowed for the call. */
struct log_field {
	const char *key; /* NULL ends an array of fields */
	enum log_value kind;
	union {
		const char *text;
		int64_t number;
		uint64_t count;
	};
};

static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){ .key = key, .kind = LOG_VALUE_TEXT, .text = text };
}

static inline struct log_field log_int(const char *key, int64_t number)
{
	return (struct log_field){ .key = key, .kind = LOG_VALUE_INT, .number = number };
}

static inline struct log_field log_uint(const char *key, uint64_t count)
{
	return (struct log_field){ .key = key, .kind = LOG_VALUE_UINT, .count = count };
}

/* error="No such file or directory" of a negative errno. */
struct log_field log_errno(int error);

/* What is below `level` is not written. Info and logfmt until told otherwise. */
void log_configure(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* "debug", "info", ...; -EINVAL. */
MUST_CHECK int log_level_parse(const char *text, enum log_level *ret_level);
/* "logfmt", "json"; -EINVAL. */
MUST_CHECK int log_format_parse(const char *text, enum log_format *ret_format);

void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* The line as log_write writes it, newline included. `realtime_ns` since the epoch. Pure. */
void log_line(struct buffer *out, enum log_format format, uint64_t realtime_ns, enum log_level level,
	      const char *message, const struct log_field *fields);

/* The fields stand between two empty ones: the last ends them, the first takes the comma away when there are none. */
#define LOG_AT(level, message, ...)                                                                                   \
	do {                                                                                                          \
		if (log_enabled(level))                                                                               \
			log_write(level, message,                                                                     \
				  (const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__, { .key = NULL } } + 1); \
	} while (0)
#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)

/* At most one message a minute from one place, which keeps a zeroed log_limit in its context. */
struct log_limit {
	uint64_t last_ns; /* when the last message passed; 0: never */
	uint64_t held;    /* messages held back since */
};

/* True when a message may be written now; *ret_held says how many were not, since the last one. */
bool log_limit_pass(struct log_limit *limit, uint64_t monotonic_ns, uint64_t *ret_held);
