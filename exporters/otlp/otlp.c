/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter's life and its turn of the loop: sends what is due, lets libcurl work, sets the timer for what comes
 * next. One epoll holds libcurl's sockets and the timer. Nothing here waits, but for otlp_flush, up to its deadline.
 */
#include "exporters/otlp/otlp.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "exporters/otlp/history.h"
#include "exporters/otlp/internal.h"
#include "exporters/otlp/metrics.h"

#define SPAN_BYTES_MAX ((size_t)64 << 10)

static uint64_t now_of(const struct otlp *otlp)
{
	return otlp->config.now_ns(otlp->config.ctx);
}

void otlp_note(struct otlp *otlp, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(otlp->problem, sizeof(otlp->problem), format, arguments);
	va_end(arguments);
	otlp->problem_count++;
}

const char *otlp_problem(struct otlp *otlp, uint64_t *ret_count)
{
	if (!otlp->problem_count)
		return NULL;
	*ret_count = otlp->problem_count;
	otlp->problem_count = 0;
	return otlp->problem;
}

static bool has_work(const struct otlp *otlp)
{
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
		if (otlp->lanes[signal].first || otlp->calls[signal].state != CALL_IDLE)
			return true;
	return false;
}

/* When the signal's next request may go; 0: there is nothing to send. */
static uint64_t due_at(const struct otlp *otlp, enum otlp_signal signal)
{
	const struct otlp_lane *lane = &otlp->lanes[signal];
	const struct otlp_call *call = &otlp->calls[signal];

	if (call->state == CALL_SENDING)
		return 0;
	if (call->state == CALL_WAITING)
		return call->retry_ns;
	if (!lane->first)
		return 0;
	if (signal == OTLP_METRICS || otlp->stopping || lane->count >= otlp->config.batch_spans)
		return 1;
	return lane->waiting_ns + otlp->config.batch_delay_ns;
}

static void send_due(struct otlp *otlp)
{
	for (int i = 0; i < OTLP_SIGNAL_COUNT; i++) {
		enum otlp_signal signal = (enum otlp_signal)i;
		struct otlp_call *call = &otlp->calls[signal];
		uint64_t at = due_at(otlp, signal);

		if (!at || at > now_of(otlp))
			continue;
		if (call->state == CALL_IDLE) {
			if (!batch_fill(otlp, signal))
				continue;
			otlp->queue_bytes += call->body.length;
		}
		call_send(otlp, signal);
	}
}

static void set_timer(struct otlp *otlp)
{
	uint64_t next = !otlp->curl_ns || (otlp->metric_ns && otlp->metric_ns < otlp->curl_ns) ? otlp->metric_ns :
												 otlp->curl_ns;
	uint64_t now = now_of(otlp), after;
	struct itimerspec spec = { 0 };

	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++) {
		uint64_t at = due_at(otlp, (enum otlp_signal)signal);

		if (at && (!next || at < next))
			next = at;
	}
	if (next) {
		after = next > now ? next - now : 1;
		spec.it_value.tv_sec = (time_t)(after / NS_PER_SECOND);
		spec.it_value.tv_nsec = (long)(after % NS_PER_SECOND);
	}
	(void)timerfd_settime(otlp->timer_fd, 0, &spec, NULL); /* cannot fail: the values are in range */
}

void otlp_run(struct otlp *otlp)
{
	uint64_t expirations;

	(void)!read(otlp->timer_fd, &expirations, sizeof(expirations)); /* only to make it silent */
	transfer_run(otlp);
	if (otlp->metric_ns && otlp->metric_ns <= now_of(otlp)) {
		otlp->metric_ns = now_of(otlp) + otlp->config.metric_interval_ns;
		metrics_export(otlp);
	}
	send_due(otlp);
	transfer_run(otlp);
	set_timer(otlp);
}

static void take_span(void *ctx, const struct span *span)
{
	struct otlp *otlp = ctx;
	size_t before = otlp->lanes[OTLP_TRACES].count;

	batch_span(otlp, span);
	/* The timer is right already unless this is the first, or the batch became full. */
	if (before == 0 || before + 1 == otlp->config.batch_spans)
		set_timer(otlp);
}

struct span_sink otlp_span_sink(struct otlp *otlp)
{
	return (struct span_sink){ .ctx = otlp, .span = take_span };
}

