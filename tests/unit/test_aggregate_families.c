/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families besides the histograms: the gauge of active requests, the unparsed counters, what is told when nothing
 * was seen, and that names keep what they promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "aggregate_fixture.h"

static void active_requests_go_up_and_down(void **state)
{
	static const char key[] = "http_server_active_requests{service_name=\"shop\",http_request_method=\"GET\","
				  "url_scheme=\"http\"}";
	struct recorder recorder;

	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_POST, false, 1);
	aggregate_active(*state, "shop", SIDE_CLIENT, HTTP_METHOD_GET, false, 1); /* no such metric */
	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	recorder_walk(&recorder, *state);
	assert_true(recorder_value(&recorder, key) == 1);
	assert_int_equal(recorder_series(&recorder, "http_server_active_requests"), 2);
	assert_true(recorder_total(&recorder, "http_server_active_requests") == 2);
	recorder_done(&recorder);
	for (int i = 0; i < 3; i++)
		aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	recorder_walk(&recorder, *state);
	assert_true(recorder_value(&recorder, key) == 0);
	recorder_done(&recorder);
}

/* A process that calls exec between two events ends under another name what it began under the first. */
static void active_sums_survive_a_new_name(void **state)
{
	struct recorder recorder;

	aggregate_active(*state, "sh", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	aggregate_active(*state, "sh", SIDE_SERVER, HTTP_METHOD_POST, false, 1);
	aggregate_active(*state, "app", SIDE_SERVER, HTTP_METHOD_GET, false, -1);
	recorder_walk(&recorder, *state);
	assert_true(recorder_total(&recorder, "http_server_active_requests") == 1);
	assert_true(recorder_value(&recorder, "http_server_active_requests{service_name=\"sh\",http_request_method="
					      "\"POST\",url_scheme=\"http\"}") == 1);
	recorder_done(&recorder);
	aggregate_active(*state, "app", SIDE_SERVER, HTTP_METHOD_GET, false, -1); /* nobody's */
	recorder_walk(&recorder, *state);
	assert_true(recorder_total(&recorder, "http_server_active_requests") == 1);
	recorder_done(&recorder);
}

static void unparsed_adds_up_by_service_and_reason(void **state)
{
	struct recorder recorder;

	aggregate_unparsed(*state, "db", UNPARSED_TLS, 1, 100);
	aggregate_unparsed(*state, "db", UNPARSED_TLS, 0, 50);
	aggregate_unparsed(*state, "db", UNPARSED_UNKNOWN, 1, 7);
	aggregate_unparsed(*state, "web", UNPARSED_TLS, 1, 1);
	recorder_walk(&recorder, *state);
	assert_true(recorder_value(&recorder, "sonde_unparsed_connections_total{service_name=\"db\",reason=\"tls\"}") ==
		    1);
	assert_true(recorder_value(&recorder, "sonde_unparsed_bytes_total{service_name=\"db\",reason=\"tls\"}") == 150);
	assert_true(recorder_value(&recorder, "sonde_unparsed_bytes_total{service_name=\"db\",reason=\"unknown\"}") ==
		    7);
	assert_int_equal(recorder_series(&recorder, "sonde_unparsed_bytes_total"), 3);
	recorder_done(&recorder);
}

static uint64_t count_of(const struct recorder *recorder, const char *key)
{
	const struct record *record = recorder_find(recorder, key);

	assert_non_null(record);
	return record->count;
}

static void handshakes_by_side_version_and_cipher(void **state)
{
	struct recorder recorder;

	aggregate_handshake(*state, "web", SIDE_SERVER, TLS_1_3, 0x1301, 1000000);
	aggregate_handshake(*state, "web", SIDE_SERVER, TLS_1_3, 0x1301, 2000000);
	aggregate_handshake(*state, "web", SIDE_CLIENT, TLS_1_2, 0xabcd, 1000000);
	aggregate_handshake(*state, "web", SIDE_CLIENT, TLS_NONE, 0, 1000000);
	recorder_walk(&recorder, *state);
	assert_int_equal(count_of(&recorder,
				  "sonde_tls_handshake_duration_seconds{service_name=\"web\",side=\"server\",tls_"
				  "protocol_version=\"1.3\",tls_cipher=\"TLS_AES_128_GCM_SHA256\"}"),
			 2);
	assert_int_equal(count_of(&recorder,
				  "sonde_tls_handshake_duration_seconds{service_name=\"web\",side=\"client\",tls_"
				  "protocol_version=\"1.2\",tls_cipher=\"0xabcd\"}"),
			 1);
	assert_int_equal(recorder_series(&recorder, "sonde_tls_handshake_duration_seconds"), 3);
	recorder_done(&recorder);
}

static void unread_connections_are_named(void **state)
{
	struct recorder recorder;
	const struct record *record;

	aggregate_unread(*state, "web", 1 << TLS_BRAND_JSSE);
	aggregate_unread(*state, "web", 1 << TLS_BRAND_JSSE);
	aggregate_unread(*state, "web", 1 << TLS_BRAND_RUSTLS | 1 << TLS_BRAND_BORINGSSL);
	aggregate_unread(*state, "db", 0);
	recorder_walk(&recorder, *state);
	record = recorder_find(&recorder,
			       "sonde_tls_unread_connections_total{service_name=\"web\",tls_library=\"jsse\"}");
	assert_non_null(record);
	assert_int_equal(record->value, 2);
	assert_non_null(recorder_find(&recorder, "sonde_tls_unread_connections_total{service_name=\"web\","
						 "tls_library=\"boringssl+rustls\"}"));
	assert_non_null(recorder_find(
		&recorder, "sonde_tls_unread_connections_total{service_name=\"db\",tls_library=\"unknown\"}"));
	recorder_done(&recorder);
}

static void encrypted_requests_are_https(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/");
	struct recorder recorder;
	bool found = false;

	exchange.tls = TLS_1_3;
	aggregate_exchange(*state, "shop", &exchange);
	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, true, 1);
	recorder_walk(&recorder, *state);
	for (size_t i = 0; i < recorder.count; i++)
		if (!strncmp(recorder.records[i].key, "http_server_request_duration_seconds{", 37)) {
			found = true;
			assert_non_null(strstr(recorder.records[i].key, "url_scheme=\"https\""));
			assert_non_null(strstr(recorder.records[i].key, "tls_protocol_version=\"1.3\""));
		}
	assert_true(found);
	assert_true(recorder_value(&recorder, "http_server_active_requests{service_name=\"shop\",http_request_method="
					      "\"GET\",url_scheme=\"https\"}") == 1);
	recorder_done(&recorder);
}

