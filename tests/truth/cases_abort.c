/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 6: exchanges that do not end well. Who saw what is decided by events, never by time, so that each side's
 * error_type is certain.
 */
#include "script.h"

#include <errno.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TIMEOUT_MS 300U
#define GET_A "GET /abort HTTP/1.1\r\nHost: truth.example\r\n\r\n"
#define HALF_HEAD "GET /abort HTTP/1.1\r\nHost: truth.exa"
#define POST_HEAD "POST /abort HTTP/1.1\r\nHost: truth.example\r\nContent-Length: 1000\r\n\r\n"
#define POST_CHUNKED \
	"POST /abort HTTP/1.1\r\nHost: truth.example\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf of a chunk"
#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define OK_HALF "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nhalf"
#define OK_CHUNKED_HALF "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n64\r\nhalf"
#define OK_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"
#define TOO_LARGE "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define POSTED(n)                \
	{                        \
		OP_POST, NULL, n \
	}
#define WAITED(n)                \
	{                        \
		OP_WAIT, NULL, n \
	}
#define ENDS                 \
	{                    \
		.op = OP_EOF \
	}
#define BODY_SENT(n)                  \
	{                             \
		OP_SEND_BODY, NULL, n \
	}
#define BODY_CAME(n)                     \
	{                                \
		OP_RECEIVE_BODY, NULL, n \
	}

