/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the web server answers: paths, methods, negotiation, compression, health, and its own figures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "web_world.h"

#define EXPECTED_TEXT "# HELP world_values Values.\n# TYPE world_values gauge\nworld_values{index=\"0\"} "

static int setup(void **state)
{
	static struct web_world world;
	const struct web_config config = web_world_config(&world);

	web_world_start(&world, &config);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	web_world_stop(*state);
	return 0;
}

static void check_status(struct web_world *world, const char *method, const char *path, unsigned int expected)
{
	struct web_answer answer = web_ask(world, method, path, "");

	if (answer.status != expected)
		fail_msg("%s %s: %u instead of %u", method, path, answer.status, expected);
	web_answer_done(&answer);
}

static void every_page_and_method(void **state)
{
	static const char *const paths[] = {
		"/metrics", "/", "/health/live", "/health/ready", "/-/healthy", "/-/ready"
	};
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check_status(*state, "GET", paths[i], 200);
		check_status(*state, "HEAD", paths[i], 200);
		for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
			struct web_answer answer = web_ask(*state, methods[j], paths[i], "");

			assert_int_equal(answer.status, 405);
			assert_string_equal(web_answer_field(&answer, "Allow"), "GET, HEAD");
			web_answer_done(&answer);
		}
	}
	check_status(*state, "GET", "/nothing", 404);
	check_status(*state, "HEAD", "/metrics/", 404);
	check_status(*state, "POST", "/metric", 404);
	check_status(*state, "GET", "/metrics?collect[]=cpu&x=%00", 200);
}

