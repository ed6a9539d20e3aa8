/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's user space without the kernel: segments of 64 kept-alive HTTP connections through stream, aggregate and,
 * with a ratio, trace. For counting instructions:
 *   valgrind --tool=callgrind --toggle-collect=run build/tests/bench/stages server|both off|RATIO
 * divides by the exchanges that it prints. `both`: each exchange is seen at its two ends, as on one host.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/aggregate.h"
#include "base/number.h"
#include "proto/proto.h"
#include "stream/stream.h"
#include "trace/trace.h"

#define CONNECTIONS 64
#define ROUNDS 500
#define DRAIN 16 /* exchanges between two ticks */
#define STEP_NS UINT64_C(50000)
#define SERVER_TGID 100
#define CLIENT_TGID 200
#define FIRST_POSITION 1000
#define APART 10000000 /* requests of two connections */

static const char request[] =
	"GET /users/1234567/orders/89 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench/1.0\r\n"
	"Accept: */*\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n";
static const char response[] =
	"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

struct world {
	struct stream_table *streams;
	struct aggregate *aggregate;
	struct trace *trace; /* NULL: metrics alone */
	uint64_t now_ns;
	uint64_t exchanges;
	uint64_t spans;
	uint32_t sent[CONNECTIONS];
	uint32_t answered[CONNECTIONS];
	bool both;
};

static const char *service_of(uint32_t tgid)
{
	return tgid == SERVER_TGID ? "shop" : "browser";
}

/* As agent_sink.c joins the stages. */
static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct world *world = ctx;
	bool outlier = aggregate_exchange(world->aggregate, service_of(exchange->tgid), exchange);

	world->exchanges++;
	if (world->trace)
		trace_end(world->trace, service_of(exchange->tgid), aggregate_route(world->aggregate), exchange,
			  outlier);
}

static void on_begin(void *ctx, const struct exchange *exchange)
{
	struct world *world = ctx;

	trace_begin(world->trace, service_of(exchange->tgid), exchange);
}

static bool is_begin_wanted(void *ctx, uint32_t tgid)
{
	struct world *world = ctx;

	return trace_wants_begin(world->trace, tgid);
}

static void open_requests(void *ctx, uint32_t tgid)
{
	struct world *world = ctx;

	stream_each_open(world->streams, tgid);
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	struct world *world = ctx;

	(void)conn_id;
	aggregate_active(world->aggregate, service_of(tgid), side, method, false, change);
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	(void)ctx;
	(void)report;
}

static void skip_until(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	(void)ctx;
	(void)conn_id;
	(void)direction;
	(void)position;
}

static void mute(void *ctx, uint64_t conn_id)
{
	(void)ctx;
	(void)conn_id;
}

static void on_span(void *ctx, const struct span *span)
{
	struct world *world = ctx;

	(void)span;
	world->spans++;
}

static struct endpoint endpoint_of(uint16_t port)
{
	struct endpoint endpoint = { .family = AF_INET, .port = port };

	if (inet_pton(AF_INET, "127.0.0.1", endpoint.address) != 1)
		abort();
	return endpoint;
}

static void open_connection(struct world *world, uint32_t index, bool client)
{
	struct connection_open open = {
		.conn_id = 1 + 2 * index + client,
		.time_ns = world->now_ns,
		.local = endpoint_of(client ? (uint16_t)(40000 + index) : 8080),
		.remote = endpoint_of(client ? 8080 : (uint16_t)(40000 + index)),
		.role = client ? ROLE_CLIENT : ROLE_SERVER,
		.from_start = true,
		.tgid = client ? CLIENT_TGID : SERVER_TGID,
		.position = { FIRST_POSITION, FIRST_POSITION },
		.shared = true,
	};

	open.position[client ? DIRECTION_SEND : DIRECTION_RECEIVE] += index * APART;
	stream_on_open(world->streams, &open);
}

