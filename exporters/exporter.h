/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of exporters, the last stage: they read snapshots (web with prometheus) or take spans (otlp), and reach
 * the outside world without ever blocking the agent's loop. Two halves: `exporter`, how one lives in the loop, and
 * `exposition`, how a format is written, so that what serves (web) need not know what is served (prometheus).
 *
 * An exporter is made by its own constructor from its own configuration (X_new starts it, errors come as a text for
 * the log) and offers `struct exporter X_exporter(X)`. Whatever it waits for, sockets and times, is behind ONE
 * descriptor, an epoll of its own with a timerfd in it, so that the loop need not follow descriptors and timeouts that
 * come and go.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "model/snapshot.h"

/* Why an exporter could not start, for people: names the object, the value and the remedy. No newline. */
struct exporter_error {
	char text[320];
};

struct exporter_ops {
	const char *name; /* as in logs: "web" */
	/* Readable (level-triggered) when run() has work; the same from start to stop. */
	int (*fd)(const void *self);
	/* Does what is due without blocking. Harmless when nothing is. */
	void (*run)(void *self);
	/* Ends connections and frees all; takes NULL. */
	void (*stop)(void *self);
};

struct exporter {
	const struct exporter_ops *ops;
	void *self;                     /* owned by whoever called the constructor, until ops->stop */
	struct snapshot_source metrics; /* the exporter's own figures; visit is NULL when it has none */
};

/* What was negotiated with one scraper. The values mean something to the exposition alone. */
struct exposition_choice {
	uint8_t format; /* below EXPOSITION_FORMATS_MAX */
	uint8_t escaping;
};

#define EXPOSITION_FORMATS_MAX 4
#define EXPOSITION_CONTENT_TYPE_SIZE 192

/*
 * Where an exposition goes: it is appended to `buffer`, and whenever that holds at least `flush_bytes` after a whole
 * unit (a sample, or a family where the format cannot be cut finer) `flush` takes the bytes away and resets the buffer.
 * With flush = NULL all stays in the buffer. A negative errno from flush ends the rendering with that error.
 */
struct exposition_output {
	struct buffer *buffer;
	size_t flush_bytes;
	int (*flush)(void *ctx, struct buffer *buffer);
	void *ctx;
};

struct exposition {
	/* By the Accept field's value, all of its lines joined by commas; "" when there was none. Never fails: what
	 * cannot be satisfied gets the default format. */
	struct exposition_choice (*negotiate)(const char *accept);
	/* The whole Content-Type field, at most EXPOSITION_CONTENT_TYPE_SIZE with its NUL. */
	void (*content_type)(struct exposition_choice choice, char ret_text[EXPOSITION_CONTENT_TYPE_SIZE]);
	/* The format's name as a label value: "text"; NULL for a format that does not exist. */
	const char *(*format_name)(uint8_t format);
	/* Walks the snapshot, which the caller has refreshed. 0, -ENOMEM, -ENOBUFS when the buffer's limit is too
	 * small, or what flush said. What is in the buffer after an error is not an exposition. */
	int (*render)(struct exposition_choice choice, const struct snapshot *snapshot,
		      const struct exposition_output *output);
};
