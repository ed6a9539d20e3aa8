/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that call nobody: they cost less, and say the same. What is not followed while it is served is found when it
 * matters after all, and threads that serve several requests at once are known by the times of what has ended.
 */
#include "trace_world.h"

#include <string.h>

#define SERVER_TID 200
#define LEAF_TGID (SERVER_TID / 100)
#define ENOUGH 64 /* requests until a process is a leaf */
#define PARENTS(source) "sonde_trace_parents_total{source=" source "}"
#define UNRESOLVED(reason) "sonde_trace_parents_unresolved_total{reason=" reason "}"
#define DECISIONS(decision) "sonde_trace_exchanges_total{decision=" decision "}"

/* What the streams know as open; told when trace asks. */
static const struct exchange *open_now[4];
static size_t open_count;
static struct trace_world *asked;
static size_t times_asked;

static void open_requests(void *ctx, uint32_t tgid)
{
	(void)ctx;
	assert_int_equal(tgid, LEAF_TGID);
	times_asked++;
	for (size_t i = 0; i < open_count; i++)
		trace_world_begin(asked, open_now[i]);
}

static int setup(void **state)
{
	int error = trace_world_setup(state);
	struct trace_world *world = *state;

	asked = world;
	open_count = times_asked = 0;
	world->config.open_requests = open_requests;
	trace_world_restart(world);
	return error;
}

/* One that begins when the one before it has ended. */
static struct exchange make(struct trace_world *world, enum side side, uint64_t conn_id, uint32_t position,
			    uint32_t tid)
{
	world->now_ns += 5 * MS;
	return trace_exchange(world, side, conn_id, position, tid, "/r/1");
}

/* As stream does: the beginning is told if it is wanted. */
static void serve(struct trace_world *world, const struct exchange *exchange)
{
	if (trace_wants_begin(world->trace, exchange->tgid))
		trace_world_begin(world, exchange);
	trace_world_end(world, exchange);
}

static void become_leaf(struct trace_world *world)
{
	for (uint32_t i = 0; i < ENOUGH; i++) {
		struct exchange server = make(world, SIDE_SERVER, 2, 1000 + i, SERVER_TID);

		assert_true(trace_wants_begin(world->trace, LEAF_TGID));
		serve(world, &server);
	}
	trace_world_pass(world, 0);
	assert_false(trace_wants_begin(world->trace, LEAF_TGID));
	world->count = 0;
}

static void a_leaf_is_told_of_like_any(void **state)
{
	struct trace_world *world = *state;
	struct exchange server;

	become_leaf(world);
	server = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	serve(world, &server);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	assert_true(trace_world_figure(world, DECISIONS("sampled")) == ENOUGH + 1);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 0);
}

static void the_first_call_of_a_leaf_has_its_parent(void **state)
{
	struct trace_world *world = *state;
	struct exchange server, call, second;

	become_leaf(world);
	server = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	call = trace_exchange(world, SIDE_CLIENT, 3, 20, SERVER_TID, "/r/1");
	open_now[open_count++] = &server;
	trace_world_begin(world, &call);
	assert_int_equal(times_asked, 1);
	trace_world_end(world, &call);
	trace_world_end(world, &server);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 2);
	assert_true(span_is_child(&world->seen[0], &world->seen[1]));
	/* From here on it is followed, and nothing is asked for again. */
	assert_true(trace_wants_begin(world->trace, LEAF_TGID));
	second = make(world, SIDE_SERVER, 2, 30, SERVER_TID);
	call = trace_exchange(world, SIDE_CLIENT, 3, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &second);
	trace_world_begin(world, &call);
	assert_int_equal(times_asked, 1);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 2);
}

/* A request that was open already when its process became a leaf is not followed twice. */
static void what_is_followed_is_not_followed_again(void **state)
{
	struct trace_world *world = *state;
	struct exchange early = make(world, SIDE_SERVER, 7, 10, SERVER_TID + 1), call;

	trace_world_begin(world, &early);
	become_leaf(world);
	open_now[open_count++] = &early;
	call = make(world, SIDE_CLIENT, 3, 20, SERVER_TID + 1);
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 2);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
	trace_world_end(world, &early);
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 0);
}

/* The call might be for the one that has ended: the loop has shown that it does several things at once. */
static void overlaps_that_have_ended_are_known(void **state)
{
	struct trace_world *world = *state;
	struct exchange first, second, third, call;

	become_leaf(world);
	first = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	second = trace_exchange(world, SIDE_SERVER, 3, 20, SERVER_TID, "/r/1");
	serve(world, &first);
	serve(world, &second);
	third = make(world, SIDE_SERVER, 4, 30, SERVER_TID);
	open_now[open_count++] = &third;
	call = trace_exchange(world, SIDE_CLIENT, 5, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, UNRESOLVED("interleaved")) == 1);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 0);
}

