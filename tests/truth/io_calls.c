/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One system call each, for receiving and for sending. Vectors are scattered over memory with gaps between the entries,
 * and hold empty entries, so that whoever reads them must respect every length. Returns bytes or a negative errno.
 */
#include "truth.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define VECTORS_MAX 64
#define MESSAGES 4
#define SCATTER_GAP 13
#define ZEROCOPY_MIN 1024

struct vectors {
	struct iovec iov[VECTORS_MAX];
	unsigned count;
};

/* Entries of uneven size, a gap of poison after each, every third one followed by an empty one. */
static void vectors_lay_out(struct vectors *vectors, uint8_t *memory, size_t size, unsigned entries)
{
	size_t each;
	size_t left = size;

	if (entries > VECTORS_MAX / 2)
		entries = VECTORS_MAX / 2;
	each = size / entries ? size / entries : 1;
	vectors->count = 0;
	for (unsigned i = 0; i < entries && left; i++) {
		size_t length = i + 1 == entries ? left : each;

		if (length > left)
			length = left;
		if (i + 2 < entries && length > 2)
			length -= i % 2;
		vectors->iov[vectors->count++] = (struct iovec){ memory, length };
		if (i % 3 == 0)
			vectors->iov[vectors->count++] = (struct iovec){ memory, 0 };
		memory += length + SCATTER_GAP;
		left -= length;
	}
}

static void vectors_gather(const struct vectors *vectors, uint8_t *bytes, size_t length)
{
	for (unsigned i = 0; i < vectors->count && length; i++) {
		size_t part = vectors->iov[i].iov_len < length ? vectors->iov[i].iov_len : length;

		memcpy(bytes, vectors->iov[i].iov_base, part);
		bytes += part;
		length -= part;
	}
}

static void vectors_scatter(const struct vectors *vectors, const uint8_t *bytes)
{
	for (unsigned i = 0; i < vectors->count; i++) {
		if (!vectors->iov[i].iov_len)
			continue;
		memcpy(vectors->iov[i].iov_base, bytes, vectors->iov[i].iov_len);
		memset((uint8_t *)vectors->iov[i].iov_base + vectors->iov[i].iov_len, '\n', SCATTER_GAP);
		bytes += vectors->iov[i].iov_len;
	}
}

static unsigned entries_of(const struct channel *channel)
{
	return channel->io->vectors ? channel->io->vectors : 3;
}

static ssize_t receive_vectors(struct channel *channel, uint8_t *bytes, size_t size)
{
	struct vectors vectors;
	struct msghdr message = { 0 };
	ssize_t n;

	vectors_lay_out(&vectors, channel->scatter, size, entries_of(channel));
	message.msg_iov = vectors.iov;
	message.msg_iovlen = vectors.count;
	switch (channel->io->receive) {
	case RECEIVE_READV:
		n = readv(channel->fd, vectors.iov, (int)vectors.count);
		break;
	case RECEIVE_PREADV2:
		n = preadv2(channel->fd, vectors.iov, (int)vectors.count, -1, 0);
		break;
	default:
		n = recvmsg(channel->fd, &message, 0);
		break;
	}
	if (n < 0)
		return -errno;
	vectors_gather(&vectors, bytes, (size_t)n);
	return n;
}

