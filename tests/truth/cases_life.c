/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 5, the workload's half: sockets that change their process, their descriptor or their thread, processes that live
 * for milliseconds, servers of several processes. The agent runs all the time.
 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SIZED FRAMING_LENGTH
#define MIX                                                                       \
	.plans = { { .method = "GET", .response = SIZED, .response_bytes = 120 }, \
		   { .method = "POST",                                            \
		     .request = SIZED,                                            \
		     .request_bytes = 60,                                         \
		     .response = SIZED,                                           \
		     .response_bytes = 40000 } }
#define BEFORE_PASSING 10U
#define WORKERS 4
#define BRIEF 200
#define BRIEF_SCALED 50 /* where the scale is small, emulation is slow */
#define INHERITED_FD 60
#define LONG_VALUE 8192

static int failed(struct actor *self, const char *what, int err)
{
	return world_fail(self->world, "%s: %s: %s", self->role, what, strerror(err < 0 ? -err : err));
}

static socklen_t pass_address(const struct actor *self, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "%s-pass", self->world->directory);
	return sizeof(*address);
}

/* Receives connected sockets and serves what is left of them. Not a stream: no traffic of its own to be counted. */
static int receiving_worker(struct actor *self)
{
	struct sockaddr_un address;
	socklen_t length = pass_address(self, &address);
	int listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int channel, fd;

	if (bind(listen_fd, (struct sockaddr *)&address, length) < 0 || listen(listen_fd, 1) < 0)
		return failed(self, "listening", errno);
	event_post(self->world, EVENT_READY);
	channel = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (channel < 0)
		return failed(self, "accepting", errno);
	while ((fd = transport_receive_fd(channel)) >= 0) {
		int err = server_serve(self, fd, 0);

		if (err < 0)
			return failed(self, "serving", err);
	}
	close(channel);
	close(listen_fd);
	return fd == -ENODATA ? 0 : failed(self, "receiving a socket", fd);
}

static int passing_acceptor(struct actor *self)
{
	unsigned connections = self->kase->load.connections;
	struct sockaddr_un address;
	socklen_t length = pass_address(self, &address);
	int channel = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int listen_fd = transport_listen(self, 0, false);

	if (listen_fd < 0 || connect(channel, (struct sockaddr *)&address, length) < 0)
		return failed(self, "connecting to the worker", listen_fd < 0 ? listen_fd : errno);
	event_post(self->world, EVENT_READY);
	for (unsigned i = 0; i < connections; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		int err = fd < 0 ? -errno : server_serve(self, dup(fd), BEFORE_PASSING);

		if (!err)
			err = transport_send_fd(channel, fd);
		if (err < 0)
			return failed(self, "passing", err);
		close(fd);
	}
	close(channel);
	return event_wait(self->world, EVENT_STOP, 1) ? 1 : 0;
}

static int prefork_server(struct actor *self)
{
	int fd = transport_listen(self, 0, false);

	if (fd < 0)
		return failed(self, "listening", fd);
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return failed(self, "forking", errno);
		if (!pid)
			_exit(server_accept_loop(self, fd, 1) ? 1 : 0);
	}
	return wait_for_children(self);
}

static int reuse_port_server(struct actor *self)
{
	int fd = transport_listen(self, 0, true);

	return fd < 0 ? failed(self, "listening", fd) : server_accept_loop(self, fd, 1);
}

static int brief(const struct actor *self)
{
	return self->world->scale < 0.5 ? BRIEF_SCALED : BRIEF;
}

/* A client process for every request, executed anew. */
static int brief_clients(struct actor *self)
{
	for (int i = 0; i < brief(self); i++) {
		pid_t pid = actor_spawn(self, "once", "once");

		if (pid < 0)
			return failed(self, "spawning", pid);
		if (wait_for_children(self))
			return 1;
	}
	return 0;
}

static int brief_clients_late_name(struct actor *self)
{
	char *value = malloc(LONG_VALUE + 1);

	if (!value)
		return failed(self, "padding the environment", ENOMEM);
	memset(value, 'x', LONG_VALUE);
	value[LONG_VALUE] = '\0';
	/* The service's name comes after it. */
	unsetenv("OTEL_SERVICE_NAME");
	setenv("A_LONG_VALUE", value, 1);
	free(value);
	return brief_clients(self);
}

static int forked_clients(struct actor *self)
{
	for (int i = 0; i < brief(self); i++) {
		pid_t pid = fork();

		if (pid < 0)
			return failed(self, "forking", errno);
		if (!pid) {
			int fd = transport_connect(self, 0);

			_exit(fd < 0 || client_converse(self, fd, 1, (unsigned)i) < 0);
		}
		if (wait_for_children(self))
			return 1;
	}
	return 0;
}

/* As inetd: a process for every connection, executed with the socket open. */
static int inetd(struct actor *self)
{
	int listen_fd = transport_listen(self, 0, false);

	if (listen_fd < 0)
		return failed(self, "listening", listen_fd);
	event_post(self->world, EVENT_READY);
	for (unsigned i = 0; i < self->kase->load.connections; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (fd < 0 || dup2(fd, INHERITED_FD) < 0)
			return failed(self, "accepting", errno);
		close(fd);
		pid = actor_spawn(self, "handler", "handler");
		close(INHERITED_FD);
		if (pid < 0 || wait_for_children(self))
			return failed(self, "spawning", pid < 0 ? pid : ECHILD);
	}
	return event_wait(self->world, EVENT_STOP, 1) ? 1 : 0;
}