static void an_overlap_with_what_is_open_is_known(void **state)
{
	struct trace_world *world = *state;
	struct exchange first, second, call;

	become_leaf(world);
	first = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	second = trace_exchange(world, SIDE_SERVER, 3, 20, SERVER_TID, "/r/1");
	serve(world, &first);
	open_now[open_count++] = &second;
	call = make(world, SIDE_CLIENT, 5, 40, SERVER_TID);
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, UNRESOLVED("interleaved")) == 1);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 0);
}

/* Of threads there are more than are remembered: what may have been forgotten is doubted. */
static void an_overlap_with_what_is_forgotten_is_doubted(void **state)
{
	struct trace_world *world = *state;
	struct exchange first, second, other, third, call;

	become_leaf(world);
	first = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	second = trace_exchange(world, SIDE_SERVER, 3, 20, SERVER_TID, "/r/1");
	other = make(world, SIDE_SERVER, 4, 25, SERVER_TID + 4096);
	other.tgid = LEAF_TGID;
	serve(world, &first);
	serve(world, &other);
	serve(world, &second);
	third = make(world, SIDE_SERVER, 4, 30, SERVER_TID);
	open_now[open_count++] = &third;
	call = trace_exchange(world, SIDE_CLIENT, 5, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, UNRESOLVED("interleaved")) == 1);
}

/* ... and what began since is not. */
static void many_threads_are_believed(void **state)
{
	struct trace_world *world = *state;
	struct exchange server, call;

	become_leaf(world);
	for (uint32_t i = 0; i < 4; i++) {
		server = make(world, SIDE_SERVER, 2 + i, 10 * i, SERVER_TID + (i % 2) * 4096);
		server.tgid = LEAF_TGID;
		serve(world, &server);
	}
	server = make(world, SIDE_SERVER, 9, 100, SERVER_TID);
	open_now[open_count++] = &server;
	call = trace_exchange(world, SIDE_CLIENT, 5, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
}

/* Requests of one connection may overlap: they are pipelined. */
static void a_pipeline_is_no_overlap(void **state)
{
	struct trace_world *world = *state;
	struct exchange first, second, third, call;

	become_leaf(world);
	first = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	second = trace_exchange(world, SIDE_SERVER, 2, 20, SERVER_TID, "/r/1");
	serve(world, &first);
	serve(world, &second);
	third = make(world, SIDE_SERVER, 4, 30, SERVER_TID);
	open_now[open_count++] = &third;
	call = trace_exchange(world, SIDE_CLIENT, 5, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &call);
	trace_world_end(world, &call);
	assert_true(trace_world_figure(world, PARENTS("thread")) == 1);
}

static void a_hand_over_is_known(void **state)
{
	struct trace_world *world = *state;
	struct exchange server, call;

	become_leaf(world);
	server = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	server.response_tid = SERVER_TID + 1;
	serve(world, &server);
	server = make(world, SIDE_SERVER, 2, 20, SERVER_TID);
	open_now[open_count++] = &server;
	call = trace_exchange(world, SIDE_CLIENT, 5, 40, SERVER_TID, "/r/1");
	trace_world_begin(world, &call);
	assert_true(trace_world_figure(world, UNRESOLVED("handed_over")) == 1);
}

/* Which goroutine serves is known while its call is at hand alone. */
static void go_is_followed(void **state)
{
	struct trace_world *world = *state;

	world->runtime = TRACE_RUNTIME_GO;
	for (uint32_t i = 0; i < 2 * ENOUGH; i++) {
		struct exchange server = make(world, SIDE_SERVER, 2, 1000 + i, SERVER_TID);

		serve(world, &server);
		world->count = 0;
		assert_true(trace_wants_begin(world->trace, LEAF_TGID));
	}
}

/* Errors, what took long, and what names its parent are told whatever the ratio is. */
static void what_is_always_told(void **state)
{
	static const char header[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	struct trace_world *world = *state;
	struct exchange server;

	world->config.ratio = 0;
	world->config.slow_ns = 1000 * MS;
	trace_world_restart(world);
	become_leaf(world);
	server = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	serve(world, &server);
	server = make(world, SIDE_SERVER, 2, 20, SERVER_TID);
	server.http.status = 500;
	serve(world, &server);
	server = make(world, SIDE_SERVER, 2, 30, SERVER_TID);
	server.response_last_ns += 2000 * MS;
	serve(world, &server);
	server = make(world, SIDE_SERVER, 2, 40, SERVER_TID);
	server.http.traceparent = (struct text){ header, strlen(header) };
	serve(world, &server);
	world->outlier = true;
	server = make(world, SIDE_SERVER, 2, 50, SERVER_TID);
	serve(world, &server);
	world->outlier = false;
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 4);
	assert_true(trace_world_figure(world, DECISIONS("error")) == 1);
	assert_true(trace_world_figure(world, DECISIONS("slow")) == 2);
	assert_true(trace_world_figure(world, DECISIONS("sampled")) == 1);
	assert_true(trace_world_figure(world, DECISIONS("not_sampled")) == ENOUGH + 1);
}

static void excluded_paths_are_counted(void **state)
{
	static const char *const excluded[] = { "/health*" };
	struct trace_world *world = *state;
	struct exchange server;

	become_leaf(world);
	world->config.excluded = excluded;
	world->config.excluded_count = 1;
	trace_world_restart(world);
	become_leaf(world);
	server = make(world, SIDE_SERVER, 2, 10, SERVER_TID);
	server.http.path = (struct text){ "/healthz", 8 };
	serve(world, &server);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 0);
	assert_true(trace_world_figure(world, DECISIONS("excluded")) == 1);
}

