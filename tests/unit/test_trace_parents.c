/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose child a span is: by header, thread, goroutine, path, connection; and where no parent may be told.
 */
#include "trace_world.h"

#include <string.h>
#include <sys/socket.h>

#include "trace/ids.h"

#define PARENTS(source) "sonde_trace_parents_total{source=" source "}"
#define UNRESOLVED(reason) "sonde_trace_parents_unresolved_total{reason=" reason "}"
#define HEADER "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static struct exchange with_header(struct exchange exchange, const char *header)
{
	exchange.http.traceparent = (struct text){ header, strlen(header) };
	return exchange;
}

/* The chain of one request: client, server on thread 200, its call, the second server. */
static void a_chain_on_one_host_is_one_trace(void **state)
{
	struct trace_world *world = *state;
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	struct exchange second = trace_exchange(world, SIDE_SERVER, 4, 20, 300, "/r/1");

	trace_world_begin(world, &client);
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_begin(world, &second);
	trace_world_end(world, &second);
	trace_world_end(world, &call);
	trace_world_end(world, &server);
	trace_world_end(world, &client);
	assert_int_equal(world->count, 4);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]));
	assert_true(span_is_child(&world->seen[1], &world->seen[2]));
	assert_true(span_is_child(&world->seen[2], &world->seen[3]));
	assert_false(world->seen[3].span.has_parent);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
	assert_true(trace_world_figure(world, PARENTS("connection")) == 2);
	assert_true(trace_world_figure(world, PARENTS("none")) == 1);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 0);
}

/* The sender's thread may return from its call after the receiver has answered. */
static void a_client_that_shows_late_is_joined(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");

	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	assert_int_equal(world->count, 0);
	trace_world_begin(world, &client);
	trace_world_end(world, &client);
	trace_world_pass(world, MS);
	assert_int_equal(world->count, 2);
	assert_true(span_is_child(&world->seen[1], &world->seen[0]) || span_is_child(&world->seen[0], &world->seen[1]));
	assert_true(trace_world_figure(world, PARENTS("connection")) == 1);
}

/* ... also when the trace was told meanwhile, by a call that was made for the request: both derive the same one. */
static void a_client_that_shows_late_is_joined_to_a_trace_that_is_told(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");

	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	assert_int_equal(world->count, 1);
	trace_world_end(world, &server);
	assert_int_equal(world->count, 1);
	trace_world_begin(world, &client);
	trace_world_end(world, &client);
	trace_world_pass(world, MS);
	assert_int_equal(world->count, 3);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]) || span_is_child(&world->seen[0], &world->seen[2]));
	assert_true(span_is_child(&world->seen[1], &world->seen[2]) || span_is_child(&world->seen[2], &world->seen[1]));
	assert_true(trace_world_figure(world, PARENTS("connection")) == 1);
}

/* Another thread of the client has read of the response before the send returned. */
static void a_raced_position_is_put_right(void **state)
{
	struct trace_world *world = *state;
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");

	client.request_peer_position += 77;
	trace_world_begin(world, &client);
	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	trace_world_end(world, &client);
	trace_world_pass(world, MS);
	assert_int_equal(world->count, 2);
	assert_true(trace_world_figure(world, PARENTS("connection")) == 1);
	assert_true(span_is_child(&world->seen[1], &world->seen[0]));
}

static void nobody_at_the_other_end_means_a_root(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");

	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	trace_world_pass(world, 99 * MS);
	assert_int_equal(world->count, 0);
	trace_world_pass(world, MS);
	assert_int_equal(world->count, 1);
	assert_false(world->seen[0].span.has_parent);
}

/* Two hosts, an agent on each, address translation between them: the ids agree with nothing exchanged. */
static void two_agents_agree(void **state)
{
	struct trace_world *world = *state;
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct seen_span seen;

	trace_world_begin(world, &client);
	trace_world_end(world, &client);
	seen = world->seen[0];
	world->config.hash_seed = 99;
	trace_world_restart(world);
	world->client.address[0] = 10;
	world->client.port = 61000;
	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	trace_world_pass(world, 100 * MS);
	assert_int_equal(world->count, 1);
	assert_true(span_is_child(&world->seen[0], &seen));
	assert_true(trace_world_figure(world, PARENTS("remote")) == 1);

	world->client.address[0] = 8; /* a public address: who is there is not known */
	trace_world_restart(world);
	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	trace_world_pass(world, 100 * MS);
	assert_false(world->seen[0].span.has_parent);
}

static void the_header_is_the_parent(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = with_header(trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1"), HEADER);
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");

	server.http.tracestate = (struct text){ "a=1,b=2", 7 };
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	trace_world_end(world, &server);
	assert_int_equal(world->count, 2);
	assert_int_equal(ids_read(world->seen[1].span.parent_id), 0x00f067aa0ba902b7);
	assert_int_equal(world->seen[1].span.trace_id[0], 0x4b);
	assert_string_equal(world->seen[1].state, "a=1,b=2");
	assert_true(world->seen[1].span.parent_is_remote);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]));
	assert_false(world->seen[0].span.parent_is_remote);
}

