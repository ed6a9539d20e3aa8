/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of the HTTP/1 parser with its caller: waiting, gaps, losses, silence, limits, memory. What comes out of
 * sound bytes is for the golden cases.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1_world.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define GIB (1ull << 30)

static int set_up(void **state)
{
	struct http1_world *world = malloc(sizeof(*world));

	assert_non_null(world);
	http1_world_init(world, 0xfffffff0u);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	http1_world_done(*state);
	free(*state);
	return 0;
}

static void test_who_and_when(void **state)
{
	struct http1_world *world = *state;
	const struct exchange *exchange = &world->seen[0].exchange;

	request(world, "\r\n");
	world->tgid = 42;
	request(world, "G");
	world->tgid = 43;
	request(world, "ET /path?query HTTP/1.1\r\nHost: host\r\n\r\n");
	assert_int_equal(world->active, 1);
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->active, 0);
	/* The first byte's, not those of empty lines before it, nor those of the rest. */
	assert_int_equal(exchange->tgid, 42);
	assert_int_equal(exchange->tid, 43);
	assert_int_equal(exchange->request_first_ns, 110);
	assert_int_equal(exchange->request_last_ns, 120);
	assert_int_equal(exchange->response_first_ns, 130);
	assert_int_equal(exchange->response_last_ns, 130);
	assert_int_equal(exchange->request_position, world->start[0] + 2);
	assert_int_equal(exchange->response_position, world->start[1]);
	assert_string_equal(world->seen[0].path, "/path");
	assert_string_equal(world->seen[0].host, "host");
}

/* A response that overtook its request waits for it, and is then its response. */
static void test_response_waits(void **state)
{
	struct http1_world *world = *state;

	world->blind = true;
	assert_int_equal(http1_world_text(world, FLOW_RESPONSE, OK), PROTO_WAIT);
	assert_int_equal(world->consumed, 0);
	world->now_ns = 50;
	request(world, GET("/"));
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 0);
	http1_world_close(world, END_NORMAL);
	assert_int_equal(world->seen_count, 1);
}

/* Patience is over: the response is alone, and its request, when it comes late, is not paired with the next one. */
static void test_response_alone(void **state)
{
	struct http1_world *world = *state;
	const char *late = GET("/late");

	request(world, GET("/0"));
	response(world, OK);
	/* Bytes of a request crossed that are still to be fed. */
	world->offset[FLOW_REQUEST] += strlen(late);
	assert_int_equal(http1_world_text(world, FLOW_RESPONSE, OK), PROTO_WAIT);
	world->no_wait = true;
	response(world, OK);
	world->no_wait = false;
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 1);
	/* Here it is, with what was true when it moved: before the response. */
	world->offset[FLOW_REQUEST] -= strlen(late);
	world->offset[FLOW_RESPONSE] -= strlen(OK);
	world->now_ns -= 15;
	request(world, late);
	world->offset[FLOW_RESPONSE] += strlen(OK);
	world->now_ns += 15;
	request(world, GET("/next"));
	response(world, OK);
	assert_int_equal(world->seen_count, 2);
	assert_string_equal(world->seen[1].path, "/next");
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 1);
	http1_world_close(world, END_NORMAL);
	assert_int_equal(world->seen_count, 2);
}

/* No request is on its way: the answer needs no patience. */
static void test_response_unasked(void **state)
{
	struct http1_world *world = *state;

	request(world, GET("/"));
	response(world, OK);
	response(world, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	request(world, GET("/2"));
	response(world, OK);
	assert_int_equal(world->seen_count, 2);
	assert_int_equal(world->seen[1].exchange.http.status, 200);
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 1);
}

/* On its way before the oldest open request moved: by positions at once, by times with caution. */
static void test_response_older_than_request(void **state)
{
	struct http1_world *world = *state;

	world->blind = true;
	world->now_ns = 500;
	request(world, GET("/1"));
	world->now_ns = 400;
	response(world, OK);
	assert_int_equal(world->seen_count, 0);
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 1);
	world->now_ns = 600;
	response(world, OK);
	request(world, GET("/2"));
	response(world, OK);
	/* In step again: a whole response went by, then came the request. */
	assert_int_equal(world->seen_count, 2);
	assert_string_equal(world->seen[0].path, "/1");
	assert_string_equal(world->seen[1].path, "/2");
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 0);
}

