/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budgets and memory: what goes to the overflow series and that sums stay right, which series leave and when, that
 * every string leaves with them, and that no refused allocation loses an observation.
 * LINK: -Wl,--wrap=calloc,--wrap=malloc,--wrap=reallocarray,--wrap=strdup
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/state.h"
#include "aggregate_fixture.h"

#define OVERFLOW "{otel_metric_overflow=\"true\"}"
#define ACTIVE "http_server_active_requests"

static long allocations_left = -1; /* -1: as many as asked for */
static long allocations_made;

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	allocations_made++;
	allocations_left -= allocations_left > 0;
	return true;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__real_reallocarray(void *pointer, size_t count, size_t size);
void *__wrap_reallocarray(void *pointer, size_t count, size_t size);
void *__wrap_reallocarray(void *pointer, size_t count, size_t size)
{
	return may_allocate() ? __real_reallocarray(pointer, count, size) : NULL;
}

char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
char *__wrap_strdup(const char *string)
{
	return may_allocate() ? __real_strdup(string) : NULL;
}

/* One exchange per status from 200 on: each its own label set. */
static void observe_statuses(struct aggregate *aggregate, enum side side, int count)
{
	struct exchange exchange = exchange_of(side, "/");

	for (int i = 0; i < count; i++) {
		exchange.http.status = (uint16_t)(200 + i);
		aggregate_exchange(aggregate, "shop", &exchange);
	}
}

/* Calls of databases, each its own label set, of both sides and both kinds. */
static void observe_calls(struct aggregate *aggregate, int count)
{
	char table[16];

	for (int i = 0; i < 4 * count; i++) {
		struct exchange call = db_exchange_of(i & 1 ? SIDE_CLIENT : SIDE_SERVER);

		snprintf(table, sizeof(table), "t%d", i / 4);
		call.db.collection = text_of(table);
		call.db.blocking = i & 2;
		aggregate_exchange(aggregate, "shop", &call);
	}
}

static double budget(const struct recorder *recorder, const char *figure, const char *metric)
{
	char key[RECORD_KEY_MAX];

	snprintf(key, sizeof(key), "%s{metric=\"%s\"}", figure, metric);
	return recorder_value(recorder, key);
}

static void beyond_the_budget_one_series_takes_the_rest(void **state)
{
	struct recorder recorder;

	observe_statuses(*state, SIDE_SERVER, FIXTURE_SERIES_LIMIT);
	recorder_walk(&recorder, *state);
	assert_null(recorder_find(&recorder, DURATION OVERFLOW));
	recorder_done(&recorder);
	observe_statuses(*state, SIDE_SERVER, FIXTURE_SERIES_LIMIT + 7);
	observe_statuses(*state, SIDE_CLIENT, 1);
	recorder_walk(&recorder, *state);
	const struct record *record = recorder_get(&recorder, DURATION OVERFLOW);

	assert_int_equal(record->count, 7);
	assert_true(record->sum == 0.021);
	assert_int_equal(record->native_total, 7);
	assert_true(recorder_get(&recorder, "http_server_response_body_size_bytes" OVERFLOW)->sum == 1400);
	assert_int_equal(recorder_total(&recorder, DURATION), 2 * FIXTURE_SERIES_LIMIT + 7);
	assert_int_equal(recorder_series(&recorder, DURATION), FIXTURE_SERIES_LIMIT + 1);
	assert_true(budget(&recorder, "sonde_series", DURATION) == FIXTURE_SERIES_LIMIT);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", DURATION) == 7);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", "http_server_request_body_size_bytes") == 7);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", "http_client_request_duration_seconds") == 0);
	assert_null(recorder_find(&recorder, "http_client_request_duration_seconds" OVERFLOW));
	recorder_done(&recorder);
}