static const struct script half_head = {
	.client = { SEND(HALF_HEAD) },
	.server = { RECEIVE(HALF_HEAD), ENDS },
	.outcomes = { BOTH("GET", 0, "request_aborted", 0, 0) },
};
static const struct script half_body = {
	.client = { SEND(POST_HEAD), BODY_SENT(400) },
	.server = { RECEIVE(POST_HEAD), BODY_CAME(400), ENDS },
	.outcomes = { BOTH("POST", 0, "request_aborted", 0, 0) },
};
static const struct script half_chunk = {
	.client = { SEND(POST_CHUNKED) },
	.server = { RECEIVE(POST_CHUNKED), ENDS },
	.outcomes = { BOTH("POST", 0, "request_aborted", 0, 0) },
};
static const struct script second_half_head = {
	.client = { SEND(GET_A), RECEIVE(OK_5), SEND(HALF_HEAD) },
	.server = { RECEIVE(GET_A), SEND(OK_5), RECEIVE(HALF_HEAD), ENDS },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5), BOTH("GET", 0, "request_aborted", 0, 0) },
};
static const struct script server_closes = {
	.client = { SEND(GET_A), ENDS },
	.server = { RECEIVE(GET_A) },
	.outcomes = { BOTH("GET", 0, "no_response", 0, 0) },
};
static const struct script client_gives_up = {
	.client = { SEND(GET_A), WAITED(0) },
	.server = { RECEIVE(GET_A), POSTED(0), ENDS },
	.outcomes = { BOTH("GET", 0, "no_response", 0, 0) },
};
/* The server's kernel takes the answer; that nobody reads it the server cannot know. */
static const struct script answered_too_late = {
	.client = { SEND(GET_A) },
	.server = { RECEIVE(GET_A), ENDS, SEND(OK_5) },
	.outcomes = { { SIDE_SERVER, "GET", 200, NULL, 0, 5, false }, CALLED("GET", 0, "no_response") },
};
static const struct script half_response = {
	.client = { SEND(GET_A), RECEIVE(OK_HALF), ENDS },
	.server = { RECEIVE(GET_A), SEND(OK_HALF) },
	.outcomes = { BOTH("GET", 200, "response_aborted", 0, 0) },
};
static const struct script half_chunked_response = {
	.client = { SEND(GET_A), RECEIVE(OK_CHUNKED_HALF), ENDS },
	.server = { RECEIVE(GET_A), SEND(OK_CHUNKED_HALF) },
	.outcomes = { BOTH("GET", 200, "response_aborted", 0, 0) },
};
/* The client has read all there was when it closes: FIN. What the server sends afterwards is answered by RST. */
static const struct script client_leaves_tcp = {
	.client = { SEND(GET_A), RECEIVE(OK_HALF) },
	.server = { RECEIVE(GET_A), SEND(OK_HALF), ENDS, { OP_SEND_FAILS, NULL, 50 } },
	.outcomes = { SERVED("GET", 200, "connection_reset"), CALLED("GET", 200, "response_aborted") },
};
static const struct script client_leaves_unix = {
	.client = { SEND(GET_A), RECEIVE(OK_HALF) },
	.server = { RECEIVE(GET_A), SEND(OK_HALF), ENDS, { OP_SEND_FAILS, NULL, 50 } },
	.outcomes = { BOTH("GET", 200, "response_aborted", 0, 0) },
};
static const struct script client_resets = {
	.client = { SEND(GET_A), WAITED(0), { .op = OP_RESET } },
	.server = { RECEIVE(GET_A), POSTED(0), { .op = OP_RESET_MET } },
	.outcomes = { BOTH("GET", 0, "connection_reset", 0, 0) },
};
static const struct script client_resets_body = {
	.client = { SEND(POST_HEAD), BODY_SENT(400), WAITED(0), { .op = OP_RESET } },
	.server = { RECEIVE(POST_HEAD), BODY_CAME(400), POSTED(0), { .op = OP_RESET_MET } },
	.outcomes = { BOTH("POST", 0, "connection_reset", 0, 0) },
};
static const struct script server_resets = {
	.client = { SEND(GET_A), { .op = OP_RESET_MET } },
	.server = { RECEIVE(GET_A), { .op = OP_RESET } },
	.outcomes = { BOTH("GET", 0, "connection_reset", 0, 0) },
};
static const struct script server_resets_response = {
	.client = { SEND(GET_A), RECEIVE(OK_HALF), POSTED(0), { .op = OP_RESET_MET } },
	.server = { RECEIVE(GET_A), SEND(OK_HALF), WAITED(0), { .op = OP_RESET } },
	.outcomes = { BOTH("GET", 200, "connection_reset", 0, 0) },
};
/* RFC 9112 section 9.6: the server closed with the request unread, so its kernel sends RST. It never read a byte. */
static const struct script unread = {
	.client = { SEND(GET_A), POSTED(0), { .op = OP_RESET_MET } },
	.server = { WAITED(0) },
	.outcomes = { CALLED("GET", 0, "connection_reset") },
};
static const struct script idle_reset = {
	.client = { SEND(GET_A), RECEIVE(OK_5), { .op = OP_RESET } },
	.server = { RECEIVE(GET_A), SEND(OK_5), { .op = OP_RESET_MET } },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5) },
};
static const struct script half_close = {
	.client = { SEND(GET_A), { .op = OP_SHUT_WRITE }, RECEIVE(OK_5), ENDS },
	.server = { RECEIVE(GET_A), ENDS, SEND(OK_5) },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5) },
};
static const struct script half_close_server = {
	.client = { SEND(GET_A), RECEIVE(OK_CLOSE), ENDS },
	.server = { RECEIVE(GET_A), SEND(OK_CLOSE), { .op = OP_SHUT_WRITE }, ENDS },
	.outcomes = { BOTH("GET", 200, NULL, 0, sizeof("until the end") - 1) },
};
/* A body until close that a reset cut: it is not whole. */
static const struct script reset_until_close = {
	.client = { SEND(GET_A), RECEIVE(OK_CLOSE), POSTED(0), { .op = OP_RESET_MET } },
	.server = { RECEIVE(GET_A), SEND(OK_CLOSE), WAITED(0), { .op = OP_RESET } },
	.outcomes = { BOTH("GET", 200, "connection_reset", 0, 0) },
};
static const struct script closed_before = {
	.client = { ENDS, SEND(GET_A) },
	.server = { { .op = OP_END } },
	.outcomes = { CALLED("GET", 0, "connection_reset") },
};
static const struct script pipeline_cut = {
	.client = { SEND(GET_A GET_A GET_A), RECEIVE(OK_5), ENDS },
	.server = { RECEIVE(GET_A GET_A GET_A), SEND(OK_5) },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5), BOTH("GET", 0, "no_response", 0, 0),
		      BOTH("GET", 0, "no_response", 0, 0) },
};
/* RFC 9110 section 15.5.14: the answer came before the request was whole. It is the exchange's end. */
static const struct script early_answer = {
	.client = { SEND(POST_HEAD), BODY_SENT(400), RECEIVE(TOO_LARGE), ENDS },
	.server = { RECEIVE(POST_HEAD), BODY_CAME(400), SEND(TOO_LARGE) },
	.outcomes = { BOTH("POST", 413, NULL, 400, 0) },
};
static const struct script process_exits = {
	.repeat = 1,
	.client = { SEND(GET_A), RECEIVE(OK_HALF), ENDS },
	.server = { RECEIVE(GET_A), SEND(OK_HALF), { .op = OP_EXIT } },
	.outcomes = { BOTH("GET", 200, "response_aborted", 0, 0) },
};
static int loopback_set(bool up)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = fd < 0 ? -1 : ioctl(fd, SIOCGIFFLAGS, &request);

	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	if (!n)
		n = ioctl(fd, SIOCSIFFLAGS, &request);
	if (fd >= 0)
		close(fd);
	return n < 0 ? -errno : 0;
}

/* A connection in a network of its own whose only link is cut: the kernel will give up retransmitting. */
static int connect_and_cut(struct actor *self, int *ret_listen_fd)
{
	static const unsigned limit_ms = TIMEOUT_MS;
	int err = unshare(CLONE_NEWNET) < 0 ? -errno : loopback_set(true);
	int listen_fd = err ? -1 : transport_listen(self, 0, false);
	int fd = listen_fd < 0 ? listen_fd : transport_connect(self, 0);

	if (fd < 0)
		return world_fail(self->world, "a network of its own: %s", strerror(err ? -err : -fd));
	if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms)) < 0 || loopback_set(false) < 0)
		return world_fail(self->world, "cannot cut the link: %s", strerror(errno));
	*ret_listen_fd = listen_fd;
	return fd;
}

