/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: one stream socket with a receive buffer, driven by the knobs of struct io. Counts what a workload must
 * have met (EAGAIN, short sends, single bytes) so that a case which did not do what it says fails by itself.
 */
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for vectors with gaps between their entries. */
#define SCATTER_BYTES (CHANNEL_BUFFER_BYTES + 4096)
#define DEFAULT_RECEIVE_BYTES 65536U
#define PATTERN_BYTES 65536U

static bool sends_vectors(const struct io *io)
{
	return io->send == SEND_WRITEV || io->send == SEND_PWRITEV2 || io->send == SEND_SENDMSG;
}

static bool uses_vectors(const struct io *io)
{
	return io->receive == RECEIVE_READV || io->receive == RECEIVE_PREADV2 || io->receive == RECEIVE_RECVMSG ||
	       io->receive == RECEIVE_RECVMMSG || sends_vectors(io);
}

int channel_init(struct channel *channel, int fd, const struct io *io, struct world *world, bool tcp)
{
	int one = 1;

	*channel = (struct channel){ .fd = fd, .io = io, .world = world, .tcp = tcp, .pipe = { -1, -1 }, .file = -1 };
	channel->buffer = malloc(CHANNEL_BUFFER_BYTES);
	if (uses_vectors(io))
		channel->scatter = malloc(SCATTER_BYTES);
	if (!channel->buffer || (uses_vectors(io) && !channel->scatter)) {
		channel_done(channel);
		return -ENOMEM;
	}
	if (io->nonblocking)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (io->zerocopy)
		setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	return 0;
}

void channel_done(struct channel *channel)
{
	free(channel->buffer);
	free(channel->scatter);
	uring_free(channel->uring);
	channel->uring = NULL;
	channel->buffer = NULL;
	channel->scatter = NULL;
	if (channel->fd >= 0)
		close(channel->fd);
	if (channel->file >= 0)
		close(channel->file);
	for (int i = 0; i < 2; i++)
		if (channel->pipe[i] >= 0)
			close(channel->pipe[i]);
	channel->fd = channel->file = channel->pipe[0] = channel->pipe[1] = -1;
}

