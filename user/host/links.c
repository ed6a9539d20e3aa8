/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer comes in parts of up to 32 KiB, which are laid one behind the other.
 */
#include "host/links.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "host/internal.h"

#define PART_BYTES ((size_t)64 << 10)
#define BYTES_MAX ((size_t)64 << 20)

static void close_socket(struct links *links)
{
	if (links->fd)
		close(links->fd - 1);
	links->fd = 0;
}

void links_done(struct links *links)
{
	close_socket(links);
	free(links->messages);
}

static int ask(struct links *links)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = ++links->sequence },
	};

	if (!links->fd)
		links->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) + 1;
	if (!links->fd)
		return -errno;
	return send(links->fd - 1, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static int make_room(struct links *links)
{
	size_t capacity = links->capacity ? links->capacity * 2 : PART_BYTES;
	char *grown;

	if (links->capacity - links->length >= PART_BYTES)
		return 0;
	if (capacity > BYTES_MAX)
		return -EFBIG;
	grown = realloc(links->messages, capacity);
	if (!grown)
		return -ENOMEM;
	links->messages = grown;
	links->capacity = capacity;
	return make_room(links);
}

/* One part of the answer. 1 when it was the last. */
static int take_part(struct links *links)
{
	int error = make_room(links);
	struct nlmsghdr *message;
	ssize_t got;
	size_t left;

	if (error)
		return error;
	message = (struct nlmsghdr *)(void *)(links->messages + links->length);
	got = recv(links->fd - 1, message, PART_BYTES, MSG_TRUNC);
	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	if ((size_t)got > PART_BYTES)
		return -EMSGSIZE;
	left = (size_t)got;
	if (!NLMSG_OK(message, left) || message->nlmsg_seq != links->sequence)
		return 0; /* of a question that was given up */
	links->length += NLMSG_ALIGN(left);
	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(message))->error ?: 1;
	}
	return 0;
}

static int take_all(struct links *links)
{
	int result = ask(links);

	links->length = 0;
	while (!result)
		result = take_part(links);
	if (result < 0)
		close_socket(links); /* the rest of an answer goes with it */
	return result < 0 ? result : 0;
}

int links_each(struct host *host, int (*each)(void *ctx, struct nlmsghdr *message), void *ctx)
{
	struct links *links = &host->links;
	struct nlmsghdr *message;
	size_t left;
	int error = 0;

	host_at(host, "netlink, RTM_GETLINK");
	if (links->scrape != host->scrape) {
		error = take_all(links);
		if (error)
			return error;
		links->scrape = host->scrape;
	}
	message = (struct nlmsghdr *)(void *)links->messages;
	left = links->length;
	for (; !error && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
		if (message->nlmsg_type == RTM_NEWLINK)
			error = each(ctx, message);
	return error;
}