static void an_invalid_header_is_not_there(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = with_header(trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1"), "00-nonsense");

	server.http.tracestate = (struct text){ "a=1", 3 };
	trace_world_begin(world, &server);
	trace_world_end(world, &server);
	trace_world_pass(world, 0);
	assert_false(world->seen[0].span.has_parent);
	assert_string_equal(world->seen[0].state, "");
	assert_true(trace_world_figure(world, "sonde_trace_invalid_traceparents_total") == 1);
}

/* A proxy that hands the header on stands between its sender and the next server; an SDK that made a new one does not.
 */
static void a_header_that_was_passed_on(void **state)
{
	static const char *const own = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01";
	struct trace_world *world = *state;

	for (int sdk = 0; sdk < 2; sdk++) {
		const char *onward = sdk ? own : HEADER;
		struct exchange server = with_header(trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1"), HEADER);
		struct exchange call = with_header(trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1"), onward);
		struct exchange second = with_header(trace_exchange(world, SIDE_SERVER, 4, 20, 300, "/r/1"), onward);

		trace_world_restart(world);
		trace_world_begin(world, &server);
		trace_world_begin(world, &call);
		trace_world_begin(world, &second);
		trace_world_end(world, &second);
		trace_world_end(world, &call);
		trace_world_end(world, &server);
		assert_int_equal(world->count, 3);
		assert_int_equal(span_is_child(&world->seen[0], &world->seen[1]), !sdk);
		assert_int_equal(span_is_child(&world->seen[1], &world->seen[2]), !sdk);
		if (sdk)
			assert_int_equal(ids_read(world->seen[0].span.parent_id), 0x1111111111111111);
	}
}

/* A thread that has two requests open serves neither for sure; nor is its process believed for a while after. */
static void an_event_loop_is_not_believed(void **state)
{
	struct trace_world *world = *state;
	struct exchange one = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange two = trace_exchange(world, SIDE_SERVER, 5, 50, 200, "/r/2");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	struct exchange later = trace_exchange(world, SIDE_CLIENT, 6, 60, 200, "/r/2");

	trace_world_begin(world, &one);
	trace_world_begin(world, &two);
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	trace_world_end(world, &one);
	trace_world_begin(world, &later);
	trace_world_end(world, &later);
	assert_false(world->seen[0].span.has_parent);
	assert_false(world->seen[1].span.has_parent);
	assert_true(trace_world_figure(world, UNRESOLVED("interleaved")) == 2);

	trace_world_pass(world, 601 * 1000 * MS);
	later = trace_exchange(world, SIDE_CLIENT, 6, 70, 200, "/r/2");
	trace_world_begin(world, &later);
	trace_world_end(world, &later);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
}

static void another_thread_answers(void **state)
{
	struct trace_world *world = *state;
	struct exchange one = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange two = trace_exchange(world, SIDE_SERVER, 2, 30, 200, "/r/2");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 40, 200, "/r/2");
	struct exchange other = trace_exchange(world, SIDE_CLIENT, 3, 50, 201, "/r/2");

	one.response_tid = 201;
	trace_world_begin(world, &one);
	trace_world_end(world, &one);
	trace_world_begin(world, &two);
	trace_world_begin(world, &call);
	trace_world_begin(world, &other);
	assert_true(trace_world_figure(world, UNRESOLVED("handed_over")) == 2);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 0);
}

static void a_call_of_an_idle_thread_has_no_parent(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 201, "/r/1");

	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	assert_false(world->seen[0].span.has_parent);
	assert_true(trace_world_figure(world, UNRESOLVED("not_serving")) == 1);
}

/* A database call is told at its end only: the request that its thread serves by then may have come after it began. */
static void a_request_that_came_later_is_no_parent(void **state)
{
	struct trace_world *world = *state;
	struct exchange before = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange during = trace_exchange(world, SIDE_CLIENT, 3, 30, 200, "");

	before.protocol = during.protocol = PROTOCOL_REDIS;
	trace_world_begin(world, &server);
	trace_world_end(world, &before);
	trace_world_end(world, &during);
	assert_false(world->seen[0].span.has_parent);
	assert_true(world->seen[1].span.has_parent);
	assert_true(trace_world_figure(world, UNRESOLVED("not_serving")) == 1);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
}