static void a_client_on_this_host_decides(void **state)
{
	struct trace_world *world = *state;
	struct exchange client, server;

	world->config.ratio = 0;
	trace_world_restart(world);
	become_leaf(world);
	client = make(world, SIDE_CLIENT, 1, 10, 10000);
	server = trace_exchange(world, SIDE_SERVER, 2, 10, SERVER_TID, "/r/1");
	trace_world_begin(world, &client);
	serve(world, &server);
	trace_world_end(world, &client);
	assert_true(trace_world_figure(world, PARENTS("connection")) == 1);
	assert_false(trace_waiting(world->trace));
}

#define CASES 2000

static uint32_t next_random(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*random >> 33);
}

struct outcome {
	double figures[9];
	size_t spans;
	uint64_t ids; /* of all spans, added up */
};

/* One seed's exchanges, with interim responses, pipelined ones, and clients for some. */
static struct outcome play(struct trace_world *world, bool leaf)
{
	static const char *const names[] = { DECISIONS("sampled"),  DECISIONS("error"),       DECISIONS("slow"),
					     DECISIONS("excluded"), DECISIONS("not_sampled"), PARENTS("none"),
					     PARENTS("remote"),     PARENTS("connection"),    PARENTS("traceparent") };
	struct outcome outcome = { .ids = 0 };
	uint64_t random = 7;

	world->config.open_requests = leaf ? open_requests : NULL;
	trace_world_restart(world);
	for (uint32_t i = 0; i < CASES; i++) {
		uint32_t position = next_random(&random), kind = next_random(&random) % 8;
		struct exchange server = make(world, SIDE_SERVER, 2, position, SERVER_TID);
		struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, position, 10000, "/r/1");

		world->count = 0;
		server.http.status = next_random(&random) % 50 ? 200 : 503;
		server.response_position += kind == 0 ? 25 : 0; /* behind a 1xx */
		server.request_peer_position += kind == 1 ? 10 : 0;
		client.response_position = server.response_position;
		if (kind >= 6)
			trace_world_begin(world, &client);
		serve(world, &server);
		if (kind >= 6)
			trace_world_end(world, &client);
		trace_world_pass(world, 200 * MS);
		outcome.spans += world->count;
		for (size_t k = 0; k < world->count; k++)
			for (size_t b = 0; b < TRACE_ID_BYTES; b++)
				outcome.ids += (uint64_t)world->seen[k].span.trace_id[b] << (8 * (b % 8));
	}
	assert_int_equal(trace_wants_begin(world->trace, LEAF_TGID), !leaf);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		outcome.figures[i] = trace_world_figure(world, names[i]);
	return outcome;
}

static void a_leaf_says_the_same(void **state)
{
	struct trace_world *world = *state;
	struct outcome followed, leaf;

	world->config.ratio = 0.1;
	followed = play(world, false);
	leaf = play(world, true);
	for (size_t i = 0; i < sizeof(followed.figures) / sizeof(followed.figures[0]); i++)
		assert_true(followed.figures[i] == leaf.figures[i]);
	assert_int_equal(followed.spans, leaf.spans);
	assert_true(followed.spans > CASES / 20 && followed.ids == leaf.ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_leaf_is_told_of_like_any, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(the_first_call_of_a_leaf_has_its_parent, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(what_is_followed_is_not_followed_again, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(overlaps_that_have_ended_are_known, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(an_overlap_with_what_is_open_is_known, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(an_overlap_with_what_is_forgotten_is_doubted, setup,
						trace_world_teardown),
		cmocka_unit_test_setup_teardown(many_threads_are_believed, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(a_pipeline_is_no_overlap, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(a_hand_over_is_known, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(go_is_followed, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(what_is_always_told, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(excluded_paths_are_counted, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(a_client_on_this_host_decides, setup, trace_world_teardown),
		cmocka_unit_test_setup_teardown(a_leaf_says_the_same, setup, trace_world_teardown),
	};

	return cmocka_run_group_tests_name("trace_leaf", tests, NULL, NULL);
}
