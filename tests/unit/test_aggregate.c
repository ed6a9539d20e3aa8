/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges in, label sets and figures out: what each kind of exchange is labelled, how long it lasted, and which
 * exchanges share a series.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate_fixture.h"

#define SERVER_OK                                                                              \
	"service_name=\"shop\",http_request_method=\"GET\",http_response_status_code=\"200\"," \
	"http_route=\"/users/{id}\","                                                          \
	"url_scheme=\"http\",network_protocol_version=\"1.1\""

static void server_exchange_has_the_conventions_labels(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/users/42");
	struct recorder recorder;

	exchange.request_body_bytes = 1024;
	aggregate_exchange(*state, "shop", &exchange);
	recorder_walk(&recorder, *state);
	const struct record *record = recorder_get(&recorder, "http_server_request_duration_seconds{" SERVER_OK "}");

	assert_int_equal(record->count, 1);
	assert_true(record->sum == 0.003);
	assert_int_equal(record->bucket_count, 15);
	assert_int_equal(record->buckets[0], 1);
	assert_true(record->has_native);
	assert_int_equal(record->native_schema, 3);
	record = recorder_get(&recorder, "http_server_request_body_size_bytes{" SERVER_OK "}");
	assert_true(record->sum == 1024);
	assert_int_equal(record->buckets[2], 1); /* 0, 256, 1024 */
	record = recorder_get(&recorder, "http_server_response_body_size_bytes{" SERVER_OK "}");
	assert_true(record->sum == 200);
	assert_int_equal(record->buckets[1], 1);
	assert_int_equal(recorder_family(&recorder, "http_client_request_duration_seconds"), -1);
	recorder_done(&recorder);
}

static void client_exchange_names_its_server(void **state)
{
	struct exchange exchange = exchange_of(SIDE_CLIENT, "/users/42");
	struct recorder recorder;

	aggregate_exchange(*state, "curl", &exchange);
	recorder_walk(&recorder, *state);
	const struct record *record = recorder_get(
		&recorder, "http_client_request_duration_seconds{service_name=\"curl\",http_request_method=\"GET\","
			   "http_response_status_code=\"200\",url_scheme=\"http\",network_protocol_version=\"1.1\","
			   "server_address=\"example.com\",server_port=\"81\"}");

	assert_int_equal(record->count, 1);
	assert_int_equal(recorder_series(&recorder, "http_client_request_body_size_bytes"), 1);
	assert_int_equal(recorder_series(&recorder, "http_client_response_body_size_bytes"), 1);
	assert_int_equal(recorder_family(&recorder, "http_server_request_duration_seconds"), -1);
	recorder_done(&recorder);
}

/* Records one client exchange and expects the tail of its labels. */
static void expect_peer(const struct endpoint *peer, const char *host, const char *tail)
{
	struct exchange exchange = exchange_of(SIDE_CLIENT, "/");
	struct recorder recorder;
	void *state = NULL;
	char key[RECORD_KEY_MAX];

	aggregate_setup(&state);
	exchange.remote = peer;
	exchange.http.host = text_of(host);
	/* The second time comes from the cache. */
	aggregate_exchange(state, "curl", &exchange);
	aggregate_exchange(state, "curl", &exchange);
	recorder_walk(&recorder, state);
	snprintf(key, sizeof(key),
		 "http_client_request_duration_seconds{service_name=\"curl\",http_request_method=\"GET\","
		 "http_response_status_code=\"200\",url_scheme=\"http\",network_protocol_version=\"1.1\"%s}",
		 tail);
	assert_int_equal(recorder_get(&recorder, key)->count, 2);
	recorder_done(&recorder);
	aggregate_teardown(&state);
}

static void peers_come_from_host_then_address(void **state)
{
	struct endpoint six = { .family = AF_INET6, .port = 443, .address = { [15] = 1 } };
	struct endpoint path = { .family = AF_UNIX, .path = "/run/app.sock" };
	struct endpoint unnamed = { .family = AF_UNIX };
	struct endpoint unknown = { .family = 0 };

	(void)state;
	expect_peer(exchange_of(SIDE_CLIENT, "").remote, "api.example.com",
		    ",server_address=\"api.example.com\",server_port=\"8080\"");
	expect_peer(exchange_of(SIDE_CLIENT, "").remote, "", ",server_address=\"192.0.2.1\",server_port=\"8080\"");
	expect_peer(exchange_of(SIDE_CLIENT, "").remote, "not a host",
		    ",server_address=\"192.0.2.1\",server_port=\"8080\"");
	expect_peer(&six, "", ",server_address=\"::1\",server_port=\"443\"");
	expect_peer(&six, "[::2]:80", ",server_address=\"::2\",server_port=\"80\"");
	expect_peer(&path, "localhost:80", ",server_address=\"/run/app.sock\"");
	expect_peer(&unnamed, "localhost:80", ",server_address=\"localhost\"");
	expect_peer(&unnamed, "", "");
	expect_peer(&unknown, "", "");
	expect_peer(NULL, "", "");
	expect_peer(NULL, "a:1", ",server_address=\"a\",server_port=\"1\"");
}

