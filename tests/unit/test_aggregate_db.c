/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges with databases in, label sets and figures out: what a call is labelled, that waiting is told apart from
 * working, and which families a call appears in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "aggregate_fixture.h"

#define CLIENT "db_client_operation_duration_seconds"
#define SERVER "db_server_operation_duration_seconds"
#define STATEMENT                                                                                                  \
	"service_name=\"shop\",db_system_name=\"postgresql\",db_namespace=\"sales\",db_operation_name=\"SELECT\"," \
	"db_collection_name=\"orders\",db_query_summary=\"SELECT orders\""
#define PEER ",server_address=\"192.0.2.1\",server_port=\"8080\""

static struct exchange redis_exchange_of(enum side side, const char *command)
{
	struct exchange exchange = db_exchange_of(side);

	exchange.protocol = PROTOCOL_REDIS;
	exchange.db = (struct db_facts){ .operation = text_of(command), .name_space = text_of("0") };
	return exchange;
}

static void a_client_call_has_the_conventions_labels(void **state)
{
	struct exchange exchange = db_exchange_of(SIDE_CLIENT);
	struct recorder recorder;

	aggregate_exchange(*state, "shop", &exchange);
	aggregate_exchange(*state, "shop", &exchange);
	recorder_walk(&recorder, *state);
	const struct record *record = recorder_get(&recorder, CLIENT "{" STATEMENT PEER "}");

	assert_int_equal(record->count, 2);
	assert_true(record->sum == 0.006);
	assert_int_equal(record->bucket_count, 16);
	assert_int_equal(record->buckets[6], 2); /* (1 ms, 5 ms] */
	assert_int_equal(record->native_schema, 3);
	record = recorder_get(&recorder, "db_client_response_returned_rows{" STATEMENT PEER "}");
	assert_int_equal(record->count, 2);
	assert_true(record->sum == 8);
	assert_int_equal(record->buckets[3], 2); /* (2, 5] */
	assert_true(recorder_value(&recorder, "db_client_cache_hits_total{" STATEMENT PEER "}") == 6);
	assert_true(recorder_value(&recorder, "db_client_cache_misses_total{" STATEMENT PEER "}") == 2);
	assert_true(recorder_value(&recorder, "sonde_exchanges_total{protocol=\"postgresql\",side=\"client\"}") == 2);
	assert_int_equal(recorder_family(&recorder, SERVER), -1);
	recorder_done(&recorder);
}

static void a_server_call_names_no_peer(void **state)
{
	struct exchange exchange = db_exchange_of(SIDE_SERVER);
	struct recorder recorder;

	aggregate_exchange(*state, "shop", &exchange);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_get(&recorder, SERVER "{" STATEMENT "}")->count, 1);
	assert_true(recorder_get(&recorder, "db_server_response_returned_rows{" STATEMENT "}")->sum == 4);
	assert_true(recorder_value(&recorder, "db_server_cache_hits_total{" STATEMENT "}") == 3);
	assert_true(recorder_value(&recorder, "db_server_cache_misses_total{" STATEMENT "}") == 1);
	assert_int_equal(recorder_family(&recorder, CLIENT), -1);
	recorder_done(&recorder);
}

/* The tail of the labels after the name space, for one call of Redis. */
static void expect_redis(const struct exchange *exchange, const char *labels)
{
	struct recorder recorder;
	void *state = NULL;
	char key[RECORD_KEY_MAX];

	aggregate_setup(&state);
	aggregate_exchange(state, "cart", exchange);
	aggregate_exchange(state, "cart", exchange);
	recorder_walk(&recorder, state);
	snprintf(key, sizeof(key), "%s{service_name=\"cart\",db_system_name=\"redis\",db_namespace=\"0\"%s}",
		 exchange->side == SIDE_CLIENT ? CLIENT : SERVER, labels);
	assert_int_equal(recorder_get(&recorder, key)->count, 2);
	recorder_done(&recorder);
	aggregate_teardown(&state);
}

static void outcomes_follow_the_conventions(void **state)
{
	struct exchange exchange = redis_exchange_of(SIDE_SERVER, "LPUSH");

	(void)state;
	expect_redis(&exchange, ",db_operation_name=\"LPUSH\"");
	exchange.db.failed = true;
	exchange.db.status = text_of("WRONGTYPE");
	expect_redis(&exchange, ",db_operation_name=\"LPUSH\",db_response_status_code=\"WRONGTYPE\","
				"error_type=\"WRONGTYPE\"");
	exchange.db.status = text_of("");
	expect_redis(&exchange, ",db_operation_name=\"LPUSH\",error_type=\"_OTHER\"");
	exchange.db.failed = false;
	exchange.error = EXCHANGE_CONNECTION_RESET;
	exchange.response_last_ns = 0;
	expect_redis(&exchange, ",db_operation_name=\"LPUSH\",error_type=\"connection_reset\"");
}

static void peers_are_addresses_or_paths(void **state)
{
	struct endpoint path = { .family = AF_UNIX, .path = "/run/redis.sock" };
	struct endpoint six = { .family = AF_INET6, .port = 6379, .address = { [15] = 1 } };
	struct exchange exchange = redis_exchange_of(SIDE_CLIENT, "GET");

	(void)state;
	expect_redis(&exchange, ",db_operation_name=\"GET\"" PEER);
	exchange.remote = &path;
	expect_redis(&exchange, ",db_operation_name=\"GET\",server_address=\"/run/redis.sock\"");
	exchange.remote = &six;
	expect_redis(&exchange, ",db_operation_name=\"GET\",server_address=\"::1\",server_port=\"6379\"");
	exchange.remote = NULL;
	expect_redis(&exchange, ",db_operation_name=\"GET\"");
}

