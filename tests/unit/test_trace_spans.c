/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span says, by the conventions, and which spans are told: ratio, errors, slow ones, overrides, excluded paths,
 * the cap.
 */
#include "trace_world.h"

#include <string.h>
#include <sys/socket.h>

#include "trace/ids.h"

#define DECISION(name) "sonde_trace_exchanges_total{decision=" name "}"

static const struct seen_span *told(struct trace_world *world, const struct exchange *exchange)
{
	world->count = 0;
	trace_world_begin(world, exchange);
	trace_world_end(world, exchange);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	return &world->seen[0];
}

static void an_http_server_span(void **state)
{
	static const char *const lines[] = { "http.request.method=GET",
					     "url.path=/r/1",
					     "url.scheme=http",
					     "http.route=/r/{id}",
					     "http.response.status_code=200",
					     "server.address=shop",
					     "server.port=8080",
					     "client.address=127.0.0.1",
					     "network.peer.address=127.0.0.1",
					     "network.peer.port=40000",
					     "network.protocol.version=1.1" };
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	const struct seen_span *span = told(world, &exchange);

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!span_has(span, lines[i]))
			fail_msg("%s is not in\n%s", lines[i], span->attributes);
	assert_int_equal(span->span.attribute_count, sizeof(lines) / sizeof(lines[0]));
	assert_string_equal(span->name, "GET /r/{id}");
	assert_int_equal(span->span.kind, SPAN_KIND_SERVER);
	assert_int_equal(span->span.status, SPAN_STATUS_UNSET);
	assert_int_equal(span->span.end_ns - span->span.start_ns, 2 * MS);
	assert_int_equal(span->span.start_ns, exchange.request_first_ns);
}

static void an_http_client_span(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, 10, 200, "/login;jsessionid=8/a;b=c;d=e/f=g");
	const struct seen_span *span = told(world, &exchange);

	assert_string_equal(span->name, "GET");
	assert_int_equal(span->span.kind, SPAN_KIND_CLIENT);
	assert_true(span_has(span, "url.full=http://shop:8080/login;jsessionid=REDACTED/a;b=REDACTED;d=REDACTED/f=g"));
	assert_null(strstr(span->attributes, "url.path"));
	assert_null(strstr(span->attributes, "http.route"));

	exchange.http.host = (struct text){ "[::1]:80", 8 };
	exchange.request_position++;
	span = told(world, &exchange);
	assert_true(span_has(span, "url.full=http://[::1]/login;jsessionid=REDACTED/a;b=REDACTED;d=REDACTED/f=g"));

	exchange.http.host = (struct text){ "user:secret@shop", 16 };
	exchange.http.method = HTTP_METHOD_OTHER;
	exchange.http.method_original = (struct text){ "PURGE", 5 };
	exchange.request_position++;
	span = told(world, &exchange);
	assert_string_equal(span->name, "HTTP");
	assert_true(span_has(span, "http.request.method=_OTHER"));
	assert_true(span_has(span, "http.request.method_original=PURGE"));
	assert_null(strstr(span->attributes, "secret"));
}

/* 4xx is the client's error; 5xx is both's; no status but a reason is both's. */
static void errors_by_the_conventions(void **state)
{
	static const struct {
		enum side side;
		uint16_t status;
		enum exchange_error error;
		const char *type;
	} cases[] = {
		{ SIDE_SERVER, 404, EXCHANGE_COMPLETE, NULL },
		{ SIDE_CLIENT, 404, EXCHANGE_COMPLETE, "error.type=404" },
		{ SIDE_SERVER, 503, EXCHANGE_COMPLETE, "error.type=503" },
		{ SIDE_CLIENT, 503, EXCHANGE_COMPLETE, "error.type=503" },
		{ SIDE_SERVER, 0, EXCHANGE_CONNECTION_RESET, "error.type=connection_reset" },
		{ SIDE_CLIENT, 200, EXCHANGE_RESPONSE_ABORTED, "error.type=response_aborted" },
		{ SIDE_CLIENT, 302, EXCHANGE_COMPLETE, NULL },
	};
	struct trace_world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange exchange = trace_exchange(world, cases[i].side, 2, 10 + (uint32_t)i, 200, "/r/1");
		const struct seen_span *span;

		exchange.http.status = cases[i].status;
		exchange.error = cases[i].error;
		span = told(world, &exchange);
		assert_int_equal(span->span.status, cases[i].type ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET);
		if (cases[i].type && !span_has(span, cases[i].type))
			fail_msg("%s is not in\n%s", cases[i].type, span->attributes);
		if (!cases[i].type)
			assert_null(strstr(span->attributes, "error.type"));
	}
}