static void a_budget_of_nothing_still_counts(void **state)
{
	struct recorder recorder;
	void *own = NULL;

	(void)state;
	aggregate_setup_limit(&own, 0);
	observe_statuses(own, SIDE_SERVER, 5);
	aggregate_unparsed(own, "db", UNPARSED_TLS, 2, 30);
	aggregate_active(own, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	recorder_walk(&recorder, own);
	assert_int_equal(recorder_get(&recorder, DURATION OVERFLOW)->count, 5);
	assert_true(recorder_value(&recorder, "sonde_unparsed_connections_total" OVERFLOW) == 2);
	assert_true(recorder_value(&recorder, "sonde_unparsed_bytes_total" OVERFLOW) == 30);
	assert_true(recorder_value(&recorder, ACTIVE OVERFLOW) == 1);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", "sonde_unparsed_bytes_total") == 1);
	recorder_done(&recorder);
	aggregate_teardown(&own);
}

static void databases_have_budgets_too(void **state)
{
	static const char *const durations[] = {
		"db_client_operation_duration_seconds",
		"db_client_blocking_operation_duration_seconds",
		"db_server_operation_duration_seconds",
		"db_server_blocking_operation_duration_seconds",
	};
	struct recorder recorder;
	char key[RECORD_KEY_MAX];

	observe_calls(*state, FIXTURE_SERIES_LIMIT + 7);
	recorder_walk(&recorder, *state);
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		snprintf(key, sizeof(key), "%s%s", durations[i], OVERFLOW);
		assert_int_equal(recorder_get(&recorder, key)->count, 7);
		assert_int_equal(recorder_total(&recorder, durations[i]), FIXTURE_SERIES_LIMIT + 7);
		assert_true(budget(&recorder, "sonde_series", durations[i]) == FIXTURE_SERIES_LIMIT);
		assert_true(budget(&recorder, "sonde_series_overflowed_total", durations[i]) == 7);
	}
	assert_true(recorder_value(&recorder, "db_client_cache_hits_total" OVERFLOW) == 21);
	assert_true(recorder_value(&recorder, "db_client_cache_misses_total" OVERFLOW) == 7);
	assert_int_equal(recorder_get(&recorder, "db_client_response_returned_rows" OVERFLOW)->count, 7);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", "db_client_cache_hits_total") == 7);
	recorder_done(&recorder);
}

static double active_total(struct aggregate *aggregate)
{
	struct recorder recorder;

	recorder_walk(&recorder, aggregate);
	double total = recorder_total(&recorder, ACTIVE);

	for (size_t i = 0; i < recorder.count; i++)
		assert_true(recorder.records[i].value >= 0);
	recorder_done(&recorder);
	return total;
}

