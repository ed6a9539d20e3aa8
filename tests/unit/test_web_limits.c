/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What slow, greedy or hostile clients can use up, and that others are served all the while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "web_world.h"

#define CONNECTIONS_MAX 64 /* as in web/internal.h */
#define SMALL_RECEIVE_BUFFER 4096
#define LARGE_SAMPLES 400000 /* more text than socket buffers take */
#define HEALTHY "GET /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n"
#define SCRAPE "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"

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

static void check_alive(struct web_world *world)
{
	struct web_answer answer = web_ask(world, "GET", "/-/healthy", "");

	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
}

/* A line of the server's own figures, asked for as a scrape of their own. */
static void check_figure(struct web_world *world, const char *line)
{
	struct web_answer answer;

	world->samples = 0;
	if (world->snapshot.source_count == 1)
		world->snapshot.sources[world->snapshot.source_count++] = web_source(world->web);
	answer = web_ask(world, "GET", "/metrics", "");
	if (!strstr(answer.body, line))
		fail_msg("no line \"%s\" in:\n%s", line, answer.body);
	web_answer_done(&answer);
}

static void exchange(struct web_world *world, int fd, const char *request)
{
	struct web_answer answer;

	web_client_send(world, fd, request);
	answer = web_client_receive(world, fd, false);
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
}

static void silent_connection_ends_after_ten_seconds(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);

	web_world_pass(world, 10 * NS_PER_SECOND - 1);
	assert_false(web_client_ended(world, fd));
	web_world_pass(world, 1);
	assert_true(web_client_ended(world, fd));
	close(fd);
	check_figure(world, "\nsonde_web_closed_connections_total{reason=\"deadline\"} 1\n");
	check_figure(world, "\nsonde_web_connections 1\n");
}

/* Never idle for long, never done: slowloris. */
static void dripping_head_ends_after_ten_seconds(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);

	web_client_send(world, fd, "GET /metrics HTTP/1.1\r\n");
	for (int i = 0; i < 5; i++) {
		assert_false(web_client_ended(world, fd));
		web_client_send(world, fd, "X: y\r\n");
		web_world_pass(world, 2 * NS_PER_SECOND);
	}
	assert_true(web_client_ended(world, fd));
	close(fd);
}

static void dripping_body_ends_after_a_minute(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);

	web_client_send(world, fd, "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n");
	for (int i = 0; i < 6; i++) {
		assert_false(web_client_ended(world, fd));
		web_client_send(world, fd, "x");
		web_world_pass(world, 10 * NS_PER_SECOND);
	}
	assert_true(web_client_ended(world, fd));
	close(fd);
}

static void idle_keep_alive_ends_after_three_minutes(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);

	for (int i = 0; i < 3; i++) {
		exchange(world, fd, HEALTHY);
		web_world_pass(world, 179 * NS_PER_SECOND);
	}
	assert_false(web_client_ended(world, fd));
	web_world_pass(world, NS_PER_SECOND);
	assert_true(web_client_ended(world, fd));
	close(fd);
}

static void slow_reader_ends_after_a_minute_and_returns_the_memory(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, SMALL_RECEIVE_BUFFER);
	struct web_answer answer;

	world->samples = LARGE_SAMPLES;
	web_client_send(world, fd, SCRAPE);
	web_world_pass(world, 60 * NS_PER_SECOND);
	answer = web_client_receive(world, fd, false);
	assert_int_equal(answer.status, 200);
	assert_true(strlen(answer.body) < (size_t)LARGE_SAMPLES * strlen("world_values{index=\"0\"} 1\n"));
	web_answer_done(&answer);
	close(fd);
	check_figure(world, "\nsonde_web_closed_connections_total{reason=\"deadline\"} 1\n");
}

static void more_scrapes_than_allowed_get_503(void **state)
{
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct web_answer answer;
	int slow;

	(void)state;
	config.max_requests = 1;
	web_world_start(&world, &config);
	slow = web_client_connect(&world, SMALL_RECEIVE_BUFFER);
	world.samples = LARGE_SAMPLES;
	web_client_send(&world, slow, SCRAPE);
	web_world_settle(&world);
	answer = web_ask(&world, "GET", "/metrics", "");
	assert_int_equal(answer.status, 503);
	web_answer_done(&answer);
	check_alive(&world); /* health is not a scrape */
	answer = web_client_receive(&world, slow, false);
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
	close(slow);
	check_figure(&world, "\nsonde_scrape_requests_total{code=\"503\",format=\"text\"} 1\n");
	web_world_stop(&world);
}

