/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of the HTTP/1 parser fails in turn, alone and with all that follow: nothing leaks (AddressSanitizer
 * looks), nothing wrong is told, what is missing is counted, and the gauge comes back to zero.
 */
/* LINK: -Wl,--wrap=malloc,--wrap=calloc */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1_world.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define LONG_PATH                                                                                              \
	"/a/path/of/more/than/a/hundred/bytes/so/that/it/does/not/fit/into/the/slot/of/its/request/but/needs/" \
	"memory/of/its/own"

struct failure {
	long after; /* allocations that succeed */
	bool lasts;
};

static struct failure failure = { .after = LONG_MAX };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool fails(void)
{
	if (failure.after > 0) {
		failure.after--;
		return false;
	}
	if (!failure.lasts)
		failure.after = LONG_MAX;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

/* As stream: what is lost is told, and the rest of the segment passed over. */
static void offer(struct http1_world *world, enum proto_flow flow, const char *text)
{
	enum proto_status status = http1_world_text(world, flow, text);

	if (status == PROTO_WAIT) {
		world->no_wait = true;
		status = http1_world_text(world, flow, text + world->consumed);
		world->no_wait = false;
	}
	if (status == PROTO_LOST) {
		world->offset[flow] += strlen(text) - world->consumed;
		http1_ops.lost(world->state, &world->sink, flow);
	}
}

/* A split head, a long path, a long host behind it, a pipeline that grows, a body behind Expect. */
static void live(struct http1_world *world)
{
	offer(world, FLOW_REQUEST, "GET /1 HTTP/1.1\r\nHo");
	offer(world, FLOW_REQUEST, "st: h\r\n\r\n");
	offer(world, FLOW_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Le");
	offer(world, FLOW_RESPONSE, "ngth: 0\r\n\r\n");
	offer(world, FLOW_REQUEST, "GET " LONG_PATH " HTTP/1.1\r\nHost: h\r\n\r\n");
	offer(world, FLOW_RESPONSE, OK);
	for (int i = 0; i < 10; i++)
		offer(world, FLOW_REQUEST, "GET /p HTTP/1.1\r\nHost: " LONG_PATH "\r\n\r\n");
	for (int i = 0; i < 10; i++)
		offer(world, FLOW_RESPONSE, OK);
	offer(world, FLOW_REQUEST, "PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
	offer(world, FLOW_RESPONSE, OK);
	offer(world, FLOW_REQUEST, "some data");
	offer(world, FLOW_REQUEST, "GET /cut");
	http1_world_close(world, END_NORMAL);
}

static bool known_path(const char *path)
{
	return !strcmp(path, "/1") || !strcmp(path, LONG_PATH) || !strcmp(path, "/p") || !strcmp(path, "/e") || !*path;
}

static void play(long after, bool lasts, size_t whole)
{
	struct http1_world world;
	uint64_t counted = 0;

	http1_world_init(&world, 1000);
	failure = (struct failure){ after, lasts };
	live(&world);
	failure.after = LONG_MAX;
	for (int reason = 0; reason < STEP_REASON_COUNT; reason++)
		counted += world.losses.out_of_step[reason];
	for (size_t i = 0; i < world.seen_count; i++) {
		assert_true(known_path(world.seen[i].path));
		assert_true(world.seen[i].exchange.http.status == 200 ||
			    world.seen[i].exchange.error != EXCHANGE_COMPLETE);
	}
	assert_true(world.seen_count <= whole);
	if (world.seen_count < whole)
		assert_true(counted > 0);
	http1_world_done(&world);
}

static void test_every_failure(void **state)
{
	struct http1_world world;
	long allocations;
	size_t whole;

	(void)state;
	http1_world_init(&world, 1000);
	failure.after = LONG_MAX;
	live(&world);
	allocations = LONG_MAX - failure.after;
	whole = world.seen_count;
	http1_world_done(&world);
	assert_int_equal(whole, 14);
	assert_in_range(allocations, 10, 100);
	for (long after = 0; after < allocations; after++) {
		play(after, false, whole);
		play(after, true, whole);
	}
	play(LONG_MAX, false, whole);
}

static void test_state(void **state)
{
	(void)state;
	failure = (struct failure){ 0, true };
	assert_null(http1_ops.state_new());
	failure.after = LONG_MAX;
	http1_ops.state_free(NULL);
}

/* An ordinary exchange allocates nothing. */
static void test_no_allocation(void **state)
{
	struct http1_world world;

	(void)state;
	http1_world_init(&world, 1000);
	failure = (struct failure){ 0, true };
	for (int i = 0; i < 100; i++) {
		request(&world, "GET /path/of/usual/length?query=string HTTP/1.1\r\nHost: example.com:8080\r\n\r\n");
		response(&world, OK);
	}
	http1_world_close(&world, END_NORMAL);
	failure.after = LONG_MAX;
	assert_int_equal(world.seen_count, 100);
	http1_world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_no_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
