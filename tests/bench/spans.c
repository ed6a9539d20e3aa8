/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exporting a span costs: spans as trace makes them go through the OTLP exporter to a sink in another process that
 * takes everything. Prints the exporter's processor time for each span, and what share of a processor 50,000 of them in
 * a second are.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "exporters/otlp/otlp.h"

#define PROCESSES 8
#define RUN 4 /* spans of one process in a row */
#define SPANS 500000
#define WANTED_PER_SECOND 50000
#define TEXT(literal)                                            \
	{                                                        \
		.data = (literal), .length = sizeof(literal) - 1 \
	}

static const struct span_attribute attributes[] = {
	{ .key = "http.request.method", .text = TEXT("GET") },
	{ .key = "url.path", .text = TEXT("/users/1234567/orders/89") },
	{ .key = "url.scheme", .text = TEXT("http") },
	{ .key = "http.route", .text = TEXT("/users/{id}/orders/{id}") },
	{ .key = "http.response.status_code", .kind = SPAN_VALUE_INT, .number = 200 },
	{ .key = "server.address", .text = TEXT("shop.example.com") },
	{ .key = "server.port", .kind = SPAN_VALUE_INT, .number = 8080 },
	{ .key = "client.address", .text = TEXT("10.1.2.3") },
	{ .key = "network.peer.address", .text = TEXT("10.1.2.3") },
	{ .key = "network.peer.port", .kind = SPAN_VALUE_INT, .number = 41234 },
	{ .key = "network.protocol.version", .text = TEXT("1.1") },
};

/* Reads a request to its end, by its Content-Length. False at the connection's end. */
static bool take_request(int fd, char *buffer, size_t size)
{
	size_t have = 0, body = 0;
	char *end = NULL, *field;

	while (!end || (size_t)(end - buffer) + body > have) {
		ssize_t count = have < size - 1 ? read(fd, buffer + have, size - 1 - have) : -1;

		if (count <= 0)
			return false;
		have += (size_t)count;
		buffer[have] = '\0';
		if (end)
			continue;
		end = strstr(buffer, "\r\n\r\n");
		field = end ? strcasestr(buffer, "content-length: ") : NULL;
		if (end)
			end += 4;
		body = field ? strtoul(field + 16, NULL, 10) : 0;
	}
	return true;
}

static void serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	static char buffer[4 << 20];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		while (fd >= 0 && take_request(fd, buffer, sizeof(buffer)))
			if (write(fd, answer, sizeof(answer) - 1) < 0)
				break;
		close(fd);
	}
}

static uint64_t now_ns(void *ctx)
{
	(void)ctx;
	return clock_monotonic_ns();
}

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Of a container in a pod. */
static const char *process_of(void *ctx, uint32_t tgid)
{
	static char lines[PROCESSES][1024];
	char *own = lines[tgid % PROCESSES];

	(void)ctx;
	if (!*own)
		snprintf(own, sizeof(lines[0]),
			 "process.pid=%u\nprocess.executable.name=shop\nprocess.executable.path=/usr/local/bin/shop\n"
			 "process.runtime.name=go\nprocess.runtime.version=go1.22.3\n"
			 "container.id=%064u\ncontainer.name=%064u\n"
			 "container.image.name=registry.example.com/shop/server\ncontainer.image.tags=1.2.3\n"
			 "k8s.container.name=server\nk8s.pod.name=shop-7d4b9c6f5d-x2x9k\n"
			 "k8s.pod.uid=2f9c2f4e-6a56-4f0e-9a2b-0f3b2f9c2f4e\nk8s.namespace.name=prod\n"
			 "service.namespace=prod\nservice.version=1.2.3\n"
			 "service.instance.id=prod.shop-7d4b9c6f5d-x2x9k.server\n",
			 tgid, tgid, tgid);
	return own;
}

static int listen_somewhere(char *ret_url, size_t size)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 4) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		return -1;
	snprintf(ret_url, size, "http://127.0.0.1:%u/v1/traces", ntohs(address.sin_port));
	return fd;
}

static void measure(struct otlp *otlp, bool gzip)
{
	struct span_sink sink = otlp_span_sink(otlp);
	struct span span = { .trace_flags = 1,
			     .kind = SPAN_KIND_SERVER,
			     .start_ns = UINT64_C(1700000000000000000),
			     .end_ns = UINT64_C(1700000000005000000),
			     .name = TEXT("GET /users/{id}/orders/{id}"),
			     .service = "shop",
			     .attributes = attributes,
			     .attribute_count = sizeof(attributes) / sizeof(attributes[0]) };
	double before = cpu_seconds(), each;
	uint64_t left;

	for (uint64_t i = 0; i < SPANS; i++) {
		memcpy(span.span_id, &i, sizeof(i));
		memcpy(span.trace_id, &i, sizeof(i));
		span.tgid = (uint32_t)(i / RUN % PROCESSES);
		sink.span(sink.ctx, &span);
		if (i % 64 == 0)
			otlp_run(otlp);
	}
	left = otlp_flush(otlp);
	each = (cpu_seconds() - before) / SPANS;
	printf("otlp%s: %.2f us of processor time for each span, %.0f %% of one processor at %d in a second, "
	       "%llu of %d left behind\n",
	       gzip ? " with gzip" : "", each * 1e6, each * WANTED_PER_SECOND * 100, WANTED_PER_SECOND,
	       (unsigned long long)left, SPANS);
}

int main(int argc, char **argv)
{
	bool gzip = argc > 1 && !strcmp(argv[1], "gzip");
	struct exporter_error error;
	struct otlp *otlp;
	char url[64];
	int listener = listen_somewhere(url, sizeof(url));
	struct otlp_config config = {
		.targets[OTLP_TRACES] = { .url = url,
					  .gzip = gzip,
					  .timeout_ns = 10 * NS_PER_SECOND,
					  .certificate = "",
					  .client_certificate = "",
					  .client_key = "" },
		.proxy = "",
		.version = "bench",
		.own_service = "sonde",
		.resources.process = process_of,
		.queue_bytes = (size_t)512 << 20,
		.batch_spans = 512,
		.batch_delay_ns = NS_PER_SECOND,
		.shutdown_ns = 60 * NS_PER_SECOND,
		.now_ns = now_ns,
		.realtime_ns = now_ns,
	};
	pid_t child = listener < 0 ? -1 : fork();

	if (child == 0)
		serve(listener);
	if (child < 0 || otlp_new(&config, &otlp, &error)) {
		fprintf(stderr, "cannot start\n");
		return 1;
	}
	measure(otlp, gzip);
	otlp_free(otlp);
	kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	return 0;
}
