/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark's own programs share: a non-blocking keep-alive connection that knows when one answer is complete,
 * a latency histogram, clock and sockets. A header, because each file of this folder is a program by itself; no sonde
 * code, because a witness must not share the agent's mistakes.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 16384 /* head and body of one answer */

/* Log-linear: 64 steps for each power of two, so that a value is at most 1.6 % off. */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 40)

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t largest;
};

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	unsigned int shift = value < 2 * HISTOGRAM_STEPS ? 0 : 57U - (unsigned int)__builtin_clzll(value);
	size_t bucket = (size_t)shift * HISTOGRAM_STEPS + (size_t)(value >> shift);

	if (bucket >= HISTOGRAM_BUCKETS)
		bucket = HISTOGRAM_BUCKETS - 1;
	histogram->counts[bucket]++;
	histogram->total++;
	if (value > histogram->largest)
		histogram->largest = value;
}

/* The upper edge of the bucket that holds the quantile. */
static inline uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t wanted = (uint64_t)(quantile * (double)histogram->total), seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen > wanted) {
			size_t shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
			uint64_t edge = ((uint64_t)(i - shift * HISTOGRAM_STEPS + 1) << shift) - 1;

			return edge < histogram->largest ? edge : histogram->largest;
		}
	}
	return histogram->largest;
}

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		die("fcntl");
}

static inline int connect_loopback(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
	nonblocking(fd);
	return fd;
}

struct connection {
	int fd;
	bool busy;            /* a request is in flight */
	uint64_t intended_ns; /* when that request should have been sent */
	size_t length;        /* of the answer, so far */
	char answer[ANSWER_MAX + 1];
};

/* Head (RFC 9112 section 2.1) and Content-Length (section 6.2): the only framing that the benchmark's servers use. */
static inline bool answer_complete(const struct connection *connection)
{
	const char *end = memmem(connection->answer, connection->length, "\r\n\r\n", 4);
	const char *field;

	if (!end)
		return false;
	field = strcasestr(connection->answer, "\r\nContent-Length:");
	if (!field || field > end || strncmp(connection->answer, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "unexpected answer: %.60s\n", connection->answer);
		exit(1);
	}
	return connection->length >= (size_t)(end + 4 - connection->answer) + strtoul(field + 17, NULL, 10);
}

/* Reads what is there. True when the answer is complete. */
static inline bool connection_read(struct connection *connection)
{
	ssize_t count =
		recv(connection->fd, connection->answer + connection->length, ANSWER_MAX - connection->length, 0);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (count <= 0)
		die("connection ended");
	connection->length += (size_t)count;
	connection->answer[connection->length] = '\0';
	return answer_complete(connection);
}

static inline void connection_send(struct connection *connection, const char *request, size_t length,
				   uint64_t intended_ns)
{
	connection->busy = true;
	connection->intended_ns = intended_ns;
	connection->length = 0;
	if (send(connection->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
		die("send");
}