/* The tail of the labels after the method, for one exchange. */
static void expect_outcome(enum side side, uint16_t status, enum exchange_error error, const char *labels)
{
	struct exchange exchange = exchange_of(side, "*");
	struct recorder recorder;
	void *state = NULL;
	char key[RECORD_KEY_MAX];

	aggregate_setup(&state);
	exchange.http.status = status;
	exchange.http.host = text_of("");
	exchange.remote = NULL;
	exchange.error = error;
	aggregate_exchange(state, "s", &exchange);
	recorder_walk(&recorder, state);
	snprintf(key, sizeof(key),
		 "http_%s_request_duration_seconds{service_name=\"s\",http_request_method=\"GET\",%s,"
		 "network_protocol_version=\"1.1\"}",
		 side == SIDE_SERVER ? "server" : "client", labels);
	recorder_get(&recorder, key);
	recorder_done(&recorder);
	aggregate_teardown(&state);
}

#define STATUS(code) "http_response_status_code=\"" code "\",url_scheme=\"http\""

static void errors_follow_the_conventions(void **state)
{
	(void)state;
	expect_outcome(SIDE_SERVER, 399, EXCHANGE_COMPLETE, STATUS("399"));
	expect_outcome(SIDE_SERVER, 404, EXCHANGE_COMPLETE, STATUS("404"));
	expect_outcome(SIDE_SERVER, 500, EXCHANGE_COMPLETE, STATUS("500") ",error_type=\"500\"");
	expect_outcome(SIDE_CLIENT, 399, EXCHANGE_COMPLETE, STATUS("399"));
	expect_outcome(SIDE_CLIENT, 404, EXCHANGE_COMPLETE, STATUS("404") ",error_type=\"404\"");
	expect_outcome(SIDE_CLIENT, 503, EXCHANGE_COMPLETE, STATUS("503") ",error_type=\"503\"");
	expect_outcome(SIDE_SERVER, 500, EXCHANGE_RESPONSE_ABORTED, STATUS("500") ",error_type=\"response_aborted\"");
	expect_outcome(SIDE_SERVER, 200, EXCHANGE_CONNECTION_RESET, STATUS("200") ",error_type=\"connection_reset\"");
	expect_outcome(SIDE_SERVER, 0, EXCHANGE_NO_RESPONSE, "url_scheme=\"http\",error_type=\"no_response\"");
	expect_outcome(SIDE_CLIENT, 0, EXCHANGE_TIMEOUT, "url_scheme=\"http\",error_type=\"timeout\"");
	expect_outcome(SIDE_SERVER, 0, EXCHANGE_REQUEST_ABORTED, "url_scheme=\"http\",error_type=\"request_aborted\"");
}

static double duration_of(const struct exchange *exchange)
{
	struct recorder recorder;
	void *state = NULL;

	aggregate_setup(&state);
	aggregate_exchange(state, "s", exchange);
	recorder_walk(&recorder, state);
	double sum = 0;

	for (size_t i = 0; i < recorder.count; i++)
		if (strcmp(recorder.records[i].name, "http_server_request_duration_seconds") == 0)
			sum += recorder.records[i].sum;
	assert_int_equal(recorder_total(&recorder, "http_server_request_duration_seconds"), 1);
	recorder_done(&recorder);
	aggregate_teardown(&state);
	return sum;
}

static void durations_end_where_the_exchange_did(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/");

	(void)state;
	assert_true(duration_of(&exchange) == 0.003);
	exchange.response_last_ns = 1001 * MS; /* an answer before the request was whole */
	exchange.response_first_ns = 1000 * MS;
	exchange.request_last_ns = 1009 * MS;
	assert_true(duration_of(&exchange) == 0.001);
	exchange.error = EXCHANGE_RESPONSE_ABORTED;
	assert_true(duration_of(&exchange) == 0.009);

	exchange = exchange_of(SIDE_SERVER, "/");
	exchange.error = EXCHANGE_NO_RESPONSE;
	exchange.response_first_ns = exchange.response_last_ns = 0;
	assert_true(duration_of(&exchange) == 0.001);
	exchange.request_last_ns = 0;
	assert_true(duration_of(&exchange) == 0);
	exchange.request_first_ns = 0;
	assert_true(duration_of(&exchange) == 0);

	exchange = exchange_of(SIDE_SERVER, "/");
	exchange.request_first_ns = 0;
	assert_true(duration_of(&exchange) == 0.002);
	exchange = exchange_of(SIDE_SERVER, "/");
	exchange.response_last_ns = 0;
	assert_true(duration_of(&exchange) == 0.002);
	exchange = exchange_of(SIDE_SERVER, "/");
	exchange.request_first_ns = 2000 * MS; /* clocks of two processors: never below zero */
	assert_true(duration_of(&exchange) == 0);
}