static void goroutines_move_between_threads(void **state)
{
	struct trace_world *world = *state;
	struct exchange one = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange two = trace_exchange(world, SIDE_SERVER, 5, 50, 200, "/r/2");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 201, "/r/1");
	struct exchange unknown = trace_exchange(world, SIDE_CLIENT, 6, 60, 200, "/r/1");

	world->runtime = TRACE_RUNTIME_GO;
	one.goroutine = call.goroutine = 0x1000;
	two.goroutine = 0x2000;
	trace_world_begin(world, &one);
	trace_world_begin(world, &two);
	trace_world_begin(world, &call);
	trace_world_begin(world, &unknown);
	trace_world_end(world, &call);
	trace_world_end(world, &two);
	trace_world_end(world, &one);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 3);
	assert_true(span_is_child(&world->seen[0], &world->seen[2]));
	assert_true(trace_world_figure(world, PARENTS("goroutine")) == 1);
	assert_true(trace_world_figure(world, UNRESOLVED("goroutine_unknown")) == 1);
}

/* What was begun on a database's connection and never ended is no child of anything later, and holds nothing. */
static void a_database_call_is_known_while_it_is_made(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange given_up = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 30, 200, "");

	given_up.protocol = call.protocol = PROTOCOL_REDIS;
	trace_world_begin(world, &server);
	trace_world_begin(world, &given_up);
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 2);
	trace_world_end(world, &server);
	trace_world_pass(world, 1000000000);
	/* The answer comes when the request that it was asked for is over. */
	trace_world_end(world, &call);
	assert_int_equal(world->count, 2);
	assert_true(span_is_child(&world->seen[1], &world->seen[0]));
}

/* Nobody elsewhere can derive the client's id: the server takes it over. Without a shared count nothing is joined. */
static void both_ends_of_a_unix_socket(void **state)
{
	struct trace_world *world = *state;
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 4, 20, 300, "/r/1");
	struct exchange old_client = trace_exchange(world, SIDE_CLIENT, 5, 0, 200, "/r/2");
	struct exchange old_server = trace_exchange(world, SIDE_SERVER, 6, 0, 300, "/r/2");

	world->client.family = world->server.family = AF_UNIX;
	old_client.positions_shared = old_server.positions_shared = false;
	trace_world_begin(world, &server);
	trace_world_begin(world, &client);
	trace_world_end(world, &server);
	trace_world_end(world, &client);
	trace_world_end(world, &old_client);
	trace_world_end(world, &old_server);
	trace_world_pass(world, 1000000000);
	assert_int_equal(world->count, 4);
	assert_true(trace_world_figure(world, PARENTS("connection")) == 1);
	assert_true(trace_world_figure(world, PARENTS("none")) == 3);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]));
}

static void old_go_tells_no_goroutine(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");

	world->runtime = TRACE_RUNTIME_GO_OLD;
	server.goroutine = call.goroutine = 0x1000;
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, UNRESOLVED("goroutine_unknown")) == 1);
}

static void a_proxy_passes_the_path_on(void **state)
{
	struct trace_world *world = *state;
	struct exchange one = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange two = trace_exchange(world, SIDE_SERVER, 5, 50, 200, "/r/2");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/2");
	struct exchange twin = trace_exchange(world, SIDE_SERVER, 7, 70, 200, "/r/1");
	struct exchange unclear = trace_exchange(world, SIDE_CLIENT, 6, 60, 200, "/r/1");

	world->runtime = TRACE_RUNTIME_PROXY;
	trace_world_begin(world, &one);
	trace_world_begin(world, &two);
	trace_world_begin(world, &call);
	trace_world_begin(world, &twin);
	trace_world_begin(world, &unclear);
	trace_world_end(world, &call);
	trace_world_end(world, &two);
	trace_world_pass(world, 0);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]));
	assert_true(trace_world_figure(world, UNRESOLVED("path_not_unique")) == 1);
}

/* What was begun and given up leaves nothing behind. */
static void a_connection_that_ends_is_forgotten(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange behind = trace_exchange(world, SIDE_SERVER, 2, 20, 200, "/r/2");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 30, 200, "/r/1");

	trace_world_begin(world, &server);
	trace_world_begin(world, &behind);
	trace_connection_end(world->trace, 2);
	trace_connection_end(world->trace, 77);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 0);
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	assert_false(world->seen[0].span.has_parent);
	trace_process_exit(world->trace, 2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, trace_world_setup, trace_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_chain_on_one_host_is_one_trace),
		TEST(a_client_that_shows_late_is_joined),
		TEST(a_client_that_shows_late_is_joined_to_a_trace_that_is_told),
		TEST(a_raced_position_is_put_right),
		TEST(nobody_at_the_other_end_means_a_root),
		TEST(two_agents_agree),
		TEST(the_header_is_the_parent),
		TEST(an_invalid_header_is_not_there),
		TEST(a_header_that_was_passed_on),
		TEST(an_event_loop_is_not_believed),
		TEST(another_thread_answers),
		TEST(a_call_of_an_idle_thread_has_no_parent),
		TEST(a_request_that_came_later_is_no_parent),
		TEST(goroutines_move_between_threads),
		TEST(a_database_call_is_known_while_it_is_made),
		TEST(old_go_tells_no_goroutine),
		TEST(both_ends_of_a_unix_socket),
		TEST(a_proxy_passes_the_path_on),
		TEST(a_connection_that_ends_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
