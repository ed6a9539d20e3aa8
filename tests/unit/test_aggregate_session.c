/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Database sessions in, gauges and transaction times out: each look counts anew, series of pools that are gone tell 0
 * until they leave, and none leaves while it has a session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>

#include "aggregate_fixture.h"

#define PLACE                                                                         \
	"service_name=\"shop\",db_system_name=\"postgresql\",db_namespace=\"sales\"," \
	"db_client_connection_pool_name=\"192.0.2.1:5432/sales\",server_address=\"192.0.2.1\",server_port=\"5432\""
#define SERVED "service_name=\"pg\",db_system_name=\"postgresql\",db_namespace=\"sales\""
#define COUNT "db_client_connection_count{" PLACE ",db_client_connection_state="

static const struct endpoint server = { .family = AF_INET, .port = 5432, .address = { 192, 0, 2, 1 } };

static struct session_place place_of(enum side side)
{
	return (struct session_place){
		.protocol = PROTOCOL_POSTGRESQL, .side = side, .remote = &server, .name_space = { "sales", 5 }
	};
}

static void see(struct aggregate *aggregate, const char *service, enum side side, enum db_session_state state,
		uint64_t since_ns)
{
	const struct session_place place = place_of(side);
	const struct db_session session = { .state = state, .name_space = { "sales", 5 }, .since_ns = since_ns };

	aggregate_session(aggregate, service, &place, &session, 5000 * MS);
}

static void check(struct aggregate *aggregate, const char *key, double value)
{
	struct recorder recorder;

	recorder_walk(&recorder, aggregate);
	assert_true(recorder_value(&recorder, key) == value);
	recorder_done(&recorder);
}

static void each_look_counts_anew(void **state)
{
	for (int look = 0; look < 3; look++) {
		aggregate_sessions_begin(*state);
		for (int i = 0; i < 5; i++)
			see(*state, "shop", SIDE_CLIENT, DB_SESSION_IDLE, 0);
		see(*state, "shop", SIDE_CLIENT, DB_SESSION_USED, 0);
		see(*state, "shop", SIDE_CLIENT, DB_SESSION_IDLE_IN_TRANSACTION, 2000 * MS);
		see(*state, "shop", SIDE_CLIENT, DB_SESSION_IDLE_IN_TRANSACTION, 4000 * MS);
		see(*state, "pg", SIDE_SERVER, DB_SESSION_IDLE, 0);
		check(*state, COUNT "\"idle\"}", 5);
		check(*state, COUNT "\"used\"}", 3);
		check(*state, "db_client_connection_idle_in_transaction{" PLACE "}", 2);
		check(*state, "db_client_connection_idle_in_transaction_max_seconds{" PLACE "}", 3);
		check(*state, "db_server_connection_count{" SERVED ",db_server_connection_state=\"idle\"}", 1);
	}
	aggregate_sessions_begin(*state);
	check(*state, COUNT "\"idle\"}", 0);
	check(*state, COUNT "\"used\"}", 0);
	check(*state, "db_client_connection_idle_in_transaction_max_seconds{" PLACE "}", 0);
}

static void a_series_with_sessions_stays(void **state)
{
	struct recorder recorder;

	aggregate_sessions_begin(*state);
	see(*state, "shop", SIDE_CLIENT, DB_SESSION_IDLE, 0);
	for (int i = 1; i < 10; i++)
		aggregate_expire(*state, (uint64_t)i * 2 * FIXTURE_IDLE_NS);
	check(*state, COUNT "\"idle\"}", 1);
	aggregate_sessions_begin(*state);
	for (int i = 10; i < 20; i++)
		aggregate_expire(*state, (uint64_t)i * 2 * FIXTURE_IDLE_NS);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_family(&recorder, "db_client_connection_count"), -1);
	recorder_done(&recorder);
}

static void transactions_are_timed(void **state)
{
	const struct session_place place = place_of(SIDE_CLIENT);
	const struct db_transaction transaction = { .duration_ns = 70 * MS, .idle_ns = 40 * MS };
	struct recorder recorder;

	aggregate_transaction(*state, "shop", &place, &transaction);
	aggregate_transaction(*state, "shop", &place, &transaction);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_get(&recorder, "db_client_transaction_duration_seconds{" PLACE "}")->count, 2);
	assert_true(recorder_get(&recorder, "db_client_transaction_duration_seconds{" PLACE "}")->sum == 0.14);
	assert_true(recorder_get(&recorder, "db_client_transaction_idle_duration_seconds{" PLACE "}")->sum == 0.08);
	assert_int_equal(recorder_family(&recorder, "db_server_transaction_duration_seconds"), -1);
	recorder_done(&recorder);
}

/* Beyond the budget the sum is still right, and still counted anew. */
static void beyond_the_budget_sums_are_right(void **state)
{
	char service[32];
	struct recorder recorder;

	for (int look = 0; look < 2; look++) {
		aggregate_sessions_begin(*state);
		for (int i = 0; i < 2 * FIXTURE_SERIES_LIMIT; i++) {
			snprintf(service, sizeof(service), "service%d", i);
			see(*state, service, SIDE_CLIENT, DB_SESSION_IDLE, 0);
		}
		recorder_walk(&recorder, *state);
		assert_true(recorder_total(&recorder, "db_client_connection_count") == 2 * FIXTURE_SERIES_LIMIT);
		recorder_done(&recorder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_look_counts_anew, aggregate_setup, aggregate_teardown),
		cmocka_unit_test_setup_teardown(a_series_with_sessions_stays, aggregate_setup, aggregate_teardown),
		cmocka_unit_test_setup_teardown(transactions_are_timed, aggregate_setup, aggregate_teardown),
		cmocka_unit_test_setup_teardown(beyond_the_budget_sums_are_right, aggregate_setup, aggregate_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
