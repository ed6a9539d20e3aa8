/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of every family that sonde watches: TCP over IPv4 and IPv6, unix streams by path and by abstract name; and
 * passing a descriptor to another process. Addresses are published in the shared world.
 */
#include "truth.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

const char *family_text(enum family family)
{
	static const char *const texts[FAMILY_COUNT] = { "tcp4", "tcp6", "unix", "abstract" };

	return texts[family];
}

bool family_is_tcp(enum family family)
{
	return family == FAMILY_TCP4 || family == FAMILY_TCP6;
}

static socklen_t listen_address(const struct actor *self, int slot, struct sockaddr_storage *address)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	struct sockaddr_un *un = (struct sockaddr_un *)address;
	int n;

	memset(address, 0, sizeof(*address));
	switch (self->family) {
	case FAMILY_TCP4:
		*in4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		return sizeof(*in4);
	case FAMILY_TCP6:
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		return sizeof(*in6);
	case FAMILY_UNIX:
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s/%s-%d-%d", self->world->directory, self->role,
			 (int)getpid(), slot);
		unlink(un->sun_path);
		return sizeof(*un);
	default:
		un->sun_family = AF_UNIX;
		n = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "sonde-truth-%d-%d", (int)getpid(), slot);
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	}
}

static int domain_of(enum family family)
{
	if (family == FAMILY_TCP4)
		return AF_INET;
	return family == FAMILY_TCP6 ? AF_INET6 : AF_UNIX;
}

int transport_listen(struct actor *self, int slot, bool reuse_port)
{
	struct world *world = self->world;
	struct sockaddr_storage address;
	socklen_t length = listen_address(self, slot, &address);
	int fd = socket(domain_of(self->family), SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (reuse_port) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		/* The second process joins the first one's port. */
		if (world->address_length[slot]) {
			address = world->address[slot];
			length = world->address_length[slot];
		}
	}
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	length = sizeof(address);
	getsockname(fd, (struct sockaddr *)&address, &length);
	world->address[slot] = address;
	world->address_length[slot] = length;
	return fd;
}

int transport_connect(struct actor *self, int slot)
{
	struct world *world = self->world;
	int fd = socket(domain_of(self->family), SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n;

	if (fd < 0)
		return -errno;
	do
		n = connect(fd, (struct sockaddr *)&world->address[slot], world->address_length[slot]);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int transport_tune(int fd, enum family family, const struct io *io)
{
	int one = 1;

	if (family_is_tcp(family) && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return -errno;
	/* Not SO_RCVBUF: a window smaller than loopback's segments makes TCP wait for its timers. */
	if (io->send_buffer && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &io->send_buffer, sizeof(int)) < 0)
		return -errno;
	return 0;
}

int transport_reset(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

int transport_send_fd(int channel, int fd)
{
	char byte = 'f';
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(channel, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int transport_receive_fd(int channel)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0)
		return n ? -errno : -ENODATA;
	cmsg = CMSG_FIRSTHDR(&message);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}