static void empty_aggregate_tells_only_of_itself(void **state)
{
	static const char *const always[] = {
		"sonde_exchanges_total", "sonde_unparsed_connections_total", "sonde_unparsed_bytes_total",
		"sonde_series",          "sonde_series_overflowed_total",    "sonde_series_expired_total",
		"sonde_route_segments",  "sonde_route_collapsed_total",      "sonde_route_cut_total",
	};
	struct recorder recorder;

	recorder_walk(&recorder, *state);
	assert_int_equal(recorder.family_count, sizeof(always) / sizeof(always[0]));
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		assert_int_not_equal(recorder_family(&recorder, always[i]), -1);
	assert_int_equal(recorder_series(&recorder, "sonde_series"), 31);
	for (size_t i = 0; i < recorder.count; i++)
		assert_true(recorder.records[i].value == 0);
	recorder_done(&recorder);
}

/* What a name promises its type and unit must keep. */
static void families_keep_naming_rules(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/");
	struct recorder recorder;

	aggregate_exchange(*state, "shop", &exchange);
	exchange.side = SIDE_CLIENT;
	aggregate_exchange(*state, "shop", &exchange);
	aggregate_active(*state, "shop", SIDE_SERVER, HTTP_METHOD_GET, false, 1);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder.family_count, 16);
	for (size_t i = 0; i < recorder.family_count; i++) {
		const char *name = recorder.families[i].name, *unit = recorder.families[i].unit;
		size_t length = strlen(name);
		int total = length > 6 && strcmp(name + length - 6, "_total") == 0;

		assert_int_equal(total, recorder.families[i].type == METRIC_COUNTER);
		length -= total ? 6 : 0;
		if (unit[0])
			assert_memory_equal(name + length - strlen(unit), unit, strlen(unit));
		assert_int_equal(recorder.families[i].type == METRIC_HISTOGRAM,
				 strncmp(name, "http_", 5) == 0 && !strstr(name, "active"));
	}
	recorder_done(&recorder);
}

static void hostile_service_names_become_labels(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/");
	struct recorder recorder;
	char service[1000];

	memset(service, 'x', sizeof(service) - 1);
	service[sizeof(service) - 1] = '\0';
	aggregate_exchange(*state, service, &exchange);
	aggregate_exchange(*state, service, &exchange);
	aggregate_exchange(*state, "bad\xff\n", &exchange);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, "http_server_request_duration_seconds"), 2);
	recorder_get(&recorder, "http_server_request_duration_seconds{service_name=\"bad\xef\xbf\xbd\xef\xbf\xbd\","
				"http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/\","
				"url_scheme=\"http\",network_protocol_version=\"1.1\"}");
	recorder_done(&recorder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aggregate_setup, aggregate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(active_requests_go_up_and_down),         TEST(active_sums_survive_a_new_name),
		TEST(unparsed_adds_up_by_service_and_reason), TEST(handshakes_by_side_version_and_cipher),
		TEST(unread_connections_are_named),           TEST(encrypted_requests_are_https),
		TEST(empty_aggregate_tells_only_of_itself),   TEST(families_keep_naming_rules),
		TEST(hostile_service_names_become_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
