/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web server's world: one thread that takes turns between the server and its clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/number.h"
#include "exporters/prometheus/prometheus.h"
#include "web_world.h"

#define ANSWER_LIMIT ((size_t)64 << 20)
#define PATIENCE_MS 10000 /* for what should be there at once */
#define SETTLE_TURNS 8

static const char *const addresses[] = { "127.0.0.1:0" };

static void visit(void *ctx, const struct metric_visitor *visitor)
{
	static const struct metric_family family = { "world_values", "Values.", "", METRIC_GAUGE };
	const struct web_world *world = ctx;
	char text[32];
	const struct metric_label label = { "index", text };

	visitor->family_begin(visitor->ctx, &family);
	for (size_t i = 0; i < world->samples; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		visitor->sample(visitor->ctx, &label, 1, (double)world->refreshes);
	}
	visitor->family_end(visitor->ctx);
}

static int refresh(void *ctx, const struct snapshot_filter *filter, char *ret_error, size_t error_size)
{
	(void)filter;
	(void)ret_error;
	(void)error_size;
	((struct web_world *)ctx)->refreshes++;
	return 0;
}

static size_t health(void *ctx, struct web_check *ret_checks)
{
	const struct web_world *world = ctx;

	memcpy(ret_checks, world->checks, sizeof(world->checks));
	return world->check_count;
}

static uint64_t now_ns(void *ctx)
{
	return ((const struct web_world *)ctx)->now_ns;
}

struct web_config web_world_config(struct web_world *world)
{
	*world = (struct web_world){ .now_ns = 1, .samples = 1 };
	world->snapshot = (struct snapshot){
		.sources = { { world, visit } },
		.source_count = 1,
		.refresh = refresh,
		.refresh_ctx = world,
	};
	return (struct web_config){
		.listen_addresses = addresses,
		.listen_address_count = 1,
		.telemetry_path = "/metrics",
		.max_requests = 40,
		.version = "1.2.3",
		.exposition = &prometheus_exposition,
		.snapshot = &world->snapshot,
		.ctx = world,
		.health = health,
		.now_ns = now_ns,
	};
}

void web_world_start(struct web_world *world, const struct web_config *config)
{
	struct exporter_error error = { "" };

	if (web_new(config, &world->web, &error))
		fail_msg("%s", error.text);
}

void web_world_stop(struct web_world *world)
{
	web_free(world->web);
	world->web = NULL;
}

void web_world_settle(struct web_world *world)
{
	for (int i = 0; i < SETTLE_TURNS; i++)
		web_run(world->web);
}

void web_world_pass(struct web_world *world, uint64_t ns)
{
	web_world_settle(world);
	world->now_ns += ns;
	web_world_settle(world);
}

/* Waits until one side has something to do, and lets the server do it. */
static void turn(struct web_world *world, int fd, short events)
{
	struct pollfd fds[] = { { web_fd(world->web), POLLIN, 0 }, { fd, events, 0 } };

	if (poll(fds, 2, PATIENCE_MS) <= 0)
		fail_msg("neither server nor client moved for %d ms", PATIENCE_MS);
	web_run(world->web);
}

static struct sockaddr_in address_of(const struct web_world *world)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint16_t port = 0;

	assert_int_equal(number_port(strrchr(web_address(world->web, 0), ':') + 1, &port), 0);
	address.sin_port = htons(port);
	return address;
}

int web_client_connect(struct web_world *world, int receive_buffer)
{
	const struct sockaddr_in address = address_of(world);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (receive_buffer)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)), 0);
	/* The backlog completes the connection before the server accepts it. */
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	web_world_settle(world);
	return fd;
}

void web_client_send(struct web_world *world, int fd, const char *text)
{
	size_t length = strlen(text);

	while (length) {
		ssize_t sent = send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return; /* the server has had enough: its answer says why */
		if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		}
		turn(world, fd, POLLOUT);
	}
}

/* Reads what is there; false at the end of the stream. */
static bool receive_some(int fd, struct buffer *received)
{
	static char piece[65536];
	ssize_t count = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (count > 0)
		buffer_append(received, piece, (size_t)count);
	return count > 0 || (count < 0 && errno == EAGAIN);
}

/* Bytes of the whole answer once its head is there; SIZE_MAX before, or when only the end of the stream tells. */
static size_t answer_length(struct buffer *received, bool head_only)
{
	const char *end = received->length ? memmem(received->data, received->length, "\r\n\r\n", 4) : NULL;
	const char *field = end ? memmem(received->data, (size_t)(end - received->data), "\r\nContent-Length: ", 18) :
				  NULL;
	uint64_t length = 0;

	if (!end || (!field && !head_only))
		return SIZE_MAX;
	if (!head_only)
		assert_int_equal(number_u64_span(field + 18, strcspn(field + 18, "\r"), &length), 0);
	return (size_t)(end + 4 - received->data) + length;
}

static struct web_answer split(const struct buffer *received)
{
	const char *end = received->length ? memmem(received->data, received->length, "\r\n\r\n", 4) : NULL;
	struct web_answer answer = { .status = 0 };
	uint64_t status = 0;

	if (!end)
		return answer;
	assert_int_equal(number_u64_span(received->data + strlen("HTTP/1.1 "), 3, &status), 0);
	answer.status = (unsigned int)status;
	answer.head = strndup(received->data, (size_t)(end + 2 - received->data));
	answer.body_length = received->length - (size_t)(end + 4 - received->data);
	answer.body = calloc(1, answer.body_length + 1);
	assert_non_null(answer.head);
	assert_non_null(answer.body);
	memcpy(answer.body, end + 4, answer.body_length);
	return answer;
}

struct web_answer web_client_receive(struct web_world *world, int fd, bool head_only)
{
	struct buffer received;
	struct web_answer answer;

	buffer_init(&received, ANSWER_LIMIT);
	while (received.length < answer_length(&received, head_only)) {
		turn(world, fd, POLLIN);
		if (!receive_some(fd, &received))
			break;
	}
	assert_int_equal(buffer_error(&received), 0);
	answer = split(&received);
	buffer_done(&received);
	return answer;
}

bool web_client_ended(struct web_world *world, int fd)
{
	char byte;

	web_world_settle(world);
	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || (errno != EAGAIN && errno != EINTR);
}

struct web_answer web_ask(struct web_world *world, const char *method, const char *path, const char *fields)
{
	int fd = web_client_connect(world, 0);
	struct web_answer answer;
	char request[4096];

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n", method, path,
		 fields);
	web_client_send(world, fd, request);
	answer = web_client_receive(world, fd, !strcmp(method, "HEAD"));
	/* Nothing may follow the answer. */
	while (!web_client_ended(world, fd))
		turn(world, fd, POLLIN);
	close(fd);
	return answer;
}

void web_answer_done(struct web_answer *answer)
{
	free(answer->head);
	free(answer->body);
	*answer = (struct web_answer){ .status = 0 };
}

const char *web_answer_field(const struct web_answer *answer, const char *name)
{
	static char value[256];
	size_t length = strlen(name);
	const char *line = answer->head;

	for (; line && (line = strstr(line, "\r\n")); line += 2) {
		if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
			continue;
		line += 2 + length + 2;
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
		return value;
	}
	return "";
}
