/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays scripted conversations: the server accepts one connection after the other, both sides follow their steps, and
 * each counts the outcomes that its side must have after every connection that went as written.
 */
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_REPEAT 20
#define SEND_TRIES 4000

struct player {
	struct actor *self;
	const struct script *script;
	struct channel channel;
	unsigned round;  /* connections before this one */
	uint64_t marked; /* bytes that had crossed at OP_MARK */
};

static int play_receive(struct player *player, const struct step *step)
{
	struct channel *channel = &player->channel;
	size_t length = (size_t)step->number;

	while (channel->end - channel->start < length) {
		ssize_t n = channel_receive(channel);

		if (n <= 0)
			return n ? (int)n : -ECONNABORTED;
	}
	if (memcmp(channel->buffer + channel->start, step->text, length))
		return -EBADMSG;
	channel->start += length;
	return 0;
}

/* Until the stream ends (want 0) or fails with `want`. */
static int play_end(struct player *player, int want)
{
	uint64_t bytes;
	int err = channel_discard_all(&player->channel, &bytes);

	if (err == want)
		return bytes ? -EMSGSIZE : 0;
	return err ? err : -ESTALE;
}

static int play_drain(struct player *player)
{
	uint64_t bytes;
	int err = channel_discard_all(&player->channel, &bytes);

	return err == -ECONNRESET || err == -EPIPE ? 0 : err;
}

static int play_send_fails(struct player *player, const struct step *step)
{
	for (int i = 0; i < SEND_TRIES; i++) {
		int err = channel_send_body(&player->channel, step->number);

		if (err == -EPIPE || err == -ECONNRESET)
			return 0;
		if (err < 0)
			return err;
		sleep_us(200);
	}
	return -ETIMEDOUT;
}

static int play_bytes(struct player *player, const struct step *step)
{
	switch (step->op) {
	case OP_SEND:
		return channel_send(&player->channel, step->text, (size_t)step->number, 0);
	case OP_RECEIVE:
		return play_receive(player, step);
	case OP_SEND_BODY:
		return channel_send_body(&player->channel, step->number);
	case OP_RECEIVE_BODY:
		return channel_discard(&player->channel, step->number);
	case OP_EOF:
		return play_end(player, 0);
	case OP_RESET_MET:
		return play_end(player, -ECONNRESET);
	case OP_DRAIN:
		return play_drain(player);
	default:
		return play_send_fails(player, step);
	}
}

static int play_step(struct player *player, const struct step *step)
{
	struct world *world = player->self->world;
	int err;

	switch (step->op) {
	case OP_SHUT_WRITE:
		return shutdown(player->channel.fd, SHUT_WR) < 0 ? -errno : 0;
	case OP_RESET:
		err = transport_reset(player->channel.fd);
		player->channel.fd = -1;
		return err;
	case OP_POST:
		event_post(world, (enum event)(EVENT_FREE + step->number));
		return 0;
	case OP_WAIT:
		return event_wait(world, (enum event)(EVENT_FREE + step->number), player->round + 1);
	case OP_WAIT_GO:
		return event_wait(world, EVENT_GO, 1);
	case OP_MARK:
		player->marked = player->channel.sent + player->channel.received - step->number;
		return 0;
	default:
		return play_bytes(player, step);
	}
}

static void count_outcomes(struct player *player, enum side side)
{
	const struct script *script = player->script;
	const char *reason = side == SIDE_CLIENT && script->opaque_client ? script->opaque_client : script->opaque;

	for (const struct outcome *outcome = script->outcomes; outcome->method; outcome++)
		if (outcome->side == side)
			tally(player->self, &(struct completed){ .side = side,
								 .method = outcome->method,
								 .status = outcome->status,
								 .error = outcome->error,
								 .optional = outcome->optional,
								 .request_bytes = outcome->request_bytes,
								 .response_bytes = outcome->response_bytes });
	if (reason)
		tally_opaque(player->self, reason, player->channel.sent + player->channel.received - player->marked);
}

/* Plays one connection. Takes fd over. */
static int play(struct player *player, int fd, enum side side)
{
	const struct load *load = &player->self->kase->load;
	const struct io *io = side == SIDE_SERVER ? &load->server : &load->client;
	const struct step *steps = side == SIDE_SERVER ? player->script->server : player->script->client;
	int err = channel_init(&player->channel, fd, io, player->self->world, family_is_tcp(player->self->family));

	if (!err)
		err = transport_tune(fd, player->self->family, io);
	player->marked = 0;
	for (int i = 0; i < STEPS_MAX && steps[i].op != OP_END && !err; i++) {
		if (steps[i].op == OP_EXIT) {
			count_outcomes(player, side);
			_exit(0);
		}
		err = play_step(player, &steps[i]);
		if (err < 0 && !player->script->tolerant)
			world_fail(player->self->world, "%s: connection %u, step %d: %s", player->self->role,
				   player->round, i, strerror(-err));
	}
	if (player->script->tolerant)
		err = 0;
	if (!err)
		count_outcomes(player, side);
	channel_done(&player->channel);
	return err;
}

static unsigned rounds(const struct script *script)
{
	return script->repeat ? script->repeat : DEFAULT_REPEAT;
}

int script_server_actor(struct actor *self)
{
	struct player player = { .self = self, .script = self->kase->script };
	int listen_fd = transport_listen(self, 0, false);

	if (listen_fd < 0)
		return world_fail(self->world, "%s: listening: %s", self->role, strerror(-listen_fd));
	event_post(self->world, EVENT_READY);
	for (; player.round < rounds(player.script); player.round++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return world_fail(self->world, "%s: accepting: %s", self->role, strerror(errno));
		if (play(&player, fd, SIDE_SERVER) < 0)
			return 1;
	}
	close(listen_fd);
	return event_wait(self->world, EVENT_STOP, 1) ? 1 : 0;
}

int script_client_actor(struct actor *self)
{
	struct player player = { .self = self, .script = self->kase->script };

	for (; player.round < rounds(player.script); player.round++) {
		int fd = transport_connect(self, 0);

		if (fd < 0)
			return world_fail(self->world, "%s: connecting: %s", self->role, strerror(-fd));
		if (play(&player, fd, SIDE_CLIENT) < 0)
			return 1;
	}
	return 0;
}
