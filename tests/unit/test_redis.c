/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis's parser where golden cases are too small: pipelines of a hundred thousand commands, what they cost, what an
 * ordinary call costs (nothing), connections that are older than the agent, and every allocation refused in turn.
 * LINK: -Wl,--wrap=malloc,--wrap=calloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/redis_internal.h"

#define GET "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define PING "*1\r\n$4\r\nPING\r\n"
#define DEEP 100000

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

struct world {
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	uint64_t now_ns;
	uint32_t position[2];
	size_t told;
	size_t hits;
	size_t errors;
	char name_space[16]; /* of the last one */
	uint64_t duration_ns;
	size_t memory_max;
	size_t begun;
	struct exchange begin; /* the last one */
};

static void on_exchange(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	world->told++;
	world->hits += exchange->db.hits;
	world->errors += exchange->error != EXCHANGE_COMPLETE;
	world->duration_ns = exchange->response_last_ns - exchange->request_first_ns;
	assert_true(exchange->db.name_space.length < sizeof(world->name_space));
	memcpy(world->name_space, exchange->db.name_space.data, exchange->db.name_space.length);
	world->name_space[exchange->db.name_space.length] = '\0';
}

static void on_skip_until(void *ctx, enum proto_flow flow, uint32_t position)
{
	(void)ctx;
	(void)flow;
	(void)position;
}

static void on_active(void *ctx, enum http_method method, int change)
{
	(void)ctx;
	(void)method;
	(void)change;
	fail();
}

static void on_begin(void *ctx, struct exchange *exchange)
{
	struct world *world = ctx;

	world->begun++;
	world->begin = *exchange;
}

static void world_init(struct world *world)
{
	*world = (struct world){ .now_ns = 100, .position = { 1000, 5000 }, .state = redis_ops.state_new() };
	world->sink = (struct proto_sink){
		.ctx = world,
		.exchange = on_exchange,
		.begin = on_begin,
		.skip_until = on_skip_until,
		.active = on_active,
		.losses = &world->losses,
	};
	assert_non_null(world->state);
}

static void world_done(struct world *world, enum connection_end_reason reason)
{
	redis_ops.close(world->state, &world->sink, reason, world->now_ns);
	redis_ops.state_free(world->state);
}

static enum proto_status offer(struct world *world, enum proto_flow flow, const char *text, size_t length)
{
	struct proto_chunk chunk = {
		.data = (const uint8_t *)text,
		.length = length,
		.time_ns = world->now_ns,
		.tgid = 1,
		.tid = 1,
		.goroutine = 7,
		.position = world->position[flow],
		.peer_position = world->position[!flow],
	};
	size_t consumed, memory;
	enum proto_status status = redis_ops.feed(world->state, &world->sink, flow, &chunk, &consumed);

	world->now_ns += 10;
	world->position[flow] += (uint32_t)consumed;
	memory = redis_ops.memory(world->state);
	world->memory_max = memory > world->memory_max ? memory : world->memory_max;
	return status;
}

/* As stream: what is lost is told, and the rest of the segment passed over. */
static enum proto_status say(struct world *world, enum proto_flow flow, const char *text)
{
	uint32_t end = world->position[flow] + (uint32_t)strlen(text);
	enum proto_status status = offer(world, flow, text, strlen(text));

	if (status == PROTO_LOST) {
		world->position[flow] = end;
		redis_ops.lost(world->state, &world->sink, flow);
	}
	return status;
}

static uint64_t counted(const struct world *world)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < STEP_REASON_COUNT; reason++)
		sum += world->losses.out_of_step[reason];
	return sum;
}

static void a_hundred_thousand_commands_wait(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	for (int i = 0; i < DEEP; i++)
		assert_int_equal(say(&world, FLOW_REQUEST, GET), PROTO_OK);
	/* 12 bytes and a call of their own for each. */
	assert_true(world.memory_max < 128 * (12 + 32) * 1024 * 2);
	for (int i = 0; i < DEEP; i++)
		assert_int_equal(say(&world, FLOW_RESPONSE, "$1\r\nv\r\n"), PROTO_OK);
	assert_int_equal(world.told, DEEP);
	assert_int_equal(world.hits, DEEP);
	assert_int_equal(world.duration_ns, DEEP * 10);
	assert_int_equal(counted(&world), 0);
	assert_int_equal(redis_ops.memory(world.state), sizeof(struct redis_state)); /* and all is given back */
	world_done(&world, END_NORMAL);
}

static void more_than_can_be_kept_waits_then_is_counted(void **state)
{
	struct world world;
	struct proto_chunk chunk;
	size_t consumed;

	(void)state;
	world_init(&world);
	for (unsigned i = 0; i < REDIS_OPEN_MAX; i++)
		assert_int_equal(say(&world, FLOW_REQUEST, PING), PROTO_OK);
	assert_int_equal(say(&world, FLOW_REQUEST, PING), PROTO_WAIT);
	assert_int_equal(say(&world, FLOW_RESPONSE, "+PONG\r\n"), PROTO_OK);
	assert_int_equal(say(&world, FLOW_REQUEST, PING), PROTO_OK);
	chunk = (struct proto_chunk){ .data = (const uint8_t *)PING,
				      .length = strlen(PING),
				      .time_ns = 7,
				      .position = world.position[FLOW_REQUEST],
				      .no_wait = true };
	assert_int_equal(redis_ops.feed(world.state, &world.sink, FLOW_REQUEST, &chunk, &consumed), PROTO_LOST);
	assert_int_equal(world.losses.out_of_step[STEP_PIPELINE_FULL], 1);
	world_done(&world, END_RESET);
}