int channel_poll(struct channel *channel, short events)
{
	struct pollfd pollfd = { .fd = channel->fd, .events = events };
	int n;

	do
		n = poll(&pollfd, 1, (int)channel->world->deadline_s * 1000);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

ssize_t channel_receive(struct channel *channel)
{
	size_t size = channel->io->receive_size ? channel->io->receive_size : DEFAULT_RECEIVE_BYTES;
	uint8_t *at;
	ssize_t n;

	if (channel->start) {
		memmove(channel->buffer, channel->buffer + channel->start, channel->end - channel->start);
		channel->end -= channel->start;
		channel->start = 0;
	}
	if (size > CHANNEL_BUFFER_BYTES - channel->end)
		size = CHANNEL_BUFFER_BYTES - channel->end;
	if (!size)
		return -ENOBUFS;
	at = channel->buffer + channel->end;
	for (;;) {
		if (channel->io->peek && recv(channel->fd, at, size, MSG_PEEK) > 0)
			fact_add(channel->world, FACT_PEEK, 1);
		n = call_receive(channel, at, size);
		if (n != -EAGAIN && n != -EINTR)
			break;
		if (n == -EAGAIN) {
			int err = channel_poll(channel, POLLIN);

			fact_add(channel->world, FACT_RECEIVE_EAGAIN, 1);
			if (err < 0)
				return err;
		}
	}
	if (n == 1)
		fact_add(channel->world, FACT_ONE_BYTE_RECEIVE, 1);
	if (n == -ECONNRESET)
		fact_add(channel->world, FACT_RESET, 1);
	if (n > 0) {
		channel->received_ns = clock_ns();
		channel->end += (size_t)n;
		channel->received += (uint64_t)n;
	}
	return n;
}

/* The kernel holds the pages of zero-copy sends until it says so: the buffers may be used again after that. */
static void zerocopy_drain(struct channel *channel)
{
	uint8_t control[256];

	while (channel->zerocopy_pending) {
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *cmsg;

		if (recvmsg(channel->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			if (errno != EAGAIN || channel_poll(channel, POLLPRI) < 0)
				return;
			continue;
		}
		for (cmsg = CMSG_FIRSTHDR(&message); cmsg; cmsg = CMSG_NXTHDR(&message, cmsg)) {
			struct sock_extended_err error;

			memcpy(&error, CMSG_DATA(cmsg), sizeof(error));
			if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
				continue;
			channel->zerocopy_pending -= error.ee_data - error.ee_info + 1;
			fact_add(channel->world, FACT_ZEROCOPY, 1);
		}
	}
}

int channel_send(struct channel *channel, const void *data, size_t length, int flags)
{
	const uint8_t *bytes = data;

	while (length) {
		size_t size = channel->io->send_size && channel->io->send_size < length ? channel->io->send_size :
											  length;
		ssize_t n;

		if (sends_vectors(channel->io) && size > CHANNEL_BUFFER_BYTES)
			size = CHANNEL_BUFFER_BYTES;
		n = call_send(channel, bytes, size, flags);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			int err = channel_poll(channel, POLLOUT);

			fact_add(channel->world, FACT_SEND_EAGAIN, 1);
			if (err < 0)
				return err;
			continue;
		}
		if (n == -EPIPE || n == -ECONNRESET)
			fact_add(channel->world, FACT_RESET, 1);
		if (n < 0)
			return (int)n;
		if ((size_t)n < size)
			fact_add(channel->world, FACT_SHORT_SEND, 1);
		if (n == 1)
			fact_add(channel->world, FACT_ONE_BYTE_SEND, 1);
		bytes += n;
		length -= (size_t)n;
		channel->sent += (uint64_t)n;
	}
	zerocopy_drain(channel);
	return 0;
}

void body_pattern(uint8_t *bytes, size_t length, uint64_t offset)
{
	static const char text[] = "GET /inside-a-body HTTP/1.1\r\nHost: body\r\n\r\nHTTP/1.1 599 Inside\r\n"
				   "Content-Length: 7\r\n\r\n0\r\n\r\n";

	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)text[(offset + i) % (sizeof(text) - 1)];
}

int channel_send_body(struct channel *channel, uint64_t length)
{
	uint8_t *bytes;
	uint64_t offset = 0;
	int err = 0;

	if (channel->io->body_send != BODY_SEND_CALLS)
		return body_send_file(channel, length);
	bytes = malloc(PATTERN_BYTES);
	if (!bytes)
		return -ENOMEM;
	body_pattern(bytes, PATTERN_BYTES, 0);
	while (offset < length && !err) {
		size_t part = length - offset < PATTERN_BYTES ? (size_t)(length - offset) : PATTERN_BYTES;

		err = channel_send(channel, bytes, part, 0);
		offset += part;
	}
	free(bytes);
	return err;
}

int channel_discard(struct channel *channel, uint64_t length)
{
	uint64_t held = channel->end - channel->start;
	ssize_t n;

	if (held > length)
		held = length;
	channel->start += held;
	length -= held;
	if (length && channel->io->body_receive != BODY_RECEIVE_CALLS)
		return body_receive_direct(channel, length);
	while (length) {
		n = channel_receive(channel);
		if (n <= 0)
			return n ? (int)n : -ECONNABORTED;
		held = channel->end - channel->start;
		if (held > length)
			held = length;
		channel->start += held;
		length -= held;
	}
	return 0;
}

int channel_discard_all(struct channel *channel, uint64_t *ret_bytes)
{
	uint64_t total = 0;
	ssize_t n;

	do {
		total += channel->end - channel->start;
		channel->start = channel->end = 0;
		n = channel_receive(channel);
	} while (n > 0);
	*ret_bytes = total;
	return (int)n;
}

int channel_swap(struct channel *channel)
{
	int fd;

	if (!channel->io->dup_each)
		return 0;
	fd = fcntl(channel->fd, F_DUPFD_CLOEXEC, channel->fd > 100 ? 3 : 200);
	if (fd < 0)
		return -errno;
	close(channel->fd);
	channel->fd = fd;
	return 0;
}

void channel_cork(struct channel *channel, bool on)
{
	int value = on;

	if (channel->io->cork && channel->tcp)
		setsockopt(channel->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}