static void text_is_the_default(void **state)
{
	struct web_answer answer = web_ask(*state, "GET", "/metrics", "");

	assert_int_equal(answer.status, 200);
	assert_string_equal(web_answer_field(&answer, "Content-Type"),
			    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
	assert_string_equal(web_answer_field(&answer, "Vary"), "Accept, Accept-Encoding");
	assert_string_equal(web_answer_field(&answer, "Content-Encoding"), "");
	assert_string_equal(answer.body, EXPECTED_TEXT "1\n"); /* one refresh came before the walk */
	web_answer_done(&answer);
}

static void head_is_get_without_content(void **state)
{
	struct web_world *world = *state;
	struct web_answer head = web_ask(world, "HEAD", "/metrics", ""), get = web_ask(world, "GET", "/metrics", "");
	char length[32];

	assert_int_equal(head.body_length, 0);
	memcpy(length, web_answer_field(&head, "Content-Length"), sizeof(length));
	assert_string_equal(web_answer_field(&get, "Content-Length"), length);
	assert_string_equal(length, "80");
	web_answer_done(&head);
	web_answer_done(&get);
}

static void formats_are_negotiated(void **state)
{
	struct web_answer answer =
		web_ask(*state, "GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");

	assert_string_equal(web_answer_field(&answer, "Content-Type"),
			    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
	assert_non_null(strstr(answer.body, "\n# EOF\n"));
	web_answer_done(&answer);
	answer = web_ask(*state, "GET", "/metrics", "Accept: application/vnd.google.protobuf\r\n");
	assert_non_null(strstr(web_answer_field(&answer, "Content-Type"), "proto=io.prometheus.client.MetricFamily"));
	assert_int_equal((unsigned char)answer.body[0], answer.body_length - 1); /* one family, its length before it */
	web_answer_done(&answer);
	/* Two lines are one list. */
	answer = web_ask(*state, "GET", "/metrics",
			 "Accept: text/plain;q=0.2\r\naccept: application/openmetrics-text;q=0.3\r\n");
	assert_non_null(strstr(answer.body, "\n# EOF\n"));
	web_answer_done(&answer);
}

static char *inflated(const struct web_answer *answer, size_t size)
{
	z_stream stream = { .next_in = (unsigned char *)answer->body, .avail_in = (unsigned int)answer->body_length };
	char *text = calloc(1, size + 1);

	assert_non_null(text);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_out = (unsigned char *)text;
	stream.avail_out = (unsigned int)size;
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	assert_int_equal(stream.avail_out, 0);
	assert_int_equal(inflateEnd(&stream), Z_OK);
	return text;
}

/* Large enough for many flushes, and twice, so that kept memory is used again. */
static void gzip_holds_the_same(void **state)
{
	struct web_world *world = *state;
	struct web_answer plain, packed;
	char *text;

	world->samples = 20000;
	for (int round = 0; round < 2; round++) {
		plain = web_ask(world, "GET", "/metrics", "Accept-Encoding: gzip;q=0\r\n");
		world->refreshes--;
		packed = web_ask(world, "GET", "/metrics", "Accept-Encoding: deflate, gzip\r\n");
		assert_string_equal(web_answer_field(&plain, "Content-Encoding"), "");
		assert_string_equal(web_answer_field(&packed, "Content-Encoding"), "gzip");
		assert_true(plain.body_length > 500000 && packed.body_length < plain.body_length / 4);
		text = inflated(&packed, plain.body_length);
		assert_string_equal(text, plain.body);
		free(text);
		web_answer_done(&plain);
		web_answer_done(&packed);
	}
}

static void ready_tells_every_check(void **state)
{
	struct web_world *world = *state;
	struct web_answer answer;

	world->checks[0] =
		(struct web_check){ "capture", WEB_CHECK_PASS, 1767323045 * NS_PER_SECOND + 7000000, "3 hooks" };
	world->checks[1] = (struct web_check){ "tls", WEB_CHECK_WARN, 0, "no \"uprobes\"\n\xFF" };
	world->check_count = 2;
	answer = web_ask(world, "GET", "/health/ready", "");
	assert_int_equal(answer.status, 200);
	assert_string_equal(web_answer_field(&answer, "Content-Type"), "application/json");
	assert_string_equal(
		answer.body,
		"{\"status\":\"warn\",\"checks\":[{\"name\":\"capture\",\"state\":\"pass\","
		"\"time\":\"2026-01-02T03:04:05.007Z\",\"message\":\"3 hooks\"},{\"name\":\"tls\",\"state\":\"warn\","
		"\"message\":\"no \\\"uprobes\\\"\\u000a\xEF\xBF\xBD\"}]}\n");
	web_answer_done(&answer);
	check_status(world, "GET", "/-/ready", 200);
}

static void one_failed_check_is_not_ready(void **state)
{
	struct web_world *world = *state;
	struct web_answer answer;

	world->checks[0] = (struct web_check){ "capture", WEB_CHECK_FAIL, 0, NULL };
	world->checks[1] = (struct web_check){ "web", WEB_CHECK_PASS, 0, "" };
	world->check_count = 2;
	answer = web_ask(world, "GET", "/health/ready", "");
	assert_int_equal(answer.status, 503);
	assert_string_equal(
		answer.body,
		"{\"status\":\"fail\",\"checks\":[{\"name\":\"capture\",\"state\":\"fail\",\"message\":\"\"},"
		"{\"name\":\"web\",\"state\":\"pass\",\"message\":\"\"}]}\n");
	web_answer_done(&answer);
	check_status(world, "GET", "/-/ready", 503);
	check_status(world, "GET", "/-/healthy", 200);
	answer = web_ask(world, "GET", "/health/live", "");
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"status\":\"pass\"}\n");
	web_answer_done(&answer);
}

static void index_links_and_escapes(void **state)
{
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct web_answer answer;

	(void)state;
	config.telemetry_path = "/<m>&\"";
	config.version = "1<2";
	web_world_start(&world, &config);
	answer = web_ask(&world, "GET", "/", "");
	assert_string_equal(web_answer_field(&answer, "Content-Type"), "text/html; charset=utf-8");
	assert_non_null(strstr(answer.body, "<a href=\"/&lt;m&gt;&amp;&quot;\">"));
	assert_non_null(strstr(answer.body, "Version 1&lt;2<"));
	assert_non_null(strstr(answer.body, "<a href=\"/health/ready\">"));
	web_answer_done(&answer);
	web_world_stop(&world);
}

static void telemetry_path_may_be_the_root(void **state)
{
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct web_answer answer;

	(void)state;
	config.telemetry_path = "/";
	web_world_start(&world, &config);
	answer = web_ask(&world, "GET", "/", "");
	assert_string_equal(answer.body, EXPECTED_TEXT "1\n");
	web_answer_done(&answer);
	check_status(&world, "GET", "/metrics", 404);
	web_world_stop(&world);
}

static void bad_telemetry_path_is_refused(void **state)
{
	static const char *const paths[] = { "", "metrics", "/m?x", "/%41" };
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct exporter_error error = { "" };
	struct web *web = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		config.telemetry_path = paths[i];
		assert_int_equal(web_new(&config, &web, &error), -EINVAL);
		assert_null(web);
		assert_non_null(strstr(error.text, "web.telemetry-path"));
	}
}

