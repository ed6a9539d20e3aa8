/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan-driven server: each request names its plan, the answer follows it. Threads accept and serve one connection
 * at a time. What it has handed to the kernel to the last byte it counts in the shared world.
 */
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64
#define INLINE_BODY_BYTES 16384U
#define ONE_SEND_BYTES (1U << 20)
#define BATCH_MAX 128

struct server {
	struct actor *self;
	struct channel channel;
	struct out out;
	struct completed batch[BATCH_MAX]; /* composed but not yet sent */
	char methods[BATCH_MAX][24];
	unsigned batched;
};

static int flush(struct server *server)
{
	uint64_t now;
	int err;

	if (server->out.failed)
		return -ENOMEM;
	err = channel_send(&server->channel, server->out.data, server->out.length, 0);
	now = clock_ns();
	server->out.length = 0;
	for (unsigned i = 0; i < server->batched && !err; i++) {
		if (server->batch[i].duration_ns)
			server->batch[i].duration_ns = now - server->batch[i].duration_ns;
		tally(server->self, &server->batch[i]);
	}
	if (server->batched > 1)
		fact_add(server->self->world, FACT_COALESCED, 1);
	server->batched = 0;
	return err;
}

/* Large bodies, and those with a way or a pace of their own, follow their head. */
static int send_apart(struct server *server, const struct plan *plan, uint64_t bytes)
{
	int flags = server->channel.io->more ? MSG_MORE : 0;
	int err;

	if (server->out.failed)
		return -ENOMEM;
	channel_cork(&server->channel, true);
	err = channel_send(&server->channel, server->out.data, server->out.length, flags);
	server->out.length = 0;
	if (!err)
		err = wire_send_body(&server->channel, plan->response, bytes, plan->drip_us);
	channel_cork(&server->channel, false);
	return err;
}

static int respond(struct server *server, const struct message *request, const struct plan *plan,
		   uint64_t request_bytes)
{
	const struct load *load = &server->self->kase->load;
	uint64_t bytes = scaled_bytes(server->self->world, plan->response_bytes);
	bool body = plan_response_has_body(plan) && plan->response != FRAMING_NONE;
	const struct io *io = server->channel.io;
	bool apart = body && (plan->drip_us || io->body_send != BODY_SEND_CALLS || io->more || io->cork ||
			      bytes > (io->one_send ? ONE_SEND_BYTES : INLINE_BODY_BYTES));
	struct completed *done = &server->batch[server->batched];
	int err = 0;

	memcpy(server->methods[server->batched], request->method, sizeof(request->method));
	*done = (struct completed){ .side = SIDE_SERVER,
				    .method = server->methods[server->batched],
				    .status = plan_status(plan),
				    .request_bytes = request_bytes,
				    .response_bytes = body ? bytes : 0,
				    .duration_ns = request->first_ns };
	server->batched++;
	sleep_us(plan->delay_us);
	wire_add_response(&server->out, load, plan, bytes, request->close || plan->response == FRAMING_CLOSE);
	if (body && !apart)
		wire_add_body(&server->out, plan->response, bytes);
	if (apart)
		err = send_apart(server, plan, bytes);
	if (err)
		return err;
	if (load->coalesce && server->channel.start < server->channel.end && server->batched < BATCH_MAX)
		return 0;
	return flush(server);
}

struct answer {
	struct server *server;
	const struct message *request;
	const struct plan *plan;
	uint64_t request_bytes;
	int err;
};

static void *respond_elsewhere(void *argument)
{
	struct answer *answer = argument;

	answer->err = respond(answer->server, answer->request, answer->plan, answer->request_bytes);
	return NULL;
}

static int answer(struct server *server, const struct message *request, const struct plan *plan, uint64_t request_bytes)
{
	struct answer answer = { server, request, plan, request_bytes, -EAGAIN };
	int err = channel_swap(&server->channel);
	pthread_t id;

	if (err < 0 || !server->self->kase->load.other_thread)
		return err < 0 ? err : respond(server, request, plan, request_bytes);
	if (pthread_create(&id, NULL, respond_elsewhere, &answer))
		return -EAGAIN;
	pthread_join(id, NULL);
	return answer.err;
}

/* 1: go on, 0: the connection has ended in good order. */
static int serve_one(struct server *server)
{
	const struct load *load = &server->self->kase->load;
	const struct plan *plan;
	struct message request;
	uint64_t bytes = 0;
	int err = wire_read_head(&server->channel, &request);

	if (err <= 0)
		return err;
	if (request.plan >= plan_count(load))
		return -EPROTO;
	plan = &load->plans[request.plan];
	if (plan->expect) {
		static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

		if ((err = channel_send(&server->channel, text, sizeof(text) - 1, 0)) < 0)
			return err;
	}
	if ((err = wire_read_body(&server->channel, &request, false, &bytes)) < 0)
		return err;
	if (server->self->call && (err = server->self->call(server->self, request.plan)) < 0)
		return err;
	if ((err = answer(server, &request, plan, bytes)) < 0)
		return err;
	return !load->close_each && !request.close && plan->response != FRAMING_CLOSE;
}

int server_serve(struct actor *self, int fd, unsigned limit)
{
	struct server server = { .self = self };
	const struct load *load = &self->kase->load;
	int err = transport_tune(fd, self->family, &load->server);

	if (err < 0)
		return err;
	err = channel_init(&server.channel, fd, &load->server, self->world, family_is_tcp(self->family));
	if (err < 0)
		return err;
	err = 1;
	for (unsigned n = 0; err > 0 && (!limit || n < limit); n++)
		err = serve_one(&server);
	channel_done(&server.channel);
	out_done(&server.out);
	return err < 0 ? err : 0;
}

struct acceptors {
	struct actor *self;
	int listen_fd;
};

static void *accept_and_serve(void *argument)
{
	const struct acceptors *acceptors = argument;
	struct actor *self = acceptors->self;

	for (;;) {
		int fd = accept4(acceptors->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		int err;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return NULL; /* the listening socket was shut down: the end */
		err = server_serve(self, fd, 0);
		if (err < 0)
			world_fail(self->world, "%s: serving: %s", self->role, strerror(-err));
	}
}

int server_accept_loop(struct actor *self, int listen_fd, unsigned threads)
{
	struct acceptors acceptors = { self, listen_fd };
	pthread_t ids[THREADS_MAX];
	unsigned started = 0;
	int err;

	while (started < threads && started < THREADS_MAX) {
		if (pthread_create(&ids[started], NULL, accept_and_serve, &acceptors))
			return world_fail(self->world, "%s: cannot start a thread", self->role);
		started++;
	}
	event_post(self->world, EVENT_READY);
	err = event_wait(self->world, EVENT_STOP, 1);
	shutdown(listen_fd, SHUT_RDWR);
	if (err == -ECANCELED || err == -ETIMEDOUT)
		return 1;
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	return 0;
}

int server_actor(struct actor *self)
{
	const struct load *load = &self->kase->load;
	int fd = transport_listen(self, 0, false);

	if (fd < 0)
		return world_fail(self->world, "%s: listening: %s", self->role, strerror(-fd));
	return server_accept_loop(self, fd, (load->threads ? load->threads : 1) + 1);
}
