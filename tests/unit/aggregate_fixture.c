/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common beginnings of the tests of aggregate.
 */
#include "aggregate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

static const struct endpoint local = { .family = AF_INET, .port = 40000, .address = { 127, 0, 0, 1 } };
static const struct endpoint remote = { .family = AF_INET, .port = 8080, .address = { 192, 0, 2, 1 } };

struct text text_of(const char *string)
{
	return (struct text){ .data = string, .length = strlen(string) };
}

struct exchange exchange_of(enum side side, const char *path)
{
	return (struct exchange){
		.protocol = PROTOCOL_HTTP1,
		.side = side,
		.local = &local,
		.remote = &remote,
		.request_first_ns = 1000 * MS,
		.request_last_ns = 1001 * MS,
		.response_first_ns = 1002 * MS,
		.response_last_ns = 1003 * MS,
		.response_body_bytes = 200,
		.http = {
			.method = HTTP_METHOD_GET,
			.status = 200,
			.version = 11,
			.path = text_of(path),
			.host = text_of("Example.com:81"),
		},
	};
}

struct exchange db_exchange_of(enum side side)
{
	return (struct exchange){
		.protocol = PROTOCOL_POSTGRESQL,
		.side = side,
		.local = &local,
		.remote = &remote,
		.request_first_ns = 1000 * MS,
		.request_last_ns = 1001 * MS,
		.response_first_ns = 1002 * MS,
		.response_last_ns = 1003 * MS,
		.db = {
			.operation = text_of("SELECT"),
			.collection = text_of("orders"),
			.summary = text_of("SELECT orders"),
			.name_space = text_of("sales"),
			.rows = 4,
			.rows_known = true,
			.hits = 3,
			.misses = 1,
		},
	};
}

int aggregate_setup_limit(void **state, size_t series_limit)
{
	const struct aggregate_config config = {
		.series_limit = series_limit,
		.idle_timeout_ns = FIXTURE_IDLE_NS,
		.route_values_limit = 4,
		.native_histograms = true,
		.hash_seed = 42,
	};
	struct aggregate *aggregate = NULL;
	size_t bad = 0;

	assert_int_equal(aggregate_new(&config, &aggregate, &bad), 0);
	*state = aggregate;
	return 0;
}

int aggregate_setup(void **state)
{
	return aggregate_setup_limit(state, FIXTURE_SERIES_LIMIT);
}

int aggregate_teardown(void **state)
{
	aggregate_free(*state);
	return 0;
}