static void keep_alive_and_pipelining(void **state)
{
	static const char request[] = "GET /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n";
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);
	struct web_answer answer;
	char received[4096] = "";
	size_t length = 0;

	for (int i = 0; i < 3; i++) {
		web_client_send(world, fd, request);
		answer = web_client_receive(world, fd, false);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer.body, "sonde is healthy\n");
		web_answer_done(&answer);
	}
	web_client_send(world, fd,
			"GET /-/healthy HTTP/1.1\r\nHost: t\r\n\r\nGET /nothing HTTP/1.1\r\nHost: t\r\n\r\n");
	for (int i = 0; i < 100 && !strstr(received, "HTTP/1.1 404"); i++) {
		ssize_t count;

		web_world_settle(world);
		count = read(fd, received + length, sizeof(received) - 1 - length);
		assert_true(count > 0);
		length += (size_t)count;
	}
	assert_non_null(strstr(received, "HTTP/1.1 200"));
	assert_non_null(strstr(received, "HTTP/1.1 404"));
	close(fd);
}

static void figures_count_scrapes(void **state)
{
	struct web_world *world = *state;
	struct web_answer answer = web_ask(world, "GET", "/metrics", "");

	web_answer_done(&answer);
	answer = web_ask(world, "HEAD", "/metrics", "Accept: application/openmetrics-text\r\n");
	web_answer_done(&answer);
	check_status(world, "GET", "/", 200); /* not a scrape */
	world->snapshot.sources[world->snapshot.source_count++] = web_exporter(world->web).metrics;
	answer = web_ask(world, "GET", "/metrics", "");
	assert_non_null(strstr(answer.body, "\nsonde_scrape_requests_total{code=\"200\",format=\"text\"} 1\n"));
	assert_non_null(strstr(answer.body, "\nsonde_scrape_requests_total{code=\"200\",format=\"openmetrics\"} 1\n"));
	assert_non_null(strstr(answer.body, "\nsonde_scrape_requests_total{code=\"200\",format=\"protobuf\"} 0\n"));
	assert_null(strstr(answer.body, "503"));
	assert_non_null(strstr(answer.body, "\nsonde_scrape_render_duration_seconds_count 2\n"));
	assert_non_null(
		strstr(answer.body, "\nsonde_scrape_response_bytes 86\n")); /* OpenMetrics: 80 and its `# EOF` */
	assert_non_null(strstr(answer.body, "\nsonde_web_connections 1\n"));
	web_answer_done(&answer);
}

static void contract_of_exporters(void **state)
{
	struct web_world world;
	const struct web_config config = web_world_config(&world);
	struct exporter exporter;

	(void)state;
	web_world_start(&world, &config);
	exporter = web_exporter(world.web);
	assert_string_equal(exporter.ops->name, "web");
	assert_int_equal(exporter.ops->fd(exporter.self), web_fd(world.web));
	exporter.ops->run(exporter.self);
	exporter.ops->stop(exporter.self);
	exporter.ops->stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_page_and_method, setup, teardown),
		cmocka_unit_test_setup_teardown(text_is_the_default, setup, teardown),
		cmocka_unit_test_setup_teardown(head_is_get_without_content, setup, teardown),
		cmocka_unit_test_setup_teardown(formats_are_negotiated, setup, teardown),
		cmocka_unit_test_setup_teardown(gzip_holds_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(ready_tells_every_check, setup, teardown),
		cmocka_unit_test_setup_teardown(one_failed_check_is_not_ready, setup, teardown),
		cmocka_unit_test(index_links_and_escapes),
		cmocka_unit_test(telemetry_path_may_be_the_root),
		cmocka_unit_test(bad_telemetry_path_is_refused),
		cmocka_unit_test_setup_teardown(keep_alive_and_pipelining, setup, teardown),
		cmocka_unit_test_setup_teardown(figures_count_scrapes, setup, teardown),
		cmocka_unit_test(contract_of_exporters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