int otlp_fd(const struct otlp *otlp)
{
	return otlp->epoll_fd;
}

static int start(struct otlp *otlp, struct exporter_error *ret_error)
{
	struct epoll_event event = { .events = EPOLLIN };
	int error = curl_library_load(&otlp->curl, ret_error);

	if (error)
		return error;
	otlp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	otlp->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	event.data.fd = otlp->timer_fd;
	if (otlp->epoll_fd < 0 || otlp->timer_fd < 0 ||
	    epoll_ctl(otlp->epoll_fd, EPOLL_CTL_ADD, otlp->timer_fd, &event) || !transfer_init(otlp)) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot export: %s", strerror(errno));
		return errno ? -errno : -ENOMEM;
	}
	if (otlp->config.targets[OTLP_METRICS].url) {
		otlp->metric_ns = now_of(otlp) + otlp->config.metric_interval_ns;
		otlp->history = otlp->config.delta ? metric_history_new() : NULL;
		if (otlp->config.delta && !otlp->history)
			return -ENOMEM;
		set_timer(otlp);
	}
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
		if (otlp->config.targets[signal].url && !call_init(otlp, (enum otlp_signal)signal, ret_error))
			return -EINVAL;
	return 0;
}

static void release(struct otlp *otlp)
{
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++) {
		struct otlp_item *item;

		while ((item = queue_take(otlp, (enum otlp_signal)signal)))
			queue_item_free(otlp, item);
		if (otlp->curl.handle)
			call_done(otlp, (enum otlp_signal)signal);
	}
	queue_done(otlp);
	transfer_done(otlp);
	curl_library_unload(&otlp->curl);
	cleanup_close_fd(&otlp->timer_fd);
	cleanup_close_fd(&otlp->epoll_fd);
	buffer_done(&otlp->scratch);
	metric_history_free(otlp->history);
	free(otlp);
}

int otlp_new(const struct otlp_config *config, struct otlp **ret_otlp, struct exporter_error *ret_error)
{
	struct otlp *otlp = calloc(1, sizeof(*otlp));
	int error;

	if (!otlp) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot export: out of memory");
		return -ENOMEM;
	}
	otlp->config = *config;
	otlp->random = config->seed;
	otlp->epoll_fd = otlp->timer_fd = -1;
	buffer_init(&otlp->scratch, SPAN_BYTES_MAX);
	error = start(otlp, ret_error);
	if (error) {
		release(otlp);
		return error;
	}
	*ret_otlp = otlp;
	return 0;
}

static uint64_t left_behind(const struct otlp *otlp)
{
	uint64_t left = 0;

	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++) {
		left += otlp->calls[signal].count;
		for (const struct otlp_item *item = otlp->lanes[signal].first; item; item = item->next)
			left += item->count;
	}
	return left;
}

/* What failed before is tried once more, at once; what fails now stays behind. */
uint64_t otlp_flush(struct otlp *otlp)
{
	uint64_t deadline = now_of(otlp) + otlp->config.shutdown_ns;

	otlp->stopping = true;
	if (otlp->metric_ns)
		metrics_export(otlp);
	otlp->metric_ns = 0;
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
		if (otlp->calls[signal].state == CALL_WAITING)
			otlp->calls[signal].retry_ns = 1;
	while (has_work(otlp) && now_of(otlp) < deadline) {
		struct pollfd ready = { .fd = otlp->epoll_fd, .events = POLLIN };
		uint64_t left = deadline - now_of(otlp);

		otlp_run(otlp);
		(void)poll(&ready, 1, (int)(left / NS_PER_MS < 100 ? left / NS_PER_MS : 100));
	}
	return left_behind(otlp);
}

void otlp_free(struct otlp *otlp)
{
	if (otlp)
		release(otlp);
}

static int exporter_fd(const void *self)
{
	return otlp_fd(self);
}

static void exporter_run(void *self)
{
	otlp_run(self);
}

static void exporter_stop(void *self)
{
	otlp_free(self);
}

struct exporter otlp_exporter(struct otlp *otlp)
{
	static const struct exporter_ops ops = {
		.name = "otlp",
		.fd = exporter_fd,
		.run = exporter_run,
		.stop = exporter_stop,
	};

	return (struct exporter){ .ops = &ops, .self = otlp, .metrics = otlp_source(otlp) };
}
