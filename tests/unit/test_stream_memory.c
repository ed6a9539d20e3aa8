/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of stream fails in turn, alone and with all that follow: nothing leaks (AddressSanitizer looks), the
 * gauge comes back to zero, and what was not kept is told.
 */
/* LINK: -Wl,--wrap=malloc,--wrap=calloc */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "stream_world.h"

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

static void open_named(struct world *world)
{
	struct connection_open opened = {
		.conn_id = 1, .from_start = true, .position = { 1000, 2000 }, .local.path = "/a/path"
	};

	stream_on_open(world->table, &opened);
}

/* First bytes split, a hole that is filled, a response before its request, a hole that stays. */
static void live(struct world *world)
{
	open_named(world);
	world_receive(world, "Q");
	world_receive(world, "000000");
	world_segment(world, DIRECTION_RECEIVE, 1010, "0000");
	world_segment(world, DIRECTION_RECEIVE, 1007, "Q00");
	world->position[0] = 1014;
	world_send(world, "R000000R000000R000000");
	world_receive(world, "Q000000");
	world_segment(world, DIRECTION_RECEIVE, 1031, "Q000000");
	world_end(world, END_CLOSED, END_NORMAL);
	world_outwait(world);
}

static void each_allocation_fails(void **state)
{
	struct world world;
	long n;

	(void)state;
	for (n = 0; n < 24; n++) {
		world_init(&world);
		failure = (struct failure){ .after = n / 2, .lasts = n % 2 };
		live(&world);
		failure = (struct failure){ .after = LONG_MAX };
		assert_int_equal(world.active, 0);
		assert_int_equal(stream_table_connections(world.table), 0);
		assert_int_equal(stream_table_bytes(world.table), 0);
		if (world.exchange_count < 3) {
			const struct stream_losses *losses = stream_table_losses(world.table);

			assert_true(losses->no_room_connections > 0 || world.report_count > 0 ||
				    world_steps(&world, STEP_GAP) > 0);
		}
		world_done(&world);
	}
}

static void no_connection_is_told(void **state)
{
	struct world world;
	unsigned int n;

	(void)state;
	for (n = 0; n < 3; n++) { /* the connection, its rest, the table */
		world_init(&world);
		failure = (struct failure){ .after = n };
		open_named(&world);
		failure = (struct failure){ .after = LONG_MAX };
		assert_int_equal(stream_table_connections(world.table), 0);
		assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
		assert_int_equal(world.reports[0].reason, UNPARSED_NO_ROOM);
		assert_int_equal(world.mute_count, 1);
		world_done(&world);
	}
}

static void no_parser_is_told(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	failure = (struct failure){ .after = 0 };
	world_receive(&world, "Q000000");
	failure = (struct failure){ .after = LONG_MAX };
	assert_int_equal(stream_table_losses(world.table)->no_room_connections, 1);
	assert_int_equal(world.report_count, 1);
	assert_int_equal(world.reports[0].reason, UNPARSED_NO_ROOM);
	assert_int_equal(world.reports[0].bytes[DIRECTION_RECEIVE], 7);
	world_done(&world);
}

/* What is in good order holds nothing that only ends and holes need; without memory for that nothing is waited for. */
static void ends_without_memory(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	world_open(&world);
	world_receive(&world, "Q000000");
	world_send(&world, "R000000");
	world_receive(&world, "Q000000");
	failure = (struct failure){ .after = 0, .lasts = true };
	world_end(&world, END_RECEIVE, END_NORMAL);
	world_send(&world, "R000000");
	world_receive(&world, "Q000000");
	world_end(&world, END_CLOSED, END_RESET);
	failure = (struct failure){ .after = LONG_MAX };
	assert_int_equal(stream_table_connections(world.table), 0);
	assert_int_equal(world.exchange_count, 3);
	assert_int_equal(world.exchanges[1].error, EXCHANGE_COMPLETE);
	assert_int_equal(world.exchanges[2].error, EXCHANGE_CONNECTION_RESET);
	assert_int_equal(world.active, 0);
	world_done(&world);
}

static void no_table(void **state)
{
	struct stream_config config = { .max_connections = 1 };
	struct stream_callbacks callbacks = { 0 };
	struct stream_table *table = NULL;

	(void)state;
	failure = (struct failure){ .after = 0 };
	assert_int_equal(stream_table_new(&config, &callbacks, &table), -ENOMEM);
	failure = (struct failure){ .after = LONG_MAX };
	assert_null(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails),
		cmocka_unit_test(no_connection_is_told),
		cmocka_unit_test(no_parser_is_told),
		cmocka_unit_test(ends_without_memory),
		cmocka_unit_test(no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
