/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map from ids to numbers, beside a plain array that says what must be in it: while it grows, while ids come and
 * go at random, at its limit, and without memory.
 * LINK: -Wl,--wrap=calloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/id_map.h"

#define IDS 500

static bool no_memory;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static void check_all(const struct id_map *map, const uint64_t *numbers)
{
	size_t count = 0;

	for (uint64_t id = 1; id <= IDS; id++) {
		uint64_t number = 0;

		assert_int_equal(id_map_find(map, id, &number), numbers[id] != 0);
		assert_int_equal(number, numbers[id]);
		count += numbers[id] != 0;
	}
	assert_int_equal(map->count, count);
}

static void comes_and_goes(void **state)
{
	uint64_t numbers[IDS + 1] = { 0 };
	unsigned int random = 1;
	struct id_map map;

	(void)state;
	id_map_init(&map, IDS);
	for (int i = 0; i < 20000; i++) {
		uint64_t id = 1 + (uint64_t)rand_r(&random) % IDS;

		/* Fuller, then emptier, then fuller again. */
		if (rand_r(&random) % 8 < ((i / 2000) % 2 ? 2 : 6)) {
			int error = id_map_insert(&map, id, (uint64_t)i + 1);

			assert_int_equal(error, numbers[id] ? -EEXIST : 0);
			numbers[id] = numbers[id] ? numbers[id] : (uint64_t)i + 1;
		} else {
			assert_int_equal(id_map_remove(&map, id), numbers[id] != 0);
			numbers[id] = 0;
		}
		if (i % 100 == 0)
			check_all(&map, numbers);
	}
	for (uint64_t id = 1; id <= IDS; id++)
		(void)id_map_remove(&map, id);
	assert_null(map.places);
	assert_false(id_map_remove(&map, 1));
	id_map_done(&map);
}

static void has_bounds(void **state)
{
	struct id_map map;
	uint64_t number;

	(void)state;
	id_map_init(&map, 3);
	assert_false(id_map_find(&map, 1, &number));
	assert_int_equal(id_map_insert(&map, 0, 1), -EINVAL);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(id_map_insert(&map, id, id), 0);
	assert_int_equal(id_map_insert(&map, 4, 4), -ENOSPC);
	assert_int_equal(id_map_insert(&map, 3, 4), -EEXIST);
	assert_false(id_map_find(&map, 0, &number));
	id_map_done(&map);
	id_map_done(NULL);
}

static void goes_without_memory(void **state)
{
	struct id_map map;
	uint64_t id = 0;
	uint64_t number;
	int error;

	(void)state;
	id_map_init(&map, IDS);
	no_memory = true;
	assert_int_equal(id_map_insert(&map, 1, 1), -ENOMEM);
	no_memory = false;
	assert_int_equal(id_map_insert(&map, ++id, 1), 0);
	no_memory = true;
	while ((error = id_map_insert(&map, id + 1, id + 1)) == 0)
		id++;
	no_memory = false;
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(map.count, id);
	for (; id > 0; id--) {
		assert_true(id_map_find(&map, id, &number));
		assert_int_equal(number, id);
	}
	id_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_and_goes),
		cmocka_unit_test(has_bounds),
		cmocka_unit_test(goes_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