static void test_gap_in_head(void **state)
{
	struct http1_world *world = *state;

	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 10), PROTO_LOST);
	assert_int_equal(world->consumed, 0);
	http1_ops.lost(world->state, &world->sink, FLOW_REQUEST);
	request(world, "GET / HTTP/1.1\r\nHo");
	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 10), PROTO_LOST);
	assert_int_equal(world->consumed, 0);
	http1_ops.lost(world->state, &world->sink, FLOW_REQUEST);
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 1);
	/* The caller counts gaps. */
	assert_int_equal(world->losses.out_of_step[STEP_GAP], 0);
	http1_world_close(world, END_NORMAL);
	assert_int_equal(world->seen_count, 0);
}

/* A gap is taken as far as the body goes, and not a byte farther. */
static void test_gap_over_end(void **state)
{
	struct http1_world *world = *state;

	request(world, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx");
	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 150), PROTO_LOST);
	assert_int_equal(world->consumed, 99);
	http1_ops.lost(world->state, &world->sink, FLOW_REQUEST);
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->seen[0].exchange.request_body_bytes, 100);
	request(world, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n");
	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 100), PROTO_OK);
	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 2), PROTO_LOST);
	assert_int_equal(world->consumed, 0);
}

/* When the call that moved the last byte of a response is lost, its moment is not guessed. */
static void test_missing_end(void **state)
{
	struct http1_world *world = *state;
	size_t consumed;
	struct proto_chunk hole = { .length = 10, .time_ns = 900, .missing = true, .no_wait = true };

	request(world, GET("/1"));
	response(world, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789");
	hole.position = world->start[FLOW_RESPONSE] + (uint32_t)world->offset[FLOW_RESPONSE];
	assert_int_equal(http1_ops.feed(world->state, &world->sink, FLOW_RESPONSE, &hole, &consumed), PROTO_OK);
	assert_int_equal(consumed, 10);
	world->offset[FLOW_RESPONSE] += 10;
	assert_int_equal(world->seen_count, 0);
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 1);
	/* Nothing fell out of step. */
	request(world, GET("/2"));
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_string_equal(world->seen[0].path, "/2");
}

static void test_silence(void **state)
{
	struct http1_world *world = *state;

	request(world, "POST / HTTP/1.1\r\nContent-Length: 4096\r\n\r\n");
	assert_int_equal(world->asked_count, 0);
	assert_int_equal(http1_world_gap(world, FLOW_REQUEST, 4096), PROTO_OK);
	response(world, "HTTP/1.1 200 OK\r\nContent-Length: 4098\r\n\r\n");
	/* Head and body end: once, with what remains beyond the bytes at hand. */
	assert_int_equal(world->asked_count, 1);
	assert_int_equal(world->asked[0], 41 + 4098);
	response(world, "x");
	assert_int_equal(world->asked_count, 1);
	assert_int_equal(http1_world_gap(world, FLOW_RESPONSE, 4097), PROTO_OK);
	assert_int_equal(world->seen_count, 1);
}

/* Steps of at most 2^30, asked again when the body reaches them; positions wrap. */
static void test_silence_in_steps(void **state)
{
	struct http1_world *world = *state;
	uint64_t head;

	request(world, "PUT / HTTP/1.1\r\nContent-Length: 10000000000\r\n\r\n");
	head = world->offset[FLOW_REQUEST];
	assert_int_equal(world->asked_count, 1);
	assert_int_equal(world->asked[0], head + GIB);
	for (uint64_t left = 10000000000ull; left > 0;) {
		size_t step = left < GIB ? (size_t)left : GIB;
		size_t asked = world->asked_count;

		assert_int_equal(http1_world_gap(world, FLOW_REQUEST, step), PROTO_OK);
		left -= step;
		assert_int_equal(world->asked_count, asked + (left > 0 ? 1 : 0));
	}
	assert_int_equal(world->asked[9], head + 10000000000ull);
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->seen[0].exchange.request_body_bytes, 10000000000ull);
}

