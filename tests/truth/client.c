/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan-driven client: connections over threads, requests over a connection one by one or pipelined. What it has
 * received to the last byte it counts in the shared world, with the duration that it measured itself.
 */
#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64
#define INLINE_BODY_BYTES 16384U
#define ONE_SEND_BYTES (1U << 20)

struct client {
	struct actor *self;
	struct channel channel;
	struct out out;
	uint64_t first_sent_ns;
};

static const struct plan *plan_of(const struct client *client, uint32_t index)
{
	const struct load *load = &client->self->kase->load;

	return &load->plans[index % plan_count(load)];
}

static uint64_t request_bytes(const struct client *client, const struct plan *plan)
{
	return plan->request == FRAMING_NONE ? 0 : scaled_bytes(client->self->world, plan->request_bytes);
}

static int send_out(struct client *client, int flags)
{
	int err = client->out.failed ? -ENOMEM :
				       channel_send(&client->channel, client->out.data, client->out.length, flags);

	client->out.length = 0;
	return err;
}

static int await_continue(struct client *client)
{
	struct message interim;
	int got = wire_read_head(&client->channel, &interim);

	if (got <= 0)
		return got ? got : -ECONNABORTED;
	if (interim.status != 100)
		return -EPROTO;
	fact_add(client->self->world, FACT_CONTINUE, 1);
	return 0;
}

/* Composes one request; sends it when its body goes apart, else leaves it for the batch. */
static int compose(struct client *client, uint32_t index, bool last)
{
	const struct plan *plan = plan_of(client, index);
	const struct io *io = client->channel.io;
	uint64_t bytes = request_bytes(client, plan);
	bool body = plan->request != FRAMING_NONE;
	bool apart = body && (plan->expect || io->body_send != BODY_SEND_CALLS || io->more || io->cork ||
			      bytes > (io->one_send ? ONE_SEND_BYTES : INLINE_BODY_BYTES));
	int err;

	wire_add_request(&client->out, &client->self->kase->load, index, bytes, last);
	if (body && !apart)
		wire_add_body(&client->out, plan->request, bytes);
	if (!apart)
		return 0;
	channel_cork(&client->channel, true);
	err = send_out(client, io->more ? MSG_MORE : 0);
	if (!err && plan->expect)
		err = await_continue(client);
	if (!err)
		err = wire_send_body(&client->channel, plan->request, bytes, 0);
	channel_cork(&client->channel, false);
	return err;
}

static int receive_response(struct client *client, uint32_t index, bool measured)
{
	const struct plan *plan = plan_of(client, index);
	struct completed done = { .side = SIDE_CLIENT, .method = plan->method };
	struct message response;
	int err;

	do {
		err = wire_read_head(&client->channel, &response);
		if (err <= 0)
			return err ? err : -ECONNABORTED;
		if (response.status < 200)
			fact_add(client->self->world, FACT_INTERIM, 1);
	} while (response.status < 200);
	if (response.status != plan_status(plan))
		return -EPROTO;
	if (plan_response_has_body(plan)) {
		err = wire_read_body(&client->channel, &response, true, &done.response_bytes);
		if (err < 0)
			return err;
	}
	if (measured)
		done.duration_ns = clock_ns() - client->first_sent_ns;
	done.status = response.status;
	done.request_bytes = request_bytes(client, plan);
	tally(client->self, &done);
	return 0;
}

static int batch(struct client *client, uint32_t first, unsigned count, bool last)
{
	int err = 0;

	if (plan_of(client, first)->think_us)
		sleep_us(plan_of(client, first)->think_us);
	client->first_sent_ns = clock_ns();
	for (unsigned i = 0; i < count && !err; i++)
		err = compose(client, first + i, last && i + 1 == count);
	if (!err && client->out.length)
		err = send_out(client, 0);
	if (!err)
		err = channel_swap(&client->channel);
	for (unsigned i = 0; i < count && !err; i++)
		err = receive_response(client, first + i, count == 1);
	return err;
}

int client_converse(struct actor *self, int fd, unsigned requests, unsigned first)
{
	struct client client = { .self = self };
	const struct load *load = &self->kase->load;
	unsigned depth = load->depth ? load->depth : 1;
	int err = transport_tune(fd, self->family, &load->client);

	if (err < 0)
		return err;
	err = channel_init(&client.channel, fd, &load->client, self->world, family_is_tcp(self->family));
	for (unsigned at = 0; !err && at < requests; at += depth) {
		unsigned count = requests - at < depth ? requests - at : depth;

		err = batch(&client, first + at, count, at + count == requests);
	}
	channel_done(&client.channel);
	out_done(&client.out);
	return err;
}

struct crew {
	struct actor *self;
	_Atomic unsigned next;
	unsigned connections;
	unsigned requests;
};

static void *work(void *argument)
{
	struct crew *crew = argument;
	struct actor *self = crew->self;
	unsigned number;

	while ((number = crew->next++) < crew->connections && !self->world->failed) {
		int fd = transport_connect(self, 0);
		int err = fd < 0 ? fd : client_converse(self, fd, crew->requests, number);

		if (err < 0)
			world_fail(self->world, "%s: connection %u: %s", self->role, number, strerror(-err));
	}
	return NULL;
}

struct pair_server {
	struct actor *self;
	int fd;
};

static void *serve_pair(void *argument)
{
	struct pair_server *server = argument;
	int err = server_serve(server->self, server->fd, 0);

	if (err < 0)
		world_fail(server->self->world, "serving a pair: %s", strerror(-err));
	return NULL;
}

int pair_converse(struct actor *self, int server_fd, int client_fd)
{
	struct pair_server server = { self, server_fd };
	unsigned requests = self->kase->load.requests;
	pthread_t id;
	int err;

	if (pthread_create(&id, NULL, serve_pair, &server))
		return -EAGAIN;
	err = client_converse(self, client_fd, requests ? requests : 1, 0);
	pthread_join(id, NULL);
	return err;
}

int client_actor(struct actor *self)
{
	const struct load *load = &self->kase->load;
	unsigned threads = load->threads ? load->threads : 1;
	unsigned connections = load->connections ? load->connections : 1;
	unsigned requests = load->requests ? load->requests : 1;
	struct crew crew = { .self = self };
	pthread_t ids[THREADS_MAX];
	unsigned started = 0;

	crew.connections = (unsigned)scaled_count(self->world, connections, load->scaled && connections > requests);
	crew.requests = (unsigned)scaled_count(self->world, requests, load->scaled && requests >= connections);
	while (started < threads && started < THREADS_MAX)
		if (pthread_create(&ids[started++], NULL, work, &crew))
			return world_fail(self->world, "%s: cannot start a thread", self->role);
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	return self->world->failed ? 1 : 0;
}