static ssize_t receive_many(struct channel *channel, uint8_t *bytes, size_t size)
{
	size_t each = size / MESSAGES ? size / MESSAGES : 1;
	struct mmsghdr messages[MESSAGES] = { 0 };
	struct iovec iov[MESSAGES];
	ssize_t total = 0;
	int n;

	for (int i = 0; i < MESSAGES; i++) {
		iov[i] = (struct iovec){ channel->scatter + (size_t)i * (each + SCATTER_GAP), each };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	/* Blocks for the first message only. At the end of the stream the others come back empty. */
	n = recvmmsg(channel->fd, messages, MESSAGES, MSG_WAITFORONE, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		memcpy(bytes + total, iov[i].iov_base, messages[i].msg_len);
		total += messages[i].msg_len;
	}
	if (n > 1 && messages[1].msg_len)
		fact_add(channel->world, FACT_MANY_RECEIVED, 1);
	return total;
}

ssize_t call_receive(struct channel *channel, uint8_t *bytes, size_t size)
{
	struct sockaddr_storage from;
	socklen_t from_length = sizeof(from);
	ssize_t n;

	switch (channel->io->receive) {
	case RECEIVE_READ:
		n = read(channel->fd, bytes, size);
		break;
	case RECEIVE_RECV:
		n = recv(channel->fd, bytes, size, 0);
		break;
	case RECEIVE_RECVFROM:
		n = recvfrom(channel->fd, bytes, size, 0, (struct sockaddr *)&from, &from_length);
		break;
	case RECEIVE_URING:
		return call_uring(channel, false, bytes, size);
	case RECEIVE_RECVMMSG:
		return receive_many(channel, bytes, size);
	default:
		return receive_vectors(channel, bytes, size);
	}
	return n < 0 ? -errno : n;
}

static ssize_t send_vectors(struct channel *channel, const uint8_t *bytes, size_t size, int flags)
{
	struct vectors vectors;
	struct msghdr message = { 0 };
	ssize_t n;

	vectors_lay_out(&vectors, channel->scatter, size, entries_of(channel));
	vectors_scatter(&vectors, bytes);
	message.msg_iov = vectors.iov;
	message.msg_iovlen = vectors.count;
	switch (channel->io->send) {
	case SEND_WRITEV:
		n = writev(channel->fd, vectors.iov, (int)vectors.count);
		break;
	case SEND_PWRITEV2:
		n = pwritev2(channel->fd, vectors.iov, (int)vectors.count, -1, 0);
		break;
	default:
		n = sendmsg(channel->fd, &message, flags);
		break;
	}
	return n < 0 ? -errno : n;
}

static ssize_t send_many(struct channel *channel, const uint8_t *bytes, size_t size, int flags)
{
	size_t each = size / MESSAGES ? size / MESSAGES : 1;
	struct mmsghdr messages[MESSAGES] = { 0 };
	struct iovec iov[MESSAGES];
	unsigned count = 0;
	ssize_t total = 0;
	int n;

	for (size_t at = 0; at < size && count < MESSAGES; at += iov[count - 1].iov_len) {
		size_t length = count + 1 == MESSAGES ? size - at : each;

		iov[count] =
			(struct iovec){ (uint8_t *)(uintptr_t)bytes + at, length > size - at ? size - at : length };
		messages[count].msg_hdr.msg_iov = &iov[count];
		messages[count].msg_hdr.msg_iovlen = 1;
		count++;
	}
	n = sendmmsg(channel->fd, messages, count, flags);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		total += messages[i].msg_len;
		/* A short message in the middle would leave a hole: none happens on blocking sockets. */
		if (messages[i].msg_len != iov[i].iov_len && i + 1 < n)
			return -EPROTO;
	}
	if (n > 1)
		fact_add(channel->world, FACT_MANY_SENT, 1);
	return total;
}

static ssize_t send_to(struct channel *channel, const uint8_t *bytes, size_t size, int flags)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	/* A connected unix socket refuses an address (EISCONN); TCP ignores it. */
	if (!channel->tcp || getpeername(channel->fd, (struct sockaddr *)&peer, &length) < 0)
		return sendto(channel->fd, bytes, size, flags, NULL, 0);
	return sendto(channel->fd, bytes, size, flags, (struct sockaddr *)&peer, length);
}

ssize_t call_send(struct channel *channel, const uint8_t *bytes, size_t size, int flags)
{
	ssize_t n;

	/* Calls without flags: a peer that reset gives EPIPE and no signal, because SIGPIPE is ignored. */
	flags |= MSG_NOSIGNAL;
	if (channel->io->zerocopy && size >= ZEROCOPY_MIN)
		flags |= MSG_ZEROCOPY;
	switch (channel->io->send) {
	case SEND_WRITE:
		n = write(channel->fd, bytes, size);
		break;
	case SEND_SEND:
		n = send(channel->fd, bytes, size, flags);
		break;
	case SEND_SENDTO:
		n = send_to(channel, bytes, size, flags);
		break;
	case SEND_URING:
		return call_uring(channel, true, bytes, size);
	case SEND_SENDMMSG:
		return send_many(channel, bytes, size, flags);
	default:
		return send_vectors(channel, bytes, size, flags);
	}
	if (n > 0 && flags & MSG_ZEROCOPY)
		channel->zerocopy_pending++;
	return n < 0 ? -errno : n;
}
