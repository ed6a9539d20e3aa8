/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spans tell of messages beyond what metrics need: parameters of queries, header fields, statements.
 */
#include "trace_world.h"

#include <string.h>

#include "model/keep.h"

#define SAMPLE_FIELDS \
	"\0\1\2\0ab"  \
	"\1\0\1\0c"   \
	"\0\1\1\0d"   \
	"\0\0\3\0xyz"

static const struct keep keep = {
	.fields = { { { "referer", 7, "http.request.header.referer" }, { "x-id", 4, "http.request.header.x-id" } },
		    { { "server", 6, "http.response.header.server" } } },
	.field_counts = { 2, 1 },
};

static const struct seen_span *told(struct trace_world *world, const struct exchange *exchange)
{
	world->count = 0;
	trace_world_begin(world, exchange);
	trace_world_end(world, exchange);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	return &world->seen[0];
}

static struct exchange sample(struct trace_world *world, enum side side)
{
	struct exchange exchange = trace_exchange(world, side, 2, 10, 200, "/r/1");

	exchange.http.query = (struct text){ "page=2&sig=REDACTED", 19 };
	exchange.http.fields = (struct text){ SAMPLE_FIELDS, sizeof(SAMPLE_FIELDS) - 1 };
	return exchange;
}

static void a_server_tells_its_query(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = sample(world, SIDE_SERVER);
	const struct seen_span *span = told(world, &exchange);

	assert_true(span_has(span, "url.path=/r/1"));
	assert_true(span_has(span, "url.query=page=2&sig=REDACTED"));
	assert_null(strstr(span->attributes, "http.request.header"));
}

static void a_client_tells_it_in_its_url(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = sample(world, SIDE_CLIENT);
	const struct seen_span *span = told(world, &exchange);

	assert_true(span_has(span, "url.full=http://shop:8080/r/1?page=2&sig=REDACTED"));
	assert_null(strstr(span->attributes, "url.query"));
}

/* One attribute for each field, in the order in which they came first; several of one are several values. */
static void fields_are_lists(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = sample(world, SIDE_SERVER);
	const struct seen_span *span;
	size_t before;

	span = told(world, &exchange);
	before = span->span.attribute_count;
	world->config.keep = &keep;
	trace_world_restart(world);
	span = told(world, &exchange);
	assert_int_equal(span->span.attribute_count, before + 3);
	assert_non_null(strstr(span->attributes, "http.request.header.x-id=[ab][d]\n"
						 "http.response.header.server=[c]\n"
						 "http.request.header.referer=[xyz]\n"));
}

static void more_values_than_a_span_has_room_for(void **state)
{
	char bytes[100 * 5];
	struct trace_world *world = *state;
	struct exchange exchange = sample(world, SIDE_SERVER);
	const struct seen_span *span;

	for (size_t i = 0; i < 100; i++)
		memcpy(bytes + 5 * i, i < 99 ? "\0\1\1\0v" : "\1\0\1\0w", 5);
	exchange.http.fields = (struct text){ bytes, sizeof(bytes) };
	world->config.keep = &keep;
	trace_world_restart(world);
	span = told(world, &exchange);
	assert_non_null(strstr(span->attributes, "http.request.header.x-id=[v][v]"));
	assert_null(strstr(span->attributes, "http.response.header.server"));
}

static void a_statement(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = trace_exchange(world, SIDE_CLIENT, 2, 10, 200, "");

	exchange.protocol = PROTOCOL_POSTGRESQL;
	exchange.http = (struct http_facts){};
	exchange.db = (struct db_facts){ .query_text = { "SELECT ?", 8 } };
	assert_true(span_has(told(world, &exchange), "db.query.text=SELECT ?"));
}

/* What is held until the other end shows is a copy. */
static void what_is_held_keeps_it(void **state)
{
	struct trace_world *world = *state;
	struct exchange exchange = sample(world, SIDE_SERVER);
	char query[] = "page=2", fields[] = SAMPLE_FIELDS;

	world->config.keep = &keep;
	trace_world_restart(world);
	exchange.http.query = (struct text){ query, 6 };
	exchange.http.fields = (struct text){ fields, sizeof(fields) - 1 };
	trace_world_begin(world, &exchange);
	trace_world_end(world, &exchange);
	assert_int_equal(world->count, 0);
	memset(query, '#', sizeof(query));
	memset(fields, '#', sizeof(fields));
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	assert_true(span_has(&world->seen[0], "url.query=page=2"));
	assert_true(span_has(&world->seen[0], "http.request.header.x-id=[ab][d]"));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, trace_world_setup, trace_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_server_tells_its_query),
		TEST(a_client_tells_it_in_its_url),
		TEST(fields_are_lists),
		TEST(more_values_than_a_span_has_room_for),
		TEST(a_statement),
		TEST(what_is_held_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