static void waiting_is_a_metric_of_its_own(void **state)
{
	struct exchange exchange = redis_exchange_of(SIDE_CLIENT, "BLPOP");
	struct recorder recorder;

	exchange.db.blocking = true;
	exchange.response_last_ns = 6000 * MS;
	aggregate_exchange(*state, "cart", &exchange);
	recorder_walk(&recorder, *state);
	const struct record *record = recorder_get(
		&recorder, "db_client_blocking_operation_duration_seconds{service_name=\"cart\",db_system_name="
			   "\"redis\",db_namespace=\"0\",db_operation_name=\"BLPOP\"" PEER "}");

	assert_int_equal(record->count, 1);
	assert_true(record->sum == 5);
	assert_int_equal(recorder_family(&recorder, CLIENT), -1);
	recorder_done(&recorder);
}

/* A command that looks nothing up has no hits and no rows, not 0 of them. */
static void a_series_is_told_where_it_has_something(void **state)
{
	struct exchange set = redis_exchange_of(SIDE_SERVER, "SET"), get = redis_exchange_of(SIDE_SERVER, "GET");
	struct recorder recorder;

	aggregate_exchange(*state, "cart", &set);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, SERVER), 1);
	assert_int_equal(recorder_family(&recorder, "db_server_response_returned_rows"), -1);
	assert_int_equal(recorder_family(&recorder, "db_server_cache_hits_total"), -1);
	assert_int_equal(recorder_family(&recorder, "db_server_cache_misses_total"), -1);
	recorder_done(&recorder);
	get.db.misses = 1;
	aggregate_exchange(*state, "cart", &get);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, "db_server_cache_hits_total"), 1);
	assert_true(recorder_total(&recorder, "db_server_cache_hits_total") == 0);
	assert_true(recorder_total(&recorder, "db_server_cache_misses_total") == 1);
	recorder_done(&recorder);
}

/* Each text makes a series of its own, also when another text of the call has the same bytes. */
static void every_text_tells_calls_apart(void **state)
{
	struct text db_facts_texts[5];
	struct recorder recorder;

	for (size_t i = 0; i < 5; i++) {
		struct exchange exchange = db_exchange_of(SIDE_SERVER);

		for (size_t j = 0; j < 5; j++)
			db_facts_texts[j] = text_of(i == j ? "y" : "x");
		exchange.db.operation = db_facts_texts[0];
		exchange.db.collection = db_facts_texts[1];
		exchange.db.summary = db_facts_texts[2];
		exchange.db.name_space = db_facts_texts[3];
		exchange.db.status = db_facts_texts[4];
		aggregate_exchange(*state, "shop", &exchange);
		exchange.protocol = PROTOCOL_REDIS;
		aggregate_exchange(*state, "shop", &exchange);
	}
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, SERVER), 10);
	recorder_done(&recorder);
}

static void hostile_texts_become_labels(void **state)
{
	struct exchange exchange = db_exchange_of(SIDE_SERVER);
	struct recorder recorder;
	char longer[1000];

	memset(longer, 'x', sizeof(longer));
	exchange.db.collection = (struct text){ .data = longer, .length = sizeof(longer) };
	exchange.db.name_space = text_of("a\xff\n");
	exchange.db.summary = text_of("");
	aggregate_exchange(*state, "shop", &exchange);
	aggregate_exchange(*state, "shop", &exchange);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, SERVER), 1);
	assert_non_null(strstr(recorder.records[0].key, "db_namespace=\"a\xef\xbf\xbd\xef\xbf\xbd\","));
	assert_null(strstr(recorder.records[0].key, "summary"));
	recorder_done(&recorder);
}

static void families_keep_naming_rules(void **state)
{
	struct exchange exchange = db_exchange_of(SIDE_SERVER);
	struct recorder recorder;

	for (int i = 0; i < 4; i++) {
		exchange.side = i & 1 ? SIDE_CLIENT : SIDE_SERVER;
		exchange.db.blocking = i & 2;
		aggregate_exchange(*state, "shop", &exchange);
	}
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder.family_count, 9 + 10);
	for (size_t i = 0; i < recorder.family_count; i++) {
		const char *name = recorder.families[i].name, *unit = recorder.families[i].unit;
		size_t length = strlen(name);
		int total = length > 6 && strcmp(name + length - 6, "_total") == 0;

		assert_int_equal(total, recorder.families[i].type == METRIC_COUNTER);
		if (strncmp(name, "db_", 3) != 0)
			continue;
		assert_int_equal(total, recorder.families[i].type != METRIC_HISTOGRAM);
		if (unit[0])
			assert_string_equal(name + length - strlen(unit), unit);
	}
	recorder_done(&recorder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aggregate_setup, aggregate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_call_has_the_conventions_labels),
		TEST(a_server_call_names_no_peer),
		TEST(outcomes_follow_the_conventions),
		TEST(peers_are_addresses_or_paths),
		TEST(waiting_is_a_metric_of_its_own),
		TEST(a_series_is_told_where_it_has_something),
		TEST(every_text_tells_calls_apart),
		TEST(hostile_texts_become_labels),
		TEST(families_keep_naming_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