/* A body that may never come is not waited for in silence: the next request would not be seen. */
static void test_no_silence_before_expected_body(void **state)
{
	struct http1_world *world = *state;

	request(world, "PUT / HTTP/1.1\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(world->asked_count, 0);
	response(world, "HTTP/1.1 100 Continue\r\n\r\n");
	request(world, "x");
	assert_int_equal(world->asked_count, 1);
}

static void test_expected_body_waits(void **state)
{
	struct http1_world *world = *state;

	world->blind = true;
	request(world, "PUT / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, "body"), PROTO_WAIT);
	world->no_wait = true;
	request(world, "body");
	world->no_wait = false;
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->seen[0].exchange.request_body_bytes, 4);
}

/* Not a byte of a response moved since its head: this body did not wait for one, and need not here. */
static void test_impatient_body(void **state)
{
	struct http1_world *world = *state;

	request(world, GET("/"));
	response(world, OK);
	request(world, "PUT / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	request(world, "body");
	response(world, "HTTP/1.1 100 Continue\r\n\r\n" OK);
	assert_int_equal(world->seen_count, 2);
	assert_int_equal(world->seen[1].exchange.request_body_bytes, 4);
}

static void test_pipeline_full(void **state)
{
	struct http1_world *world = *state;
	size_t idle = http1_ops.memory(world->state);

	for (int i = 0; i < 1024; i++)
		request(world,
			GET("/some/path/that/does/not/fit/into/a/slot/of/the/ring/and/is/kept/elsewhere/for/as/long/"
			    "as/the/request/is/open"));
	assert_int_equal(world->active, 1024);
	assert_true(http1_ops.memory(world->state) < 512 * 1024);
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, GET("/over")), PROTO_WAIT);
	response(world, OK);
	request(world, GET("/1024"));
	world->no_wait = true;
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, GET("/over")), PROTO_LOST);
	world->no_wait = false;
	assert_int_equal(world->losses.out_of_step[STEP_PIPELINE_FULL], 1);
	http1_ops.lost(world->state, &world->sink, FLOW_REQUEST);
	/* What was open before is still in step. */
	for (int i = 0; i < 1024; i++)
		response(world, OK);
	assert_int_equal(world->seen_count, 1025);
	assert_string_equal(world->seen[1024].path, "/1024");
	assert_int_equal(world->active, 0);
	assert_int_equal(http1_ops.memory(world->state), idle);
	assert_true(idle <= 512);
}

static void test_malformed_request(void **state)
{
	struct http1_world *world = *state;

	request(world, GET("/sound"));
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, "no request\r\n"), PROTO_MALFORMED);
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, GET("/")), PROTO_MALFORMED);
	assert_int_equal(world->losses.out_of_step[STEP_MALFORMED], 1);
	response(world, OK);
	assert_int_equal(world->seen_count, 1);
	/* Nothing can come of this flow any more. */
	assert_int_equal(http1_world_text(world, FLOW_RESPONSE, OK), PROTO_MALFORMED);
	assert_int_equal(world->losses.out_of_step[STEP_MALFORMED], 1);
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 0);
	http1_world_close(world, END_NORMAL);
	assert_int_equal(world->seen_count, 1);
}

static void test_malformed_response(void **state)
{
	struct http1_world *world = *state;

	request(world, GET("/1") GET("/2"));
	assert_int_equal(http1_world_text(world, FLOW_RESPONSE, "no response\r\n"), PROTO_MALFORMED);
	assert_int_equal(world->active, 0);
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 2);
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, GET("/3")), PROTO_MALFORMED);
	http1_world_close(world, END_RESET);
	assert_int_equal(world->seen_count, 0);
}