static void a_database_span(void **state)
{
	static const char *const lines[] = { "db.system.name=postgresql",     "db.operation.name=SELECT",
					     "db.collection.name=users",      "db.namespace=shop",
					     "db.query.summary=SELECT users", "db.response.returned_rows=3",
					     "server.address=127.0.0.1",      "server.port=8080" };
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, 10, 200, "");
	const struct seen_span *span;

	exchange.protocol = PROTOCOL_POSTGRESQL;
	exchange.db = (struct db_facts){ .operation = { "SELECT", 6 },
					 .collection = { "users", 5 },
					 .summary = { "SELECT users", 12 },
					 .name_space = { "shop", 4 },
					 .rows = 3,
					 .rows_known = true };
	span = told(world, &exchange);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!span_has(span, lines[i]))
			fail_msg("%s is not in\n%s", lines[i], span->attributes);
	assert_string_equal(span->name, "SELECT users");
	assert_null(strstr(span->attributes, "sonde.db.side"));

	exchange.side = SIDE_SERVER;
	exchange.local = &world->server;
	exchange.request_position++;
	exchange.db.failed = true;
	exchange.db.status = (struct text){ "42P01", 5 };
	exchange.db.summary.length = 0;
	span = told(world, &exchange);
	assert_true(span_has(span, "sonde.db.side=server"));
	assert_true(span_has(span, "error.type=42P01"));
	assert_true(span_has(span, "db.response.status_code=42P01"));
	assert_string_equal(span->name, "SELECT users");
	assert_int_equal(span->span.status, SPAN_STATUS_ERROR);
}

static void unix_sockets_have_a_path(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, 10, 200, "/r/1");
	const struct endpoint remote = { .family = AF_UNIX, .path = "/run/app.sock" }, local = { .family = AF_UNIX };
	struct exchange other;
	struct seen_span first;

	exchange.remote = &remote;
	exchange.local = &local;
	first = *told(world, &exchange);
	assert_true(span_has(&first, "network.transport=unix"));
	assert_true(span_has(&first, "server.address=/run/app.sock"));
	/* Positions begin at one number in all of them: ids may not come from these alone. */
	other = exchange;
	other.conn_id = 3;
	assert_memory_not_equal(told(world, &other)->span.span_id, first.span.span_id, SPAN_ID_BYTES);
	assert_memory_not_equal(world->seen[0].span.trace_id, first.span.trace_id, TRACE_ID_BYTES);
}

/* How many of 1,000 traces are told, and whether a lower ratio's are all among a higher one's. */
static size_t sampled(struct trace_world *world, double ratio, bool *among)
{
	size_t count = 0;

	world->config.ratio = ratio;
	for (uint32_t i = 0; i < 1000; i++) {
		struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, i * 7919, 200, "/r/1");

		if (i % 50 == 0)
			trace_world_restart(world);
		world->count = 0;
		trace_world_begin(world, &exchange);
		trace_world_end(world, &exchange);
		assert_true(!world->count || among[i] || ratio > 0.4);
		among[i] = world->count > 0;
		count += world->count;
	}
	return count;
}

static void ratios_agree(void **state)
{
	struct trace_world *world = *state;
	bool among[1000];
	size_t half, tenth;

	for (size_t i = 0; i < 1000; i++)
		among[i] = true;
	assert_int_equal(sampled(world, 1, among), 1000);
	half = sampled(world, 0.5, among);
	tenth = sampled(world, 0.1, among);
	assert_in_range(half, 450, 550); /* three standard deviations are 47 */
	assert_in_range(tenth, 72, 128);
	assert_int_equal(sampled(world, 0, among), 0);
	assert_true(trace_world_figure(world, DECISION("not_sampled")) > 0);
}

static void a_sampled_trace_says_its_threshold(void **state)
{
	struct trace_world *world = *state;

	world->config.ratio = 0.5;
	trace_world_restart(world);
	for (uint32_t i = 0; world->count == 0; i++) {
		struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, i * 7919, 200, "/r/1");

		trace_world_begin(world, &exchange);
		trace_world_end(world, &exchange);
	}
	assert_string_equal(world->seen[0].state, "ot=th:8");
}

static void errors_and_slow_ones_always(void **state)
{
	struct trace_world *world = *state;
	struct exchange failed = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange slow = trace_exchange(world, SIDE_SERVER, 3, 20, 300, "/r/1");
	struct exchange fast = trace_exchange(world, SIDE_SERVER, 4, 30, 400, "/r/1");

	world->config.ratio = 0;
	world->config.slow_ns = 5 * MS;
	trace_world_restart(world);
	failed.http.status = 500;
	slow.response_last_ns = slow.request_first_ns + 5 * MS;
	trace_world_begin(world, &failed);
	trace_world_begin(world, &slow);
	trace_world_begin(world, &fast);
	trace_world_end(world, &failed);
	trace_world_end(world, &slow);
	trace_world_end(world, &fast);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 2);
	assert_true(trace_world_figure(world, DECISION("error")) == 1);
	assert_true(trace_world_figure(world, DECISION("slow")) == 1);
	assert_true(trace_world_figure(world, DECISION("not_sampled")) == 1);
}

static void those_that_took_longer_than_their_like_always(void **state)
{
	struct trace_world *world = *state;
	struct exchange outlier = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange usual = trace_exchange(world, SIDE_SERVER, 3, 20, 300, "/r/1");

	world->config.ratio = 0;
	trace_world_restart(world);
	world->outlier = true;
	trace_world_end(world, &outlier);
	world->outlier = false;
	trace_world_end(world, &usual);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	assert_true(trace_world_figure(world, DECISION("slow")) == 1);
	assert_true(trace_world_figure(world, DECISION("not_sampled")) == 1);
}