/* Ten times 13 MB would be more than the 64 MiB that responses may hold. */
static void responses_in_flight_have_a_limit_in_bytes(void **state)
{
	struct web_world *world = *state;
	struct web_answer answer;
	int slow[10];

	world->samples = LARGE_SAMPLES;
	for (size_t i = 0; i < 10; i++) {
		slow[i] = web_client_connect(world, SMALL_RECEIVE_BUFFER);
		web_client_send(world, slow[i], SCRAPE);
	}
	answer = web_ask(world, "GET", "/metrics", "");
	assert_int_equal(answer.status, 503);
	assert_non_null(strstr(answer.body, "bytes"));
	web_answer_done(&answer);
	answer = web_ask(world, "GET", "/metrics", "Accept-Encoding: gzip\r\n"); /* needs a fraction */
	assert_true(answer.status == 200 || answer.status == 503);
	web_answer_done(&answer);
	for (size_t i = 0; i < 10; i++)
		close(slow[i]);
	web_world_settle(world);
	answer = web_ask(world, "GET", "/metrics", "");
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
}

static void abandoned_scrape_is_not_in_flight(void **state)
{
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct web_answer answer;
	int slow;

	(void)state;
	config.max_requests = 1;
	web_world_start(&world, &config);
	world.samples = LARGE_SAMPLES;
	for (int i = 0; i < 3; i++) {
		slow = web_client_connect(&world, SMALL_RECEIVE_BUFFER);
		web_client_send(&world, slow, SCRAPE);
		close(slow);
		web_world_settle(&world);
	}
	world.samples = 1;
	answer = web_ask(&world, "GET", "/metrics", "");
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
	web_world_stop(&world);
}

/* What is being sent when the server is freed; ASan tells if anything stays behind. */
static void free_with_responses_in_flight(void **state)
{
	struct web_world world;
	const struct web_config config = web_world_config(&world);
	int slow, silent;

	(void)state;
	web_world_start(&world, &config);
	silent = web_client_connect(&world, 0);
	slow = web_client_connect(&world, SMALL_RECEIVE_BUFFER);
	world.samples = LARGE_SAMPLES;
	web_client_send(&world, slow, SCRAPE);
	web_world_stop(&world);
	close(slow);
	close(silent);
}

static void full_house_asks_the_longest_idle_to_leave(void **state)
{
	struct web_world *world = *state;
	int fds[CONNECTIONS_MAX];

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		fds[i] = web_client_connect(world, 0);
		exchange(world, fds[i], HEALTHY);
		world->now_ns += NS_PER_MS;
	}
	assert_true(web_client_ended(world, fds[0]));
	assert_false(web_client_ended(world, fds[1]));
	check_alive(world);
	check_figure(world, "\nsonde_web_closed_connections_total{reason=\"crowded\"}");
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		close(fds[i]);
}

/* Nobody to send away: newcomers wait until the deadline of those who say nothing. */
static void full_house_of_silent_ones_ends_by_deadline(void **state)
{
	struct web_world *world = *state;
	int fds[CONNECTIONS_MAX], late;
	struct web_answer answer;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		fds[i] = web_client_connect(world, 0);
	late = web_client_connect(world, 0);
	assert_int_equal(send(late, HEALTHY, strlen(HEALTHY), 0), strlen(HEALTHY));
	web_world_settle(world);
	assert_false(web_client_ended(world, late));
	web_world_pass(world, 10 * NS_PER_SECOND);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		assert_true(web_client_ended(world, fds[i]));
		close(fds[i]);
	}
	answer = web_client_receive(world, late, false);
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
	close(late);
}

static void upload_is_thrown_away(void **state)
{
	struct web_world *world = *state;
	struct web_answer answer;
	int fd = web_client_connect(world, 0);
	char *body = malloc((2 << 20) + 1);

	assert_non_null(body);
	memset(body, 'x', 2 << 20);
	body[1 << 19] = 0;
	web_client_send(world, fd, "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 524288\r\n\r\n");
	web_client_send(world, fd, body);
	answer = web_client_receive(world, fd, false);
	assert_int_equal(answer.status, 405);
	web_answer_done(&answer);
	exchange(world, fd, HEALTHY); /* the body was not taken for a request */
	body[1 << 19] = 'x';
	body[2 << 20] = 0;
	web_client_send(world, fd, "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 2097152\r\n\r\n");
	web_client_send(world, fd, body);
	assert_true(web_client_ended(world, fd));
	free(body);
	close(fd);
	check_alive(world);
}