static void test_opaque(void **state)
{
	struct http1_world *world = *state;

	request(world, "GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, "\x81\x85"), PROTO_WAIT);
	assert_int_equal(http1_world_text(world, FLOW_RESPONSE, "HTTP/1.1 101 Switching\r\n\r\n\x81"), PROTO_OPAQUE);
	assert_int_equal(world->consumed, 26);
	assert_int_equal(world->seen_count, 1);
	assert_true(world->seen[0].exchange.http.upgraded);
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, "\x81\x85"), PROTO_OPAQUE);
	assert_int_equal(world->consumed, 0);
	assert_int_equal(http1_world_gap(world, FLOW_RESPONSE, 10), PROTO_OPAQUE);
	http1_world_close(world, END_RESET);
	assert_int_equal(world->seen_count, 1);
}

/* Bytes for a tunnel that is then refused: the flow is out of step. */
static void test_early_tunnel_refused(void **state)
{
	struct http1_world *world = *state;

	request(world, "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n");
	world->no_wait = true;
	request(world, "\x16\x03\x01");
	world->no_wait = false;
	response(world, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(http1_world_text(world, FLOW_REQUEST, "\x16\x03\x01"), PROTO_LOST);
	http1_ops.lost(world->state, &world->sink, FLOW_REQUEST);
	request(world, GET("/"));
	http1_world_close(world, END_NORMAL);
	assert_int_equal(world->seen_count, 1);
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 1);
}

/* Out of step, each loss costs an exchange or two, and never makes a wrong one. */
static void test_in_step_again(void **state)
{
	struct http1_world *world = *state;
	char path[32];
	size_t told = 0;

	for (int i = 0; i < 40; i++) {
		enum proto_flow flow = i % 8 == 1 ? FLOW_REQUEST : FLOW_RESPONSE;

		if (i % 4 == 1) {
			/* The request, or the response, is lost with all its bytes. */
			if (flow == FLOW_RESPONSE)
				request(world, GET("/lost"));
			assert_int_equal(http1_world_gap(world, flow, 50), PROTO_LOST);
			world->offset[flow] += 50;
			http1_ops.lost(world->state, &world->sink, flow);
			if (flow == FLOW_REQUEST)
				response(world, OK);
			continue;
		}
		snprintf(path, sizeof(path), "GET /%d HTTP/1.1\r\n\r\n", i);
		request(world, path);
		response(world, OK);
		snprintf(path, sizeof(path), "/%d", i);
		if (world->seen_count > told)
			assert_string_equal(world->seen[world->seen_count - 1].path, path);
		told = world->seen_count;
	}
	assert_int_equal(told, 30);
	assert_int_equal(world->losses.out_of_step[STEP_REQUEST_LOST], 5);
	assert_int_equal(world->losses.out_of_step[STEP_RESPONSE_ALONE], 5);
	assert_int_equal(world->active, 0);
}

static void on_begin(void *ctx, struct exchange *exchange)
{
	(void)ctx;
	(void)exchange;
}

/* A method that is not known is kept for spans; of a known one, and where nobody makes spans, nothing. */
static void test_method_original(void **state)
{
	static const char *const methods[] = { "PURGE", "get", "GET", "M2345678901234567890123456789012" };
	static const size_t lengths[] = { 5, 3, 0, 32 };

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct http1_world world;
		char text[128];

		http1_world_init(&world, 1000);
		world.sink.begin = i < 4 ? on_begin : NULL;
		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n\r\n", methods[i % 4]);
		request(&world, text);
		response(&world, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(world.seen_count, 1);
		assert_int_equal(world.seen[0].exchange.http.method_original.length, i < 4 ? lengths[i] : 0);
		http1_world_done(&world);
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_who_and_when),
		TEST(test_response_waits),
		TEST(test_response_alone),
		TEST(test_response_unasked),
		TEST(test_response_older_than_request),
		TEST(test_gap_in_head),
		TEST(test_gap_over_end),
		TEST(test_missing_end),
		TEST(test_silence),
		TEST(test_silence_in_steps),
		TEST(test_no_silence_before_expected_body),
		TEST(test_expected_body_waits),
		TEST(test_impatient_body),
		TEST(test_pipeline_full),
		TEST(test_malformed_request),
		TEST(test_malformed_response),
		TEST(test_opaque),
		TEST(test_early_tunnel_refused),
		TEST(test_in_step_again),
		TEST(test_method_original),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
