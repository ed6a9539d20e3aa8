/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of trace fails once, in turn, while a chain of requests is told: nothing crashes, nothing leaks
 * (AddressSanitizer looks), no parent is wrong, and an exchange that is not told is counted. Then the bounds.
 */
/* LINK: -Wl,--wrap=malloc,--wrap=calloc */
#include "trace_world.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "trace/ids.h"
#include "trace/internal.h"

static long allocations_left = LONG_MAX;

static bool may_allocate(void)
{
	if (!allocations_left)
		return false;
	if (allocations_left != LONG_MAX)
		allocations_left--;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

static void play(struct trace_world *world)
{
	struct exchange client = trace_exchange(world, SIDE_CLIENT, 1, 10, 100, "/r/1");
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	struct exchange late = trace_exchange(world, SIDE_SERVER, 4, 30, 300, "/r/1");

	client.http.traceparent = (struct text){ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 55 };
	client.http.tracestate = (struct text){ "a=1", 3 };
	trace_world_begin(world, &client);
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_begin(world, &late);
	trace_world_end(world, &late); /* is held */
	trace_world_end(world, &call);
	trace_world_end(world, &server);
	trace_world_end(world, &client);
	trace_world_pass(world, 0);
}

static void allocations_fail(void **state)
{
	struct trace_world *world = *state;
	bool failed = true;

	for (long n = 0; failed; n++) {
		size_t untold;

		assert_true(n < 1000);
		trace_world_restart(world);
		allocations_left = n;
		play(world);
		failed = allocations_left == 0;
		allocations_left = LONG_MAX;
		untold = (size_t)trace_world_figure(world, "sonde_trace_not_followed_total");
		assert_true(world->count <= 4);
		assert_true(world->count + untold >= 4);
		for (size_t i = 0; i < world->count; i++)
			if (world->seen[i].span.has_parent && world->seen[i].span.kind == SPAN_KIND_CLIENT &&
			    world->seen[i].span.tgid == 2)
				assert_int_equal(world->seen[i].span.parent_is_remote, 0);
	}
	assert_int_equal(world->count, 4);
}

static void a_new_one_may_fail(void **state)
{
	struct trace_world *world = *state;
	struct trace *trace = NULL;

	allocations_left = 0;
	assert_int_equal(trace_new(&world->config, &trace), -ENOMEM);
	allocations_left = LONG_MAX;
	assert_null(trace);
	trace_free(NULL);
}

static void calls_have_a_bound(void **state)
{
	struct trace_world *world = *state;

	world->config.calls_max = 3;
	trace_world_restart(world);
	for (uint32_t i = 0; i < 5; i++) {
		struct exchange server = trace_exchange(world, SIDE_SERVER, 2 + i, 10 * i, 200 + i, "/r/1");

		trace_world_begin(world, &server);
	}
	assert_true(trace_world_figure(world, "sonde_trace_calls") == 3);
	assert_true(trace_world_figure(world, "sonde_trace_not_followed_total") == 2);
}

static void what_is_held_has_a_bound(void **state)
{
	struct trace_world *world = *state;

	world->config.held_bytes_max = 3000;
	trace_world_restart(world);
	for (uint32_t i = 0; i < 10; i++) {
		struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10 * i, 200, "/r/1");

		trace_world_begin(world, &server);
		trace_world_end(world, &server);
		assert_true(trace_world_figure(world, "sonde_trace_held_bytes") <= 3000);
	}
	assert_true(world->count > 5);
	assert_true(trace_world_figure(world, "sonde_trace_released_early_total") == (double)world->count);
}

static void serve(struct trace_world *world, uint32_t i)
{
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2 + i, 10 * i, 200 + i, "/r/1");

	trace_world_begin(world, &server);
	trace_world_end(world, &server);
}

/* Threads that serve nothing are remembered up to a bound, and for a while: serving again allocates nothing. */
static void idle_threads_have_a_bound(void **state)
{
	struct trace_world *world = *state;

	world->config.ratio = 0;
	world->config.calls_max = 8;
	trace_world_restart(world);
	for (uint32_t i = 0; i < 5000; i++)
		serve(world, i);
	assert_in_range(world->trace->strands.count, 1000, 4200);
	assert_int_equal(world->trace->idle_strands, world->trace->strands.count);
	trace_world_pass(world, 61000 * MS);
	assert_in_range(world->trace->strands.count, 1000, 4200);
	for (uint32_t i = 0; i < 3; i++)
		serve(world, i);
	trace_world_pass(world, 61000 * MS);
	assert_int_equal(world->trace->strands.count, 3);
	allocations_left = 0;
	for (uint32_t i = 0; i < 3; i++)
		serve(world, i);
	allocations_left = LONG_MAX;
	assert_true(trace_world_figure(world, "sonde_trace_not_followed_total") == 0);
	trace_world_pass(world, 61000 * MS);
	trace_world_pass(world, 61000 * MS);
	assert_int_equal(world->trace->strands.count, 0);
	assert_int_equal(world->trace->idle_strands, 0);
}

/* A root that is not told has an id all the same, when something below it is. */
static void what_is_below_an_untold_root(void **state)
{
	struct trace_world *world = *state;
	struct exchange server = trace_exchange(world, SIDE_SERVER, 2, 10, 200, "/r/1");
	struct exchange call = trace_exchange(world, SIDE_CLIENT, 3, 20, 200, "/r/1");
	uint8_t trace_id[TRACE_ID_BYTES];

	world->config.ratio = 0;
	trace_world_restart(world);
	call.http.status = 500;
	trace_world_begin(world, &server);
	trace_world_begin(world, &call);
	trace_world_end(world, &server);
	assert_int_equal(world->count, 0);
	trace_world_end(world, &call);
	trace_world_pass(world, 0);
	assert_int_equal(world->count, 1);
	ids_trace(server.request_position, server.response_position, trace_id);
	assert_memory_equal(world->seen[0].span.trace_id, trace_id, TRACE_ID_BYTES);
	assert_true(world->seen[0].span.has_parent);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, trace_world_setup, trace_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(allocations_fail),         TEST(a_new_one_may_fail),        TEST(calls_have_a_bound),
		TEST(what_is_held_has_a_bound), TEST(idle_threads_have_a_bound), TEST(what_is_below_an_untold_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