static int inetd_handler(struct actor *self)
{
	int err = server_serve(self, INHERITED_FD, 0);

	return err < 0 ? failed(self, "serving", err) : 0;
}

/* The child answers what the parent has read. */
static int answer_in_child(struct actor *self, struct channel *channel, const struct message *request)
{
	const struct plan *plan = &self->kase->load.plans[request->plan];
	struct completed done = {
		.side = SIDE_SERVER, .method = plan->method, .status = 200, .response_bytes = plan->response_bytes
	};
	struct out out = { 0 };
	pid_t pid = fork();
	int err;

	if (pid)
		return pid < 0 ? -errno : wait_for_children(self);
	wire_add_response(&out, &self->kase->load, plan, plan->response_bytes, false);
	wire_add_body(&out, plan->response, plan->response_bytes);
	err = out.failed ? -ENOMEM : channel_send(channel, out.data, out.length, 0);
	if (!err)
		tally(self, &done);
	_exit(err ? 1 : 0);
}

static int forking_server(struct actor *self)
{
	static const struct io plain = { 0 };
	int listen_fd = transport_listen(self, 0, false);
	struct channel channel;
	struct message request;
	int fd, err;

	if (listen_fd < 0)
		return failed(self, "listening", listen_fd);
	event_post(self->world, EVENT_READY);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || channel_init(&channel, fd, &plain, self->world, family_is_tcp(self->family)) < 0)
		return failed(self, "accepting", errno);
	while ((err = wire_read_head(&channel, &request)) > 0)
		if ((err = answer_in_child(self, &channel, &request)) < 0)
			break;
	channel_done(&channel);
	return err < 0 ? failed(self, "serving", err) : 0;
}

#define CLIENT                                \
	{                                     \
		"client", client_actor, false \
	}
#define SERVER                                \
	{                                     \
		"server", server_actor, false \
	}

const struct truth_case cases_life[] = {
	{ .name = "socket-passed",
	  .number = 5,
	  .description = "each connection served by one process, then passed by SCM_RIGHTS to another",
	  .families = EVERY,
	  .load = { .connections = 5, .requests = 25, MIX },
	  .roles = { { "worker", receiving_worker, false }, { "acceptor", passing_acceptor, false }, CLIENT } },
	{ .name = "prefork",
	  .number = 5,
	  .description = "four forked workers accept from one socket: one service",
	  .families = EVERY,
	  .load = { .connections = 100, .requests = 5, .threads = 4, MIX },
	  .roles = { { "server", prefork_server, false }, CLIENT } },
	{ .name = "reuse-port",
	  .number = 5,
	  .description = "two processes with one port by SO_REUSEPORT: each has what it served",
	  .families = TCP,
	  .load = { .connections = 200, .threads = 2, MIX },
	  .roles = { { "first", reuse_port_server, false }, { "second", reuse_port_server, false }, CLIENT } },
	{ .name = "brief-processes",
	  .number = 5,
	  .description = "200 client processes, executed for one request each",
	  .families = EVERY,
	  .load = { MIX },
	  .roles = { SERVER, { "spawner", brief_clients, false }, { "once", client_actor, true } } },
	{ .name = "brief-processes-late-name",
	  .number = 5,
	  .description = "the same with 8 KiB of environment before the service's name",
	  .families = TCP4,
	  .load = { MIX },
	  .roles = { SERVER, { "spawner", brief_clients_late_name, false }, { "once", client_actor, true } } },
	{ .name = "brief-forks",
	  .number = 5,
	  .description = "200 forked client processes, one request each",
	  .families = EVERY,
	  .load = { MIX },
	  .roles = { SERVER, { "client", forked_clients, false } } },
	{ .name = "inherited",
	  .number = 5,
	  .description = "a process executed for each accepted connection, as by inetd",
	  .families = EVERY,
	  .load = { .connections = 50, .requests = 3, MIX },
	  .roles = { { "inetd", inetd, false }, CLIENT, { "handler", inetd_handler, true } } },
	{ .name = "fork-between",
	  .number = 5,
	  .description = "the request read by a process, answered by its child",
	  .families = EVERY,
	  .load = { .requests = 100, .plans = { { .method = "GET", .response = SIZED, .response_bytes = 120 } } },
	  .roles = { { "server", forking_server, false }, CLIENT } },
	{ .name = "dup",
	  .number = 5,
	  .description = "another descriptor by dup for every message, the old one closed",
	  .families = EVERY,
	  .load = { .connections = 3, .requests = 100, .server.dup_each = true, .client.dup_each = true, MIX } },
	{ .name = "other-thread",
	  .number = 5,
	  .description = "requests read by one thread, answered by another that lives for it",
	  .families = EVERY,
	  .load = { .connections = 2, .threads = 2, .requests = 100, .other_thread = true, MIX } },
	{ 0 },
};
