/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that never pass through the process's memory, or not in the usual way: sendfile and splice to a socket,
 * splice from a socket, recv with MSG_TRUNC and with MSG_WAITALL. Heads always go through io_calls.c.
 */
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define FILE_BYTES (1U << 20)
#define PIPE_PART 65536U

static int body_file(struct channel *channel)
{
	uint8_t *bytes;
	ssize_t n;

	if (channel->file >= 0)
		return 0;
	bytes = malloc(FILE_BYTES);
	channel->file = memfd_create("body", MFD_CLOEXEC);
	if (!bytes || channel->file < 0) {
		free(bytes);
		return -ENOMEM;
	}
	body_pattern(bytes, FILE_BYTES, 0);
	n = write(channel->file, bytes, FILE_BYTES);
	free(bytes);
	return n == FILE_BYTES ? 0 : -EIO;
}

static int body_pipe(struct channel *channel)
{
	if (channel->pipe[0] >= 0)
		return 0;
	return pipe2(channel->pipe, O_CLOEXEC) < 0 ? -errno : 0;
}

static ssize_t send_part(struct channel *channel, uint64_t length, uint64_t at)
{
	off_t offset = (off_t)(at % FILE_BYTES);
	size_t part = FILE_BYTES - (size_t)offset;
	ssize_t in, out;

	if (part > length)
		part = (size_t)length;
	if (channel->io->body_send == BODY_SEND_SENDFILE) {
		out = sendfile(channel->fd, channel->file, &offset, part);
		return out < 0 ? -errno : out;
	}
	if (part > PIPE_PART)
		part = PIPE_PART;
	in = splice(channel->file, &offset, channel->pipe[1], NULL, part, SPLICE_F_MOVE);
	if (in <= 0)
		return in ? -errno : -EIO;
	for (ssize_t done = 0; done < in; done += out) {
		out = splice(channel->pipe[0], NULL, channel->fd, NULL, (size_t)(in - done),
			     SPLICE_F_MOVE | (channel->io->more ? SPLICE_F_MORE : 0));
		if (out < 0 && errno == EAGAIN && !channel_poll(channel, POLLOUT))
			out = 0;
		if (out < 0)
			return -errno;
	}
	return in;
}

int body_send_file(struct channel *channel, uint64_t length)
{
	enum fact fact = channel->io->body_send == BODY_SEND_SENDFILE ? FACT_SENDFILE : FACT_SPLICE_OUT;
	uint64_t at = 0;
	int err = body_file(channel);

	if (!err)
		err = body_pipe(channel);
	while (!err && at < length) {
		ssize_t n = send_part(channel, length - at, at);

		if (n == -EAGAIN) {
			fact_add(channel->world, FACT_SEND_EAGAIN, 1);
			err = channel_poll(channel, POLLOUT);
		} else if (n <= 0) {
			err = n ? (int)n : -EIO;
		} else {
			at += (uint64_t)n;
			channel->sent += (uint64_t)n;
			fact_add(channel->world, fact, (uint64_t)n);
		}
	}
	return err;
}

static ssize_t splice_in(struct channel *channel, uint64_t length)
{
	int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t in, out;

	if (sink < 0)
		return -errno;
	in = splice(channel->fd, NULL, channel->pipe[1], NULL, length < PIPE_PART ? (size_t)length : PIPE_PART,
		    SPLICE_F_MOVE);
	if (in < 0)
		in = -errno;
	for (ssize_t done = 0; done < in; done += out) {
		out = splice(channel->pipe[0], NULL, sink, NULL, (size_t)(in - done), SPLICE_F_MOVE);
		if (out <= 0) {
			in = out ? -errno : -EIO;
			break;
		}
	}
	close(sink);
	if (in > 0)
		fact_add(channel->world, FACT_SPLICE_IN, (uint64_t)in);
	return in;
}

static ssize_t receive_part(struct channel *channel, uint8_t *memory, size_t size, uint64_t length)
{
	ssize_t n;

	if (size > length)
		size = (size_t)length;
	switch (channel->io->body_receive) {
	case BODY_RECEIVE_SPLICE:
		return splice_in(channel, length);
	case BODY_RECEIVE_TRUNC:
		n = recv(channel->fd, NULL, size, MSG_TRUNC);
		if (n > 0)
			fact_add(channel->world, FACT_DISCARD, (uint64_t)n);
		break;
	default:
		n = recv(channel->fd, memory, size, MSG_WAITALL);
		if (n > 0)
			fact_add(channel->world, FACT_WAITALL, 1);
		break;
	}
	return n < 0 ? -errno : n;
}

int body_receive_direct(struct channel *channel, uint64_t length)
{
	uint8_t *memory = malloc(FILE_BYTES);
	int err = memory ? body_pipe(channel) : -ENOMEM;

	while (!err && length) {
		ssize_t n = receive_part(channel, memory, FILE_BYTES, length);

		if (n == -EAGAIN) {
			fact_add(channel->world, FACT_RECEIVE_EAGAIN, 1);
			err = channel_poll(channel, POLLIN);
		} else if (n <= 0) {
			err = n ? (int)n : -ECONNABORTED;
		} else {
			length -= (uint64_t)n;
			channel->received += (uint64_t)n;
		}
	}
	free(memory);
	return err;
}