static void one_label_set_is_one_series(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/users/1");
	struct recorder recorder;
	char path[32];
	char service[2][8] = { "shop", "shop" }; /* equal by text, not by address */

	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/users/%d", i);
		exchange.http.path = text_of(path);
		aggregate_exchange(*state, service[i & 1], &exchange);
	}
	exchange.http.method = HTTP_METHOD_POST;
	aggregate_exchange(*state, "shop", &exchange);
	exchange.http.method = HTTP_METHOD_GET;
	exchange.http.version = 10;
	aggregate_exchange(*state, "shop", &exchange);
	aggregate_exchange(*state, "shop2", &exchange);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_get(&recorder, "http_server_request_duration_seconds{" SERVER_OK "}")->count, 100);
	assert_int_equal(recorder_series(&recorder, "http_server_request_duration_seconds"), 4);
	assert_int_equal(recorder_total(&recorder, "http_server_request_duration_seconds"), 103);
	assert_true(recorder_value(&recorder, "sonde_series{metric=\"http_server_request_duration_seconds\"}") == 4);
	assert_true(recorder_value(&recorder, "sonde_series{metric=\"http_client_request_duration_seconds\"}") == 0);
	assert_true(recorder_value(&recorder, "sonde_exchanges_total{protocol=\"http1\",side=\"server\"}") == 103);
	assert_true(recorder_value(&recorder, "sonde_exchanges_total{protocol=\"http1\",side=\"client\"}") == 0);
	recorder_done(&recorder);
}

static void not_found_teaches_no_route(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/users/42");
	struct recorder recorder;
	char path[32];

	exchange.http.status = 404;
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/scan%c%c", 'a' + i / 26, 'a' + i % 26);
		exchange.http.path = text_of(path);
		aggregate_exchange(*state, "shop", &exchange);
	}
	exchange.http.path = text_of("/users/42");
	exchange.http.status = 200;
	aggregate_exchange(*state, "shop", &exchange);
	exchange.http.status = 404;
	exchange.http.path = text_of("/users/43");
	aggregate_exchange(*state, "shop", &exchange);
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_get(&recorder, "http_server_request_duration_seconds{" SERVER_OK "}")->count, 1);
	assert_int_equal(
		recorder_get(&recorder,
			     "http_server_request_duration_seconds{service_name=\"shop\",http_request_method=\"GET\","
			     "http_response_status_code=\"404\",url_scheme=\"http\",network_protocol_version=\"1.1\"}")
			->count,
		50);
	assert_int_equal(
		recorder_get(&recorder,
			     "http_server_request_duration_seconds{service_name=\"shop\",http_request_method=\"GET\","
			     "http_response_status_code=\"404\",http_route=\"/users/{id}\",url_scheme=\"http\","
			     "network_protocol_version=\"1.1\"}")
			->count,
		1);
	assert_true(recorder_value(&recorder, "sonde_route_segments{}") == 3); /* root, users, {id} */
	recorder_done(&recorder);
}

/* What was remembered of a path before its position collapsed must not outlive the collapse. */
static void collapse_is_seen_by_the_cache(void **state)
{
	static const char *const paths[] = { "/a", "/b", "/c", "/d", "/e", "/a", "/b" };
	struct exchange exchange = exchange_of(SIDE_SERVER, "/");
	struct recorder recorder;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		exchange.http.path = text_of(paths[i]);
		aggregate_exchange(*state, "shop", &exchange);
	}
	recorder_walk(&recorder, *state);
	assert_int_equal(recorder_series(&recorder, "http_server_request_duration_seconds"), 5); /* a b c d {id} */
	assert_int_equal(
		recorder_get(&recorder,
			     "http_server_request_duration_seconds{service_name=\"shop\",http_request_method=\"GET\","
			     "http_response_status_code=\"200\",http_route=\"/{id}\",url_scheme=\"http\","
			     "network_protocol_version=\"1.1\"}")
			->count,
		3);
	assert_true(recorder_value(&recorder, "sonde_route_collapsed_total{}") == 1);
	recorder_done(&recorder);
}

static void connect_has_no_route(void **state)
{
	struct exchange exchange = exchange_of(SIDE_SERVER, "/looks/like/a/path");
	struct recorder recorder;

	exchange.http.method = HTTP_METHOD_CONNECT;
	aggregate_exchange(*state, "proxy", &exchange);
	recorder_walk(&recorder, *state);
	recorder_get(&recorder, "http_server_request_duration_seconds{service_name=\"proxy\",http_request_method="
				"\"CONNECT\",http_response_status_code=\"200\",url_scheme=\"http\","
				"network_protocol_version=\"1.1\"}");
	recorder_done(&recorder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aggregate_setup, aggregate_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(server_exchange_has_the_conventions_labels),
		TEST(client_exchange_names_its_server),
		cmocka_unit_test(peers_come_from_host_then_address),
		cmocka_unit_test(errors_follow_the_conventions),
		cmocka_unit_test(durations_end_where_the_exchange_did),
		TEST(one_label_set_is_one_series),
		TEST(not_found_teaches_no_route),
		TEST(collapse_is_seen_by_the_cache),
		TEST(connect_has_no_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