static void an_ordinary_call_allocates_nothing(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	failure = (struct failure){ 0, true };
	for (int i = 0; i < 100; i++) {
		assert_int_equal(say(&world, FLOW_REQUEST, GET GET GET GET), PROTO_OK);
		assert_int_equal(say(&world, FLOW_RESPONSE, "$-1\r\n$-1\r\n$-1\r\n$1\r\nv\r\n"), PROTO_OK);
	}
	failure.after = LONG_MAX;
	assert_int_equal(world.told, 400);
	assert_int_equal(world.hits, 100);
	assert_int_equal(counted(&world), 0);
	assert_true(world.memory_max <= 512);
	world_done(&world, END_NORMAL);
}

/* Database and what is on its way are not known; a client that reads all replies before it goes on is sure after a few.
 */
static void an_old_connection_is_trusted_by_and_by(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	redis_ops.joined(world.state);
	for (int i = 0; i < 10; i++) {
		say(&world, FLOW_REQUEST, GET GET);
		say(&world, FLOW_RESPONSE, "$1\r\nv\r\n$1\r\nv\r\n");
	}
	assert_int_equal(world.told + counted(&world), 20);
	assert_in_range(world.told, 12, 16);
	assert_string_equal(world.name_space, "");
	say(&world, FLOW_REQUEST, "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n" GET);
	say(&world, FLOW_RESPONSE, "+OK\r\n$-1\r\n");
	assert_string_equal(world.name_space, "12");
	world_done(&world, END_NORMAL);
}

static void a_client_that_mixes_is_never_trusted(void **state)
{
	struct world world;
	size_t told;

	(void)state;
	world_init(&world);
	say(&world, FLOW_REQUEST, GET GET);
	for (int i = 0; i < 5; i++) {
		say(&world, FLOW_RESPONSE, "$1\r\nv\r\n");
		say(&world, FLOW_REQUEST, GET);
	}
	told = world.told;
	assert_int_equal(told, 5);
	redis_ops.lost(world.state, &world.sink, FLOW_RESPONSE);
	for (int i = 0; i < 20; i++) {
		say(&world, FLOW_RESPONSE, "$1\r\nv\r\n");
		say(&world, FLOW_REQUEST, GET);
	}
	assert_int_equal(world.told, told);
	assert_int_equal(counted(&world), 20);
	world_done(&world, END_NORMAL);
}

/* A pipeline that grows, and a transaction. */
static void live(struct world *world)
{
	const char *nulls = "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n";

	for (int i = 0; i < 12; i++)
		say(world, FLOW_REQUEST, PING);
	for (int i = 0; i < 12; i++)
		say(world, FLOW_RESPONSE, "+PONG\r\n");
	say(world, FLOW_REQUEST, "*1\r\n$5\r\nMULTI\r\n");
	say(world, FLOW_RESPONSE, "+OK\r\n");
	for (int i = 0; i < 20; i++) {
		say(world, FLOW_REQUEST, GET);
		say(world, FLOW_RESPONSE, "+QUEUED\r\n");
	}
	say(world, FLOW_REQUEST, "*1\r\n$4\r\nEXEC\r\n");
	say(world, FLOW_RESPONSE, "*20\r\n");
	for (int i = 0; i < 4; i++)
		say(world, FLOW_RESPONSE, nulls);
}

static void play(long after, bool lasts, size_t whole)
{
	struct world world;

	world_init(&world);
	failure = (struct failure){ after, lasts };
	live(&world);
	failure.after = LONG_MAX;
	world_done(&world, END_NORMAL);
	assert_true(world.told <= whole);
	if (world.told < whole)
		assert_true(counted(&world) > 0);
}

static void every_refused_allocation(void **state)
{
	struct world world;
	long allocations;

	(void)state;
	world_init(&world);
	failure.after = LONG_MAX;
	live(&world);
	allocations = LONG_MAX - failure.after;
	world_done(&world, END_NORMAL);
	assert_int_equal(world.told, 12 + 1 + 20 + 1);
	assert_in_range(allocations, 4, 40);
	for (long after = 0; after < allocations; after++) {
		play(after, false, 34);
		play(after, true, 34);
	}
	failure = (struct failure){ 0, true };
	assert_null(redis_ops.state_new());
	failure.after = LONG_MAX;
	redis_ops.state_free(NULL);
}

/* A command alone on its connection, when it is whole; of a pipeline the first. */
static void beginnings_are_told_of_commands_that_are_alone(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	say(&world, FLOW_REQUEST, "*2\r\n$3\r\nGET\r\n$1\r");
	assert_int_equal(world.begun, 0);
	say(&world, FLOW_REQUEST, "\nk\r\n");
	assert_int_equal(world.begun, 1);
	assert_int_equal(world.begin.request_position, 1000);
	assert_int_equal(world.begin.request_peer_position, 5000);
	assert_int_equal(world.begin.goroutine, 7);
	say(&world, FLOW_RESPONSE, "$-1\r\n");
	say(&world, FLOW_REQUEST, "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
	say(&world, FLOW_RESPONSE, "+PONG\r\n+PONG\r\n");
	assert_int_equal(world.begun, 2);
	assert_int_equal(world.told, 3);
	world_done(&world, END_NORMAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_commands_wait),
		cmocka_unit_test(more_than_can_be_kept_waits_then_is_counted),
		cmocka_unit_test(an_ordinary_call_allocates_nothing),
		cmocka_unit_test(an_old_connection_is_trusted_by_and_by),
		cmocka_unit_test(a_client_that_mixes_is_never_trusted),
		cmocka_unit_test(every_refused_allocation),
		cmocka_unit_test(beginnings_are_told_of_commands_that_are_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
