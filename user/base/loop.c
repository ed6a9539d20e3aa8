/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop. epoll hands out pointers to sources in batches, so a source that a handler removes may still stand in
 * the batch: it is only marked dead then, and freed when the batch is done.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "base/clock.h"

#define LOOP_BATCH 32

enum source_kind {
	SOURCE_FD,
	SOURCE_TIMER,
	SOURCE_SIGNAL,
};

struct loop_source {
	struct loop *loop;
	struct loop_source *next, *previous; /* in loop->sources; dead ones: next in loop->dead */
	enum source_kind kind;
	int fd; /* owned unless SOURCE_FD; -1 when dead */
	loop_fd_handler fd_handler;
	loop_handler handler;
	void *ctx;
};

struct loop {
	int epoll_fd;
	struct loop_source *sources;
	struct loop_source *dead;
	unsigned int source_count;
	bool dispatching, stopped;
	int result;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		error = -errno;
		free(loop);
		return error;
	}
	*ret_loop = loop;
	return 0;
}

static void bury(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *source = loop->dead;

		loop->dead = source->next;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources)
		loop_remove(loop->sources);
	bury(loop);
	close(loop->epoll_fd);
	free(loop);
}

static void unlink_source(struct loop *loop, struct loop_source *source)
{
	if (source->previous)
		source->previous->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->previous = source->previous;
	loop->source_count--;
}

static void link_source(struct loop *loop, struct loop_source *source)
{
	source->previous = NULL;
	source->next = loop->sources;
	if (source->next)
		source->next->previous = source;
	loop->sources = source;
	loop->source_count++;
}

void loop_remove(struct loop_source *source)
{
	struct loop *loop;

	if (!source || source->fd < 0)
		return;
	loop = source->loop;
	/* Cannot fail for a descriptor that is ours or that the caller kept open, as told; a closed one is gone. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->kind != SOURCE_FD)
		close(source->fd);
	source->fd = -1;
	unlink_source(loop, source);
	source->next = loop->dead;
	loop->dead = source;
	if (!loop->dispatching)
		bury(loop);
}

/* Takes a filled-in source by value. An owned descriptor is closed on failure. */
static int add_source(struct loop *loop, struct loop_source filled, uint32_t events, struct loop_source **ret_source)
{
	struct loop_source *source = NULL;
	struct epoll_event event = { .events = events };
	int error = -ENOSPC;

	if (loop->source_count >= LOOP_SOURCES_MAX)
		goto fail;
	source = malloc(sizeof(*source));
	error = -ENOMEM;
	if (!source)
		goto fail;
	*source = filled;
	source->loop = loop;
	event.data.ptr = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, filled.fd, &event)) {
		error = -errno;
		goto fail;
	}
	link_source(loop, source);
	if (ret_source)
		*ret_source = source;
	return 0;
fail:
	if (filled.kind != SOURCE_FD)
		close(filled.fd);
	free(source);
	return error;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_handler handler, void *ctx,
		struct loop_source **ret_source)
{
	struct loop_source source = { .kind = SOURCE_FD, .fd = fd, .fd_handler = handler, .ctx = ctx };

	return add_source(loop, source, events, ret_source);
}

static int arm_timer(int fd, uint64_t interval_ns)
{
	struct timespec interval = { .tv_sec = (time_t)(interval_ns / NS_PER_SECOND),
				     .tv_nsec = (long)(interval_ns % NS_PER_SECOND) };
	struct itimerspec timer = { .it_interval = interval, .it_value = interval };

	return timerfd_settime(fd, 0, &timer, NULL) ? -errno : 0;
}

int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_handler handler, void *ctx,
		   struct loop_source **ret_source)
{
	struct loop_source source = { .kind = SOURCE_TIMER, .handler = handler, .ctx = ctx };
	int error;

	source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (source.fd < 0)
		return -errno;
	error = arm_timer(source.fd, interval_ns);
	if (error) {
		close(source.fd);
		return error;
	}
	return add_source(loop, source, EPOLLIN, ret_source);
}

int loop_add_signal(struct loop *loop, int number, loop_handler handler, void *ctx, struct loop_source **ret_source)
{
	struct loop_source source = { .kind = SOURCE_SIGNAL, .handler = handler, .ctx = ctx };
	sigset_t set;

	if (sigemptyset(&set) || sigaddset(&set, number) || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (source.fd < 0)
		return -errno;
	return add_source(loop, source, EPOLLIN, ret_source);
}

int loop_set_events(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (source->kind != SOURCE_FD)
		return -EINVAL;
	return epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) ? -errno : 0;
}

int loop_set_interval(struct loop_source *source, uint64_t interval_ns)
{
	if (source->kind != SOURCE_TIMER)
		return -EINVAL;
	return arm_timer(source->fd, interval_ns);
}

/* True when the readiness was real: a timer that an earlier handler of the batch restarted has nothing to read. */
static bool take_wakeup(const struct loop_source *source)
{
	struct signalfd_siginfo signal_info;
	uint64_t expirations;

	if (source->kind == SOURCE_TIMER)
		return read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations);
	return read(source->fd, &signal_info, sizeof(signal_info)) == sizeof(signal_info);
}

static void dispatch(struct loop *loop, const struct epoll_event *events, int count)
{
	int i;

	loop->dispatching = true;
	for (i = 0; i < count && !loop->stopped; i++) {
		const struct loop_source *source = events[i].data.ptr;

		if (source->fd < 0)
			continue;
		if (source->kind == SOURCE_FD)
			source->fd_handler(source->ctx, events[i].events);
		else if (take_wakeup(source))
			source->handler(source->ctx);
	}
	loop->dispatching = false;
	bury(loop);
}

int loop_run(struct loop *loop, int *ret_result)
{
	struct epoll_event events[LOOP_BATCH];

	while (!loop->stopped) {
		int count = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0)
			dispatch(loop, events, count);
	}
	loop->stopped = false;
	*ret_result = loop->result;
	return 0;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