static int timeout_actor(struct actor *self)
{
	int listen_fd = -1, fd = connect_and_cut(self, &listen_fd);
	char byte;

	if (fd < 0)
		return fd;
	if (send(fd, GET_A, sizeof(GET_A) - 1, MSG_NOSIGNAL) != sizeof(GET_A) - 1)
		return world_fail(self->world, "sending: %s", strerror(errno));
	if (recv(fd, &byte, 1, 0) >= 0 || errno != ETIMEDOUT)
		return world_fail(self->world, "no timeout but %s", strerror(errno));
	tally(self, &(struct completed){ .side = SIDE_CLIENT, .method = "GET", .error = "timeout" });
	close(fd);
	close(listen_fd);
	return 0;
}

/* The connection's first call sleeps, for want of room, and returns after the kernel has given up. */
static int timeout_inside_actor(struct actor *self)
{
	static char request[4 << 20];
	int listen_fd = -1, fd = connect_and_cut(self, &listen_fd);
	int room = 65536;
	ssize_t sent;

	if (fd < 0)
		return fd;
	snprintf(request, sizeof(request), "POST /abort HTTP/1.1\r\nHost: truth.example\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(request));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0)
		return world_fail(self->world, "cannot size the buffer: %s", strerror(errno));
	sent = send(fd, request, sizeof(request), MSG_NOSIGNAL);
	if (sent <= 0 || sent == sizeof(request))
		return world_fail(self->world, "sent %zd bytes, to be cut short: %s", sent, strerror(errno));
	tally(self, &(struct completed){ .side = SIDE_CLIENT, .method = "POST", .error = "timeout" });
	close(fd);
	close(listen_fd);
	return 0;
}

#define ABORT(title, text, which, conversation)                                                                     \
	{                                                                                                           \
		.name = (title), .number = 6, .description = (text), .families = (which), .script = &(conversation) \
	}

const struct truth_case cases_abort[] = {
	ABORT("half-head", "request abandoned inside its head", EVERY, half_head),
	ABORT("half-body", "request abandoned inside its body", EVERY, half_body),
	ABORT("half-chunk", "request abandoned inside a chunk", EVERY, half_chunk),
	ABORT("second-half-head", "the second request of a connection abandoned inside its head", EVERY,
	      second_half_head),
	ABORT("server-closes", "the server closes instead of answering", EVERY, server_closes),
	ABORT("client-gives-up", "the client closes before the answer, none is sent", EVERY, client_gives_up),
	ABORT("answered-too-late", "the answer is sent after the client has left", TCP, answered_too_late),
	ABORT("half-response", "the server closes inside the response", EVERY, half_response),
	ABORT("half-chunked-response", "the server closes inside a chunk", EVERY, half_chunked_response),
	ABORT("client-leaves", "the client closes inside the response, the server goes on", TCP, client_leaves_tcp),
	ABORT("client-leaves-unix", "the client closes inside the response, the server goes on", UNIX,
	      client_leaves_unix),
	ABORT("client-resets", "RST by the client instead of waiting", TCP, client_resets),
	ABORT("client-resets-body", "RST by the client inside its body", TCP, client_resets_body),
	ABORT("server-resets", "RST by the server instead of an answer", TCP, server_resets),
	ABORT("server-resets-response", "RST by the server inside the response", TCP, server_resets_response),
	ABORT("reset-until-close", "RST inside a body that ends with the connection", TCP, reset_until_close),
	{ .name = "unread",
	  .number = 6,
	  .description = "the server closes without reading: reset for the client, nothing for the server",
	  .families = TCP,
	  .flags = ONE_SIDED,
	  .script = &unread },
	{ .name = "closed-before",
	  .number = 6,
	  .description = "the server has closed before the first request, whose call the reset ends",
	  .families = TCP,
	  .flags = ONE_SIDED,
	  .script = &closed_before },
	ABORT("idle-reset", "RST on an idle connection is no exchange's error", TCP, idle_reset),
	ABORT("half-close", "shutdown(WR) after the request, then the response: no error", EVERY, half_close),
	ABORT("half-close-server", "shutdown(WR) after a body until close: no error", EVERY, half_close_server),
	ABORT("pipeline-cut", "three requests, one answer, close", EVERY, pipeline_cut),
	ABORT("early-answer", "a 413 before the request's body is whole", EVERY, early_answer),
	ABORT("process-exits", "the server's process ends inside the response", EVERY, process_exits),
	{ .name = "timeout",
	  .number = 6,
	  .description = "the kernel gives up retransmitting the request",
	  .families = TCP4,
	  .flags = ONE_SIDED,
	  .roles = { { "self", timeout_actor, false } } },
	{ .name = "timeout-inside",
	  .number = 6,
	  .description = "the kernel gives up inside of the connection's first call",
	  .families = TCP4,
	  .flags = ONE_SIDED,
	  .roles = { { "self", timeout_inside_actor, false } } },
	{ 0 },
};
