/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's life and its turn of the loop. libmicrohttpd runs without a thread and without a listening socket of its
 * own: connections are accepted here and handed to it, because one limit must hold over all addresses, and because a
 * full house should ask the longest idle guest to leave rather than keep the scraper out. One epoll holds the
 * listeners, libmicrohttpd's epoll and a timer.
 *
 * Rejected: a thread for the server (locks around every counter, another stack); a daemon per address (a limit each).
 */
#include "exporters/web/web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "exporters/web/internal.h"

#define CONNECTION_MEMORY_BYTES ((size_t)16 << 10) /* both heads; a request with a longer one is refused (431) */
#define CONNECTION_MEMORY_STEP ((size_t)1 << 10)
#define MHD_TURNS_MAX 32 /* of libmicrohttpd in one run: the rest waits for the loop's next round */
#define ACCEPT_PAUSE_NS (NS_PER_SECOND / 2)

static int watch(const struct web *web, int fd, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(web->epoll_fd, operation, fd, &event) ? -errno : 0;
}

/* A full house, or no descriptor left: connections wait in the backlog. */
static void set_accepting(struct web *web, bool accepting)
{
	if (accepting == web->accepting)
		return;
	for (size_t i = 0; i < web->listener_count; i++)
		(void)watch(web, web->listeners[i].fd, EPOLL_CTL_MOD, accepting ? EPOLLIN : 0);
	web->accepting = accepting;
}

static void accept_failed(struct web *web, int error)
{
	/* accept(2): errors of the new connection come here too, and mean nothing to the listener. */
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	web->figures.accept_errors++;
	web->accept_after_ns = web->config.now_ns(web->config.ctx) + ACCEPT_PAUSE_NS;
	set_accepting(web, false);
}

static void accept_all(struct web *web, int listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd;

	while (web->accepting && web->connection_count < WEB_CONNECTIONS_MAX) {
		size = sizeof(address);
		fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			accept_failed(web, errno);
		else if (MHD_add_connection(web->daemon, fd, (struct sockaddr *)&address, size) != MHD_YES)
			web->figures.accept_errors++; /* MHD closed it */
	}
}

static bool is_listener(const struct web *web, int fd)
{
	for (size_t i = 0; i < web->listener_count; i++)
		if (web->listeners[i].fd == fd)
			return true;
	return false;
}

static void accept_ready(struct web *web)
{
	struct epoll_event events[WEB_LISTENERS_MAX + 2];
	int count = epoll_wait(web->epoll_fd, events, WEB_LISTENERS_MAX + 2, 0);
	uint64_t expirations;

	for (int i = 0; i < count; i++) {
		if (is_listener(web, events[i].data.fd))
			accept_all(web, events[i].data.fd);
		else if (events[i].data.fd == web->timer_fd)
			(void)!read(web->timer_fd, &expirations, sizeof(expirations)); /* only to make it silent */
	}
}

/* True when libmicrohttpd has more to do at once. It has no timeouts of its own: see connections.c. */
static bool mhd_turn(struct web *web)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	return MHD_run(web->daemon) == MHD_YES && MHD_get_timeout(web->daemon, &timeout_ms) == MHD_YES && !timeout_ms;
}

/* Wakes the loop at `at_ns`; 0: never. A time gone by wakes it at once. */
static void set_timer(struct web *web, uint64_t at_ns)
{
	uint64_t now = web->config.now_ns(web->config.ctx);
	uint64_t after = at_ns > now ? at_ns - now : 1;
	struct itimerspec spec = { 0 };

	if (at_ns) {
		spec.it_value.tv_sec = (time_t)(after / NS_PER_SECOND);
		spec.it_value.tv_nsec = (long)(after % NS_PER_SECOND);
	}
	(void)timerfd_settime(web->timer_fd, 0, &spec, NULL); /* cannot fail: the values are in range */
}