static void move(struct world *world, uint32_t index, bool client, bool is_request)
{
	uint32_t sent = FIRST_POSITION + index * APART + world->sent[index];
	uint32_t answered = FIRST_POSITION + world->answered[index];
	struct segment segment = {
		.conn_id = 1 + 2 * index + client,
		.time_ns = world->now_ns,
		.tgid = client ? CLIENT_TGID : SERVER_TGID,
		.tid = (client ? CLIENT_TGID : SERVER_TGID) * 1000 + index,
		.direction = is_request == client ? DIRECTION_SEND : DIRECTION_RECEIVE,
		.position = is_request ? sent : answered,
		.peer_position = is_request ? answered : sent,
		.length = is_request ? sizeof(request) - 1 : sizeof(response) - 1,
		.captured_length = is_request ? sizeof(request) - 1 : sizeof(response) - 1,
		.data = (const uint8_t *)(is_request ? request : response),
	};

	stream_on_segment(world->streams, &segment);
}

/* One request of each connection, and their answers. */
__attribute__((noinline)) static void run(struct world *world)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		world->now_ns += STEP_NS;
		if (world->both)
			move(world, i, true, true);
		move(world, i, false, true);
		world->sent[i] += sizeof(request) - 1;
		if (i >= DRAIN) {
			uint32_t ready = i - DRAIN;

			move(world, ready, false, false);
			if (world->both)
				move(world, ready, true, false);
			world->answered[ready] += sizeof(response) - 1;
		}
		if (i % DRAIN == 0 && world->trace)
			trace_tick(world->trace, world->now_ns, 0);
	}
	for (uint32_t i = CONNECTIONS - DRAIN; i < CONNECTIONS; i++) {
		move(world, i, false, false);
		if (world->both)
			move(world, i, true, false);
		world->answered[i] += sizeof(response) - 1;
	}
}

static int make(struct world *world, const char *ratio)
{
	struct aggregate_config aggregate = { .series_limit = 10000,
					      .route_values_limit = 32,
					      .native_histograms = true };
	struct stream_config streams = { .max_connections = 1024, .max_bytes = 16 << 20, .hold_ns = 20000000 };
	struct stream_callbacks callbacks = {
		.ctx = world,
		.exchange = on_exchange,
		.active = on_active,
		.unparsed = on_unparsed,
		.control = { .skip_until = skip_until, .mute = mute },
	};
	struct trace_config trace = {
		.parent_based = true,
		.slow_ns = 1000000000,
		.remote_parents = true,
		.calls_max = 65536,
		.held_bytes_max = 4 << 20,
		.hold_ns = 100000000,
		.sink = { .ctx = world, .span = on_span },
		.open_ctx = world,
		.open_requests = open_requests,
	};
	size_t bad;
	int error = aggregate_new(&aggregate, &world->aggregate, &bad);

	if (!error && strcmp(ratio, "off") != 0) {
		error = number_ratio(ratio, &trace.ratio);
		if (!error)
			error = trace_new(&trace, &world->trace);
		callbacks.begin = on_begin;
		callbacks.begin_wanted = is_begin_wanted;
	}
	if (!error)
		error = stream_table_new(&streams, &callbacks, &world->streams);
	return error;
}

int main(int argc, char **argv)
{
	struct world world = { .now_ns = 1000000000 };

	if (argc != 3 || make(&world, argv[2])) {
		fprintf(stderr, "usage: stages server|both off|RATIO\n");
		return 1;
	}
	world.both = !strcmp(argv[1], "both");
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		open_connection(&world, i, false);
		if (world.both)
			open_connection(&world, i, true);
	}
	for (int round = 0; round < ROUNDS; round++)
		run(&world);
	if (world.trace)
		trace_flush(world.trace);
	printf("exchanges %llu spans %llu\n", (unsigned long long)world.exchanges, (unsigned long long)world.spans);
	stream_table_free(world.streams);
	aggregate_free(world.aggregate);
	trace_free(world.trace);
	return world.exchanges == (uint64_t)CONNECTIONS * ROUNDS * (world.both ? 2 : 1) ? 0 : 1;
}