/* Nothing is kept of what will not be told, whoever the client is. */
static void what_is_not_sampled_does_not_wait(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");

	trace_world_end(world, &exchange);
	assert_true(trace_world_figure(world, "sonde_trace_held_bytes") > 0);
	world->config.ratio = 0;
	trace_world_restart(world);
	trace_world_end(world, &exchange);
	assert_true(trace_world_figure(world, "sonde_trace_held_bytes") == 0);
	assert_true(trace_world_figure(world, DECISION("not_sampled")) == 1);
	exchange.http.status = 500;
	trace_world_end(world, &exchange);
	assert_true(trace_world_figure(world, "sonde_trace_held_bytes") > 0);
}

static size_t told_with(struct trace_world *world, const char *path, const char *header)
{
	struct exchange exchange = trace_exchange(world, SIDE_SERVER, 2, 10, 200, path);

	exchange.http.traceparent = (struct text){ header, strlen(header) };
	trace_world_restart(world);
	trace_world_begin(world, &exchange);
	trace_world_end(world, &exchange);
	trace_world_pass(world, 0);
	return world->count;
}

static void the_parents_flag_decides(void **state)
{
	static const char sampled_header[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	static const char other_header[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
	struct trace_world *world = *state;

	assert_int_equal(told_with(world, "/r/1", sampled_header), 1);
	assert_int_equal(told_with(world, "/r/1", other_header), 0);
	world->config.ratio = 0;
	assert_int_equal(told_with(world, "/r/1", sampled_header), 1);
	world->config.parent_based = false;
	assert_int_equal(told_with(world, "/r/1", sampled_header), 0);
	world->config.ratio = 1;
	assert_int_equal(told_with(world, "/r/1", other_header), 1);
}

static void overrides_and_exclusions(void **state)
{
	static const struct trace_override services[] = { { "serv*", 0 } };
	static const struct trace_override routes[] = { { "/r/*", 1 } };
	static const char *const excluded[] = { "/health*", "/metrics" };
	struct trace_world *world = *state;

	world->config.services = services;
	world->config.service_count = 1;
	assert_int_equal(told_with(world, "/other", ""), 0);
	assert_int_equal(told_with(world, "/r/1", ""), 0);
	world->config.routes = routes;
	world->config.route_count = 1;
	assert_int_equal(told_with(world, "/r/1", ""), 1);
	assert_int_equal(told_with(world, "/other", ""), 0);
	world->config.service_count = 0;
	world->config.excluded = excluded;
	world->config.excluded_count = 2;
	assert_int_equal(told_with(world, "/healthz", ""), 0);
	assert_int_equal(told_with(world, "/metrics", ""), 0);
	assert_true(trace_world_figure(world, DECISION("excluded")) == 1);
	assert_int_equal(told_with(world, "/metrics/more", ""), 1);
}

/* The calls that were made for an excluded request are left out with it, on both ends. */
static void exclusion_is_inherited(void **state)
{
	static const char *const excluded[] = { "/health" };
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/health");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/db");
	struct exchange second = trace_exchange(world, SIDE_SERVER, 4, 20, 300, "/db");

	world->config.excluded = excluded;
	world->config.excluded_count = 1;
	trace_world_restart(world);
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_begin(world, &second);
	trace_world_end(world, &second);
	trace_world_end(world, &call);
	trace_world_end(world, &server);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 0);
	assert_true(trace_world_figure(world, DECISION("excluded")) == 3);
}

static void the_cap_counts_what_it_drops(void **state)
{
	struct trace_world *world = *state;

	world->config.rate = 10;
	trace_world_restart(world);
	for (uint32_t i = 0; i < 40; i++) { /* in 40 ms: a full bucket and nothing more */
		struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, i, 200, "/r/1");

		trace_world_begin(world, &exchange);
		trace_world_end(world, &exchange);
	}
	trace_world_pass(world, 10000 * MS);
	for (uint32_t i = 100; i < 120; i++) {
		struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, i, 200, "/r/1");

		trace_world_begin(world, &exchange);
		trace_world_end(world, &exchange);
	}
	assert_in_range(world->count, 19, 21);
	assert_true(trace_world_figure(world, DECISION("rate_limited")) == 60 - (double)world->count);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, trace_world_setup, trace_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_http_server_span),
		TEST(an_http_client_span),
		TEST(errors_by_the_conventions),
		TEST(a_database_span),
		TEST(unix_sockets_have_a_path),
		TEST(ratios_agree),
		TEST(a_sampled_trace_says_its_threshold),
		TEST(errors_and_slow_ones_always),
		TEST(those_that_took_longer_than_their_like_always),
		TEST(what_is_not_sampled_does_not_wait),
		TEST(the_parents_flag_decides),
		TEST(overrides_and_exclusions),
		TEST(exclusion_is_inherited),
		TEST(the_cap_counts_what_it_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
