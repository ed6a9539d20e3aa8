/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines wait in a bounded buffer and are written when the descriptor takes them. It is not made non-blocking, because
 * it may be shared with others who would be surprised: what poll(2) calls writable takes PIPE_BUF bytes without
 * blocking. A timer, not the descriptor, wakes the loop: files cannot be watched.
 */
#include "exporters/stdout/stdout.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#include "exporters/common/escape.h"
#include "exporters/common/message_json.h"
#include "exporters/common/span_message.h"

#define PENDING_BYTES ((size_t)4 << 20)
#define EAGER_BYTES ((size_t)256 << 10) /* so much is written without waiting for the timer */
#define LINE_BYTES ((size_t)64 << 10)
#define WAKE_NS 10000000

struct stdout_exporter {
	int fd;
	int timer_fd; /* owned */
	struct buffer pending;
	struct buffer line;
	size_t written; /* of pending */
	uint64_t lines;
	uint64_t dropped;
	struct span_message message;
};

int stdout_new(int fd, struct stdout_exporter **ret_exporter)
{
	struct stdout_exporter *exporter = calloc(1, sizeof(*exporter));

	if (!exporter)
		return -ENOMEM;
	exporter->fd = fd;
	exporter->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (exporter->timer_fd < 0) {
		free(exporter);
		return -errno;
	}
	buffer_init(&exporter->pending, PENDING_BYTES);
	buffer_init(&exporter->line, LINE_BYTES);
	*ret_exporter = exporter;
	return 0;
}

static void set_timer(const struct stdout_exporter *exporter, bool on)
{
	struct itimerspec spec = { .it_value.tv_nsec = on ? WAKE_NS : 0 };

	(void)timerfd_settime(exporter->timer_fd, 0, &spec, NULL); /* cannot fail: the value is in range */
}

static bool is_writable(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	return poll(&ready, 1, 0) == 1 && ready.revents & (POLLOUT | POLLERR);
}

/* False when it cannot go on now, or ever. */
static bool write_some(struct stdout_exporter *exporter)
{
	size_t left = exporter->pending.length - exporter->written;
	ssize_t count;

	if (!left || !is_writable(exporter->fd))
		return false;
	count = write(exporter->fd, exporter->pending.data + exporter->written, left < PIPE_BUF ? left : PIPE_BUF);
	if (count > 0)
		exporter->written += (size_t)count;
	return count > 0;
}

void stdout_run(struct stdout_exporter *exporter)
{
	struct buffer *pending = &exporter->pending;
	uint64_t expirations;

	(void)!read(exporter->timer_fd, &expirations, sizeof(expirations)); /* only to make it silent */
	while (write_some(exporter))
		;
	if (exporter->written == pending->length) {
		buffer_reset(pending);
	} else if (exporter->written > 0) {
		memmove(pending->data, pending->data + exporter->written, pending->length - exporter->written);
		pending->length -= exporter->written;
	}
	exporter->written = 0;
	set_timer(exporter, pending->length > 0);
}

void stdout_free(struct stdout_exporter *exporter)
{
	if (!exporter)
		return;
	stdout_run(exporter);
	cleanup_close_fd(&exporter->timer_fd);
	buffer_done(&exporter->pending);
	buffer_done(&exporter->line);
	free(exporter);
}

static void take_span(void *ctx, const struct span *span)
{
	struct stdout_exporter *exporter = ctx;
	struct buffer *line = &exporter->line;

	span_message_fill(&exporter->message, span);
	buffer_reset(line);
	buffer_append_string(line, "{\"service\":\"");
	escape_append(line, span->service, ESCAPE_JSON);
	buffer_append_string(line, "\",\"span\":");
	message_json(line, &exporter->message.span.base);
	buffer_append_string(line, "}\n");
	if (buffer_error(line) || line->length > PENDING_BYTES - exporter->pending.length) {
		exporter->dropped++;
		return;
	}
	if (exporter->pending.length == 0)
		set_timer(exporter, true);
	buffer_append(&exporter->pending, line->data, line->length);
	if (buffer_error(&exporter->pending)) {
		/* No memory: an append is whole or not at all. */
		exporter->pending.error = 0;
		exporter->dropped++;
		return;
	}
	exporter->lines++;
	if (exporter->pending.length >= EAGER_BYTES)
		stdout_run(exporter);
}

struct span_sink stdout_span_sink(struct stdout_exporter *exporter)
{
	return (struct span_sink){ .ctx = exporter, .span = take_span };
}

int stdout_fd(const struct stdout_exporter *exporter)
{
	return exporter->timer_fd;
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	static const struct metric_family families[] = {
		{ .name = "sonde_stdout_spans_total",
		  .help = "Spans written to standard output.",
		  .unit = "",
		  .type = METRIC_COUNTER },
		{ .name = "sonde_stdout_dropped_total",
		  .help = "Spans that found no room because standard output was not read.",
		  .unit = "",
		  .type = METRIC_COUNTER },
	};
	const struct stdout_exporter *exporter = ctx;
	const double values[] = { (double)exporter->lines, (double)exporter->dropped };

	for (size_t i = 0; i < 2; i++) {
		out->family_begin(out->ctx, &families[i]);
		out->sample(out->ctx, NULL, 0, values[i]);
		out->family_end(out->ctx);
	}
}

struct snapshot_source stdout_source(struct stdout_exporter *exporter)
{
	return (struct snapshot_source){ .ctx = exporter, .visit = visit };
}