static void active_sums_stay_right_through_overflow(void **state)
{
	struct recorder recorder;
	void *own = NULL;

	(void)state;
	aggregate_setup_limit(&own, 1);
	aggregate_active(own, "a", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_active(own, "b", SIDE_SERVER, HTTP_METHOD_GET, false, 1); /* to overflow */
	assert_true(active_total(own) == 2);
	aggregate_active(own, "a", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	assert_true(active_total(own) == 1);
	aggregate_expire(own, 1);
	aggregate_expire(own, 1 + FIXTURE_IDLE_NS); /* a leaves, and b has room now */
	aggregate_active(own, "b", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	assert_true(active_total(own) == 2);
	aggregate_active(own, "b", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	aggregate_active(own, "b", SIDE_SERVER, HTTP_METHOD_GET, false, -1); /* the one that overflow holds */
	assert_true(active_total(own) == 0);
	aggregate_active(own, "b", SIDE_SERVER, HTTP_METHOD_GET, false, -1); /* one too many */
	assert_true(active_total(own) == 0);
	recorder_walk(&recorder, own);
	assert_true(budget(&recorder, "sonde_series_overflowed_total", ACTIVE) == 1);
	recorder_done(&recorder);
	aggregate_teardown(&own);
}

static void idle_series_leave(void **state)
{
	struct aggregate *aggregate = *state;
	struct recorder recorder;

	observe_statuses(aggregate, SIDE_SERVER, 3);
	observe_statuses(aggregate, SIDE_CLIENT, 1);
	aggregate_unparsed(aggregate, "db", UNPARSED_TLS, 1, 1);
	aggregate_active(aggregate, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_expire(aggregate, 5000);
	observe_statuses(aggregate, SIDE_SERVER, 1); /* 200 stays in use */
	aggregate_expire(aggregate, 5000 + FIXTURE_IDLE_NS - 1);
	recorder_walk(&recorder, aggregate);
	assert_int_equal(recorder_series(&recorder, DURATION), 3);
	recorder_done(&recorder);
	aggregate_expire(aggregate, 5000 + FIXTURE_IDLE_NS);
	recorder_walk(&recorder, aggregate);
	assert_int_equal(recorder_series(&recorder, DURATION), 1);
	assert_int_equal(recorder_total(&recorder, DURATION), 2);
	assert_int_equal(recorder_family(&recorder, "http_client_request_duration_seconds"), -1);
	assert_int_equal(recorder_series(&recorder, "sonde_unparsed_bytes_total"), 0);
	assert_int_equal(recorder_series(&recorder, ACTIVE), 1); /* a request is still being served */
	assert_true(budget(&recorder, "sonde_series", DURATION) == 1);
	assert_true(budget(&recorder, "sonde_series_expired_total", DURATION) == 2);
	assert_true(budget(&recorder, "sonde_series_expired_total", "http_client_request_duration_seconds") == 1);
	assert_true(budget(&recorder, "sonde_series_expired_total", "sonde_unparsed_bytes_total") == 1);
	recorder_done(&recorder);
}

static void everything_leaves_in_the_end(void **state)
{
	struct aggregate *aggregate = *state;

	observe_statuses(aggregate, SIDE_SERVER, FIXTURE_SERIES_LIMIT + 5);
	observe_statuses(aggregate, SIDE_CLIENT, 5);
	observe_calls(aggregate, FIXTURE_SERIES_LIMIT + 5);
	aggregate_active(aggregate, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_active(aggregate, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	aggregate_expire(aggregate, 1);
	assert_int_not_equal(aggregate->intern.table.count, 0);
	aggregate_expire(aggregate, 1 + FIXTURE_IDLE_NS);
	assert_int_equal(aggregate->http[SIDE_SERVER].table.count, 0);
	for (int side = 0; side < SIDE_COUNT; side++) {
		assert_int_equal(aggregate->db[side].table.count, 0);
		assert_int_equal(aggregate->db_blocking[side].table.count, 0);
	}
	assert_int_equal(aggregate->active.table.count, 0);
	assert_int_equal(aggregate->routes.limits.segments, 0);
	assert_int_equal(aggregate->intern.table.count, 0);
	observe_statuses(aggregate, SIDE_SERVER, 1); /* and a new life begins at one */
	assert_int_equal(aggregate->http[SIDE_SERVER].table.count, 1);
}

static void no_timeout_keeps_everything(void **state)
{
	const struct aggregate_config config = { .series_limit = 10, .route_values_limit = 4 };
	struct aggregate *aggregate = NULL;
	struct recorder recorder;
	size_t bad;

	(void)state;
	assert_int_equal(aggregate_new(&config, &aggregate, &bad), 0);
	observe_statuses(aggregate, SIDE_SERVER, 3);
	aggregate_expire(aggregate, 1);
	aggregate_expire(aggregate, UINT64_MAX);
	recorder_walk(&recorder, aggregate);
	assert_int_equal(recorder_series(&recorder, DURATION), 3);
	assert_false(recorder_get(&recorder,
				  DURATION "{service_name=\"shop\",http_request_method=\"GET\","
					   "http_response_status_code=\"200\",http_route=\"/\",url_scheme=\"http\","
					   "network_protocol_version=\"1.1\"}")
			     ->has_native);
	recorder_done(&recorder);
	aggregate_free(aggregate);
}

static void every_refused_allocation_at_birth(void **state)
{
	static const char *const patterns[] = { "/a/{id}", "/b/*" };
	const struct aggregate_config config = {
		.series_limit = 10,
		.route_patterns = patterns,
		.route_pattern_count = 2,
	};
	struct aggregate *aggregate = NULL;
	size_t bad = 77;
	int error;
	long allowed = 0;

	(void)state;
	for (;; allowed++) {
		allocations_left = allowed;
		error = aggregate_new(&config, &aggregate, &bad);
		allocations_left = -1;
		if (!error)
			break;
		assert_int_equal(error, -ENOMEM);
		assert_null(aggregate);
		assert_int_equal(bad, 77);
	}
	assert_in_range(allowed, 8, 32);
	aggregate_free(aggregate);
	aggregate_free(NULL);
}

static void malformed_pattern_is_named(void **state)
{
	static const char *const patterns[] = { "/fine", "not fine" };
	const struct aggregate_config config = { .route_patterns = patterns, .route_pattern_count = 2 };
	struct aggregate *aggregate = NULL;
	size_t bad = 77;

	(void)state;
	assert_int_equal(aggregate_new(&config, &aggregate, &bad), -EINVAL);
	assert_int_equal(bad, 1);
	assert_null(aggregate);
}

/* Different services, paths, hosts, methods and durations, so that everything that may allocate does. */
static void observe_mixture(struct aggregate *aggregate)
{
	static const char *const services[] = { "shop", "db", "web" };
	char path[32], host[32];

	for (unsigned i = 0; i < 60; i++) {
		struct exchange call = db_exchange_of(i & 1 ? SIDE_CLIENT : SIDE_SERVER);
		struct exchange exchange = exchange_of(i & 1 ? SIDE_CLIENT : SIDE_SERVER, "");

		snprintf(path, sizeof(path), "/p%c/%c", 'a' + (char)(i % 3), 'a' + (char)(i % 7));
		snprintf(host, sizeof(host), "host%u", i % 5);
		exchange.http.path = text_of(path);
		exchange.http.host = text_of(host);
		exchange.response_last_ns += (uint64_t)i * i * i * 100000;
		exchange.response_body_bytes = UINT64_C(1) << i;
		aggregate_exchange(aggregate, services[i % 3], &exchange);
		snprintf(path, sizeof(path), "t%u", i % 11);
		call.db.collection = text_of(path);
		call.db.blocking = i % 4 == 0;
		call.db.rows = UINT64_C(1) << i;
		call.response_last_ns = exchange.response_last_ns;
		aggregate_exchange(aggregate, services[i % 3], &call);
		aggregate_active(aggregate, services[i % 3], SIDE_SERVER, HTTP_METHOD_GET, false, 1);
		aggregate_unparsed(aggregate, services[i % 3], (enum unparsed_reason)(i % 5), 1, 10);
	}
}

static void expect_mixture(struct aggregate *aggregate)
{
	struct recorder recorder;

	recorder_walk(&recorder, aggregate);
	assert_true(recorder_total(&recorder, DURATION) == 30);
	assert_true(recorder_total(&recorder, "http_client_response_body_size_bytes") == 30);
	assert_true(recorder_total(&recorder, ACTIVE) == 60);
	assert_true(recorder_total(&recorder, "sonde_unparsed_connections_total") == 60);
	assert_true(recorder_total(&recorder, "sonde_unparsed_bytes_total") == 600);
	assert_true(recorder_total(&recorder, "db_server_operation_duration_seconds") == 15);
	assert_true(recorder_total(&recorder, "db_server_blocking_operation_duration_seconds") == 15);
	assert_true(recorder_total(&recorder, "db_client_operation_duration_seconds") == 30);
	assert_true(recorder_total(&recorder, "db_client_response_returned_rows") == 30);
	assert_true(recorder_total(&recorder, "db_client_cache_hits_total") == 90);
	assert_true(recorder_total(&recorder, "db_client_cache_misses_total") == 30);
	assert_true(recorder_total(&recorder, "sonde_exchanges_total") == 120);
	recorder_done(&recorder);
}

/* Memory ends after n allocations, or is refused once and comes back: no observation is lost either way. */
static void no_refused_allocation_loses_an_observation(void **state)
{
	void *own = NULL;

	(void)state;
	aggregate_setup(&own);
	allocations_made = 0;
	observe_mixture(own);
	long needed = allocations_made;

	expect_mixture(own);
	aggregate_teardown(&own);
	assert_in_range(needed, 50, 4000);
	for (long allowed = 0; allowed < needed; allowed++) {
		aggregate_setup(&own);
		allocations_left = allowed;
		observe_mixture(own);
		allocations_left = -1;
		expect_mixture(own);
		aggregate_expire(own, 1);
		aggregate_expire(own, 1 + FIXTURE_IDLE_NS);
		aggregate_teardown(&own);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aggregate_setup, aggregate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beyond_the_budget_one_series_takes_the_rest),
		TEST(databases_have_budgets_too),
		cmocka_unit_test(a_budget_of_nothing_still_counts),
		cmocka_unit_test(active_sums_stay_right_through_overflow),
		TEST(idle_series_leave),
		TEST(everything_leaves_in_the_end),
		cmocka_unit_test(no_timeout_keeps_everything),
		cmocka_unit_test(every_refused_allocation_at_birth),
		cmocka_unit_test(malformed_pattern_is_named),
		cmocka_unit_test(no_refused_allocation_loses_an_observation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