void web_run(struct web *web)
{
	uint64_t next;
	bool more;
	int turns = 0;

	accept_ready(web);
	do {
		more = mhd_turn(web);
	} while (more && ++turns < MHD_TURNS_MAX);
	next = web_connections_sweep(web);
	if (web->connection_count == WEB_CONNECTIONS_MAX)
		web_connections_evict(web);
	if (web->accept_after_ns && web->accept_after_ns <= web->config.now_ns(web->config.ctx))
		web->accept_after_ns = 0;
	set_accepting(web, !web->accept_after_ns && web->connection_count < WEB_CONNECTIONS_MAX);
	if (web->accept_after_ns && (!next || web->accept_after_ns < next))
		next = web->accept_after_ns;
	set_timer(web, more ? 1 : next);
}

int web_fd(const struct web *web)
{
	return web->epoll_fd;
}

static int start_mhd(struct web *web)
{
	const union MHD_DaemonInfo *info;

	web->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, web_request, web, MHD_OPTION_NOTIFY_COMPLETED,
		web_request_completed, web, MHD_OPTION_NOTIFY_CONNECTION, web_connection_notify, web,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)WEB_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_MEMORY_STEP,
		MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_END);
	if (!web->daemon)
		return -ENOMEM;
	info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -ENOSYS;
	return watch(web, info->epoll_fd, EPOLL_CTL_ADD, EPOLLIN);
}

static int start_loop(struct web *web)
{
	int error;

	web->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	web->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (web->epoll_fd < 0 || web->timer_fd < 0)
		return -errno;
	error = watch(web, web->timer_fd, EPOLL_CTL_ADD, EPOLLIN);
	for (size_t i = 0; !error && i < web->listener_count; i++)
		error = watch(web, web->listeners[i].fd, EPOLL_CTL_ADD, EPOLLIN);
	web->accepting = true;
	return error ? error : start_mhd(web);
}

static int start(struct web *web, struct exporter_error *ret_error)
{
	const struct web_config *config = &web->config;
	int error = 0;

	if (config->telemetry_path[0] != '/' || strpbrk(config->telemetry_path, "?#%")) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "web.telemetry-path \"%.200s\": must begin with / and hold none of ? # %%",
			 config->telemetry_path);
		return -EINVAL;
	}
	for (size_t i = 0; !error && i < config->listen_address_count; i++)
		error = listen_open(config->listen_addresses[i], web->listeners, &web->listener_count, ret_error);
	if (error)
		return error;
	error = start_loop(web);
	if (error)
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot start the web server: %s", strerror(-error));
	return error;
}

int web_new(const struct web_config *config, struct web **ret_web, struct exporter_error *ret_error)
{
	struct web *web = calloc(1, sizeof(*web));
	int error;

	if (!web) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot start the web server: out of memory");
		return -ENOMEM;
	}
	web->config = *config;
	web->epoll_fd = web->timer_fd = -1;
	error = start(web, ret_error);
	if (error) {
		web_free(web);
		return error;
	}
	*ret_web = web;
	return 0;
}

void web_free(struct web *web)
{
	if (!web)
		return;
	if (web->daemon)
		MHD_stop_daemon(web->daemon); /* frees responses, which hand their memory back: before the buffers go */
	for (size_t i = 0; i < web->listener_count; i++)
		close(web->listeners[i].fd);
	cleanup_close_fd(&web->timer_fd);
	cleanup_close_fd(&web->epoll_fd);
	gzip_done(&web->gzip);
	buffer_done(&web->chunk);
	buffer_done(&web->spare);
	free(web);
}

size_t web_address_count(const struct web *web)
{
	return web->listener_count;
}

const char *web_address(const struct web *web, size_t index)
{
	return index < web->listener_count ? web->listeners[index].address : NULL;
}

static int exporter_fd(const void *self)
{
	return web_fd(self);
}

static void exporter_run(void *self)
{
	web_run(self);
}

static void exporter_stop(void *self)
{
	web_free(self);
}

struct exporter web_exporter(struct web *web)
{
	static const struct exporter_ops ops = {
		.name = "web",
		.fd = exporter_fd,
		.run = exporter_run,
		.stop = exporter_stop,
	};

	return (struct exporter){ .ops = &ops, .self = web, .metrics = web_source(web) };
}
