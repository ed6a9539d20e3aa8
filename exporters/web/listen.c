/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From HOST:PORT to listening sockets. Numeric hosts are tried first: only a name needs the resolver, which would load
 * the C library's name service modules into a small process.
 */
#include "exporters/web/listen.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/number.h"

#define BACKLOG 128
#define PORT_MAX 65535

__attribute__((format(printf, 3, 4))) static int fail(struct exporter_error *ret_error, int error, const char *format,
						      ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
	va_end(arguments);
	return error;
}

int listen_address_parse(const char *text, struct listen_address *ret_address)
{
	struct listen_address address;
	const char *colon = strrchr(text, ':'), *host = text;
	size_t length;
	uint64_t port;

	if (!colon || strlen(colon + 1) >= sizeof(address.port) || number_u64(colon + 1, &port) || port > PORT_MAX)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
		if (!length)
			return -EINVAL;
	} else if (memchr(host, ':', length) || memchr(host, '[', length) || memchr(host, ']', length)) {
		return -EINVAL; /* an IPv6 address without brackets: where its port begins is a guess */
	}
	if (length >= sizeof(address.host))
		return -EINVAL;
	memcpy(address.host, host, length);
	address.host[length] = 0;
	memcpy(address.port, colon + 1, strlen(colon + 1) + 1);
	*ret_address = address;
	return 0;
}

static const char *remedy(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "end the program that listens there, or choose another --web.listen-address";
	case -EACCES:
	case -EPERM:
		return "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one with --web.listen-address";
	case -EADDRNOTAVAIL:
		return "no interface of this host has that address: correct --web.listen-address";
	case -EAFNOSUPPORT:
		return "the kernel runs without this address family: choose another --web.listen-address";
	default:
		return "check --web.listen-address";
	}
}

static void describe(int fd, struct listener *listener)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t size = sizeof(bound);
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE], port[6];

	snprintf(listener->address, sizeof(listener->address), "unknown");
	if (getsockname(fd, (struct sockaddr *)&bound, &size) ||
	    getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	if (bound.ss_family == AF_INET6)
		snprintf(listener->address, sizeof(listener->address), "[%s]:%s", host, port);
	else
		snprintf(listener->address, sizeof(listener->address), "%s:%s", host, port);
}

/* 0 or a negative errno. `[::]` takes IPv4 too, whatever net.ipv6.bindv6only says. */
static int open_one(const struct addrinfo *info, struct listener *ret_listener)
{
	CLEANUP_FD int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
	int on = 1, off = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (info->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
		return -errno;
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG))
		return -errno;
	describe(fd, ret_listener);
	ret_listener->fd = STEAL_FD(fd);
	return 0;
}

/* getaddrinfo's error, 0 when found. The result belongs to the caller: freeaddrinfo. */
static int resolve(const char *host, const char *port, struct addrinfo **ret_found)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST,
	};
	int error = getaddrinfo(host, port, &hints, ret_found);

	if (error != EAI_NONAME)
		return error;
	hints.ai_flags &= ~AI_NUMERICHOST;
	return getaddrinfo(host, port, &hints, ret_found);
}

/* Every address that the name stands for. */
static int open_all(const char *text, const struct addrinfo *found, struct listener *listeners, size_t *count,
		    struct exporter_error *ret_error)
{
	size_t before = *count;
	int error = 0, first_error = 0;

	for (const struct addrinfo *info = found; info; info = info->ai_next) {
		if (*count == WEB_LISTENERS_MAX)
			return fail(ret_error, -E2BIG,
				    "cannot listen on %s: more than %d addresses: name fewer with "
				    "--web.listen-address",
				    text, WEB_LISTENERS_MAX);
		error = open_one(info, &listeners[*count]);
		if (!error)
			(*count)++;
		else if (!first_error || error == -EADDRINUSE)
			first_error = error;
	}
	if (first_error == -EADDRINUSE || *count == before)
		return fail(ret_error, first_error, "cannot listen on %s: %s: %s", text, strerror(-first_error),
			    remedy(first_error));
	return 0;
}

static int open_host(const char *text, const char *host, const char *port, struct listener *listeners, size_t *count,
		     struct exporter_error *ret_error)
{
	struct addrinfo *found = NULL;
	int error = resolve(host, port, &found);

	if (error)
		return fail(
			ret_error, error == EAI_MEMORY ? -ENOMEM : -EADDRNOTAVAIL,
			"cannot listen on %s: %s: give an address, or a name that resolves, with --web.listen-address",
			text, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	error = open_all(text, found, listeners, count, ret_error);
	freeaddrinfo(found);
	return error;
}

int listen_open(const char *text, struct listener *listeners, size_t *count, struct exporter_error *ret_error)
{
	struct listen_address address;
	int error = listen_address_parse(text, &address);

	if (error)
		return fail(ret_error, error, "web.listen-address \"%.200s\": not HOST:PORT, :PORT or [IPV6]:PORT",
			    text);
	if (*address.host)
		return open_host(text, address.host, address.port, listeners, count, ret_error);
	error = open_host(text, "::", address.port, listeners, count, ret_error);
	if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL) /* a kernel without IPv6 */
		error = open_host(text, "0.0.0.0", address.port, listeners, count, ret_error);
	return error;
}
