/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 8: both ends of a connection on one host, and chains of processes: every hop once on each of its sides.
 */
#include "truth.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define SIZED FRAMING_LENGTH
#define POOL_MAX 16
#define MIX                                                                       \
	.plans = { { .method = "GET", .response = SIZED, .response_bytes = 300 }, \
		   { .method = "POST",                                            \
		     .request = SIZED,                                            \
		     .request_bytes = 40,                                         \
		     .response = FRAMING_CHUNKED,                                 \
		     .response_bytes = 2000 },                                    \
		   { .method = "GET", .status = 502, .response = SIZED, .response_bytes = 3 } }

/* Idle connections to the upstream. */
struct pool {
	pthread_mutex_t mutex;
	int idle[POOL_MAX];
	int count;
	bool keep;
};

static int pool_take(struct actor *self, struct pool *pool)
{
	int fd = -1;

	pthread_mutex_lock(&pool->mutex);
	if (pool->count)
		fd = pool->idle[--pool->count];
	pthread_mutex_unlock(&pool->mutex);
	return fd >= 0 ? fd : transport_connect(self, 1);
}

static void pool_give(struct pool *pool, int fd)
{
	pthread_mutex_lock(&pool->mutex);
	if (pool->keep && pool->count < POOL_MAX) {
		pool->idle[pool->count++] = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&pool->mutex);
	if (fd >= 0)
		close(fd);
}

static int call_upstream(struct actor *self, uint32_t plan)
{
	struct pool *pool = self->context;
	int fd = pool_take(self, pool);
	int copy = fd < 0 ? fd : dup(fd);
	int err = copy < 0 ? -EMFILE : client_converse(self, copy, 1, plan);

	if (fd >= 0)
		pool_give(pool, fd);
	return err;
}

static int proxy_with(struct actor *self, bool keep)
{
	struct pool pool = { .mutex = PTHREAD_MUTEX_INITIALIZER, .keep = keep };
	int fd = transport_listen(self, 0, false);
	int err;

	if (fd < 0)
		return world_fail(self->world, "%s: listening: %s", self->role, strerror(-fd));
	self->call = call_upstream;
	self->context = &pool;
	err = server_accept_loop(self, fd, self->kase->load.threads + 1);
	while (pool.count)
		close(pool.idle[--pool.count]);
	return err;
}

static int proxy(struct actor *self)
{
	return proxy_with(self, false);
}

static int proxy_keep(struct actor *self)
{
	return proxy_with(self, true);
}

static int upstream(struct actor *self)
{
	int fd = transport_listen(self, 1, false);

	if (fd < 0)
		return world_fail(self->world, "%s: listening: %s", self->role, strerror(-fd));
	return server_accept_loop(self, fd, POOL_MAX);
}

/* A server that calls itself: its own client. */
static int own_client(struct actor *self)
{
	int listen_fd = transport_listen(self, 0, false);
	int client_fd = listen_fd < 0 ? listen_fd : transport_connect(self, 0);
	int server_fd = client_fd < 0 ? client_fd : accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	int err = server_fd < 0 ? -EIO : pair_converse(self, server_fd, client_fd);

	if (err < 0)
		return world_fail(self->world, "%s: %s", self->role, strerror(-err));
	close(listen_fd);
	return 0;
}

static int socket_pair(struct actor *self)
{
	int fds[2];
	int err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;

	if (!err)
		err = pair_converse(self, fds[0], fds[1]);
	return err < 0 ? world_fail(self->world, "%s: %s", self->role, strerror(-err)) : 0;
}

const struct truth_case cases_hops[] = {
	{ .name = "loopback",
	  .number = 8,
	  .description = "both ends on this host, counted once on each side",
	  .families = EVERY | ABSTRACT,
	  .load = { .connections = 10, .requests = 30, .threads = 2, MIX } },
	{ .name = "own-client",
	  .number = 8,
	  .description = "both ends in one process: once as server, once as client",
	  .families = EVERY,
	  .load = { .requests = 90, MIX },
	  .roles = { { "self", own_client, false } } },
	{ .name = "socketpair",
	  .number = 8,
	  .description = "both ends of a socketpair in one process",
	  .families = UNIX,
	  .load = { .requests = 90, MIX },
	  .roles = { { "self", socket_pair, false } } },
	{ .name = "proxy",
	  .number = 8,
	  .description = "client, proxy, upstream with a connection for each call: each hop once on each side",
	  .families = EVERY,
	  .load = { .connections = 12, .requests = 20, .threads = 4, MIX },
	  .roles = { { "upstream", upstream, false }, { "proxy", proxy, false }, { "client", client_actor, false } } },
	{ .name = "proxy-keep-alive",
	  .number = 8,
	  .description = "the same with idle connections to the upstream kept and shared",
	  .families = EVERY,
	  .load = { .connections = 12, .requests = 20, .threads = 4, MIX },
	  .roles = { { "upstream", upstream, false },
		     { "proxy", proxy_keep, false },
		     { "client", client_actor, false } } },
	{ 0 },
};