static void head_too_large_is_refused(void **state)
{
	struct web_world *world = *state;
	int fd = web_client_connect(world, 0);
	struct web_answer answer;
	char head[32768];

	memset(head, 'h', sizeof(head));
	memcpy(head, "GET /metrics HTTP/1.1\r\nX: ", 26);
	memcpy(head + sizeof(head) - 5, "\r\n\r\n", 5);
	web_client_send(world, fd, head);
	answer = web_client_receive(world, fd, false);
	assert_in_range(answer.status, 400, 499);
	web_answer_done(&answer);
	close(fd);
	check_alive(world);
}

static void bytes_that_are_no_request(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n\r\n",
		"\x16\x03\x01\x02",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
		"GET /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n",
	};
	struct web_world *world = *state;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = web_client_connect(world, 0);

		web_client_send(world, fd, garbage[i]);
		web_world_settle(world);
		close(fd);
		web_world_settle(world);
		check_alive(world);
	}
	check_figure(world, "\nsonde_web_connections 1\n");
}

/* Without a pause the listener would be readable for ever, and the loop would spin. */
static void no_descriptor_left_pauses_accepting(void **state)
{
	struct web_world *world = *state;
	struct rlimit before, none;
	int fd = web_client_connect(world, 0);
	struct web_answer answer;

	close(fd);
	web_world_settle(world);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fd = web_client_connect(world, 0); /* takes the last descriptor: none is left for the server's end */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(send(fd, HEALTHY, strlen(HEALTHY), 0), strlen(HEALTHY));
	web_world_settle(world);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	web_world_pass(world, NS_PER_SECOND);
	answer = web_client_receive(world, fd, false);
	assert_int_equal(answer.status, 200);
	web_answer_done(&answer);
	close(fd);
	check_figure(world, "\nsonde_web_accept_errors_total 1\n");
}

static int render_fails(struct exposition_choice choice, const struct snapshot *snapshot,
			const struct exposition_output *output)
{
	(void)choice;
	(void)output;
	return snapshot->sources[0].visit ? -ENOBUFS : -ENOMEM;
}

static void failed_exposition_is_500(void **state)
{
	struct web_world world;
	struct web_config config = web_world_config(&world);
	struct exposition exposition = *config.exposition;
	struct web_answer answer;

	(void)state;
	exposition.render = render_fails;
	config.exposition = &exposition;
	web_world_start(&world, &config);
	answer = web_ask(&world, "GET", "/metrics", "Accept-Encoding: gzip\r\n");
	assert_int_equal(answer.status, 500);
	assert_string_equal(web_answer_field(&answer, "Content-Encoding"), "");
	assert_non_null(strstr(answer.body, "too large"));
	web_answer_done(&answer);
	world.snapshot.sources[0].visit = NULL;
	answer = web_ask(&world, "GET", "/metrics", "");
	assert_int_equal(answer.status, 500);
	assert_non_null(strstr(answer.body, "memory"));
	web_answer_done(&answer);
	web_world_stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(silent_connection_ends_after_ten_seconds, setup, teardown),
		cmocka_unit_test_setup_teardown(dripping_head_ends_after_ten_seconds, setup, teardown),
		cmocka_unit_test_setup_teardown(dripping_body_ends_after_a_minute, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_keep_alive_ends_after_three_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_reader_ends_after_a_minute_and_returns_the_memory, setup,
						teardown),
		cmocka_unit_test(more_scrapes_than_allowed_get_503),
		cmocka_unit_test_setup_teardown(responses_in_flight_have_a_limit_in_bytes, setup, teardown),
		cmocka_unit_test(abandoned_scrape_is_not_in_flight),
		cmocka_unit_test(free_with_responses_in_flight),
		cmocka_unit_test_setup_teardown(full_house_asks_the_longest_idle_to_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(full_house_of_silent_ones_ends_by_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(upload_is_thrown_away, setup, teardown),
		cmocka_unit_test_setup_teardown(head_too_large_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_that_are_no_request, setup, teardown),
		cmocka_unit_test_setup_teardown(no_descriptor_left_pauses_accepting, setup, teardown),
		cmocka_unit_test(failed_exposition_is_500),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
