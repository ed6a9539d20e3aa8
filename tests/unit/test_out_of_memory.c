/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of base and config fails once, in turn: an error comes back, nothing leaks (AddressSanitizer looks),
 * nothing crashes, and what should be untouched is. libyaml's own allocations are inside a shared library and are not
 * reached.
 */
/* LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/describe.h"
#include "tests/unit/config_world.h"

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
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return may_allocate() ? __real_reallocarray(old, count, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
	return may_allocate() ? __real_strdup(text) : NULL;
}

char *__wrap_strndup(const char *text, size_t length)
{
	return may_allocate() ? __real_strndup(text, length) : NULL;
}

static void configuration(void **state)
{
	struct config_world *world = *state;
	long allowed;

	config_world_file("log: {level: debug}\nselect: {exe: [a, b, c], port: [1, 2]}\nignore: {port: []}\n");
	for (allowed = 0; allowed < 1000; allowed++) {
		allocations_left = allowed;
		config_world_load(world, FLAGS("--config.file=sonde.yaml", "--select.exe=d", "--log.format", "json"),
				  VARIABLES("SONDE_SELECT_PID=1,2,3", "SONDE_BACKEND=kprobe"));
		allocations_left = LONG_MAX;
		if (!world->result)
			break;
		assert_int_equal(world->result, -ENOMEM);
		assert_string_equal(world->error, "out of memory while reading the configuration");
		assert_null(world->config.log_level);
	}
	assert_in_range(allowed, 50, 999); /* that many failed, one after the other; then it was enough */
	assert_string_equal(world->config.log_level, "debug");
}

/* The answer to a bad value needs memory too: without it, it is about memory. */
static void refusal(void **state)
{
	struct config_world *world = *state;
	long allowed, refused = 0;

	for (allowed = 0; allowed < 1000 && !refused; allowed++) {
		allocations_left = allowed;
		config_world_load(world, FLAGS("--log.level=loud"), VARIABLES());
		allocations_left = LONG_MAX;
		refused = world->result == -EINVAL;
		if (!refused)
			assert_int_equal(world->result, -ENOMEM);
	}
	assert_true(refused);
	assert_non_null(strstr(world->error, "loud"));
}

static void description(void **state)
{
	struct config_world *world = *state;
	struct buffer text;

	config_world_load(world, FLAGS(), VARIABLES());
	assert_int_equal(world->result, 0);
	buffer_init(&text, 65536);
	allocations_left = 1;
	config_describe_effective(&world->config, &text);
	allocations_left = LONG_MAX;
	assert_int_equal(buffer_error(&text), -ENOMEM);
	buffer_done(&text);
	buffer_init(&text, 100); /* the other way to fail */
	config_describe_markdown(&text);
	assert_int_equal(buffer_error(&text), -ENOBUFS);
	buffer_done(&text);
}

static void hash_table(void **state)
{
	struct hash_node nodes[65];
	struct hash_table table;
	size_t i;

	(void)state;
	hash_table_init(&table, 1000);
	allocations_left = 0;
	assert_int_equal(hash_table_insert(&table, &nodes[0], 1), -ENOMEM);
	assert_int_equal(table.count, 0);
	allocations_left = 1;
	for (i = 0; i < 64; i++)
		assert_int_equal(hash_table_insert(&table, &nodes[i], i * 0x9e3779b9), 0);
	assert_int_equal(hash_table_insert(&table, &nodes[64], 64), -ENOMEM);
	allocations_left = LONG_MAX;
	assert_int_equal(table.count, 64);
	assert_int_equal(hash_table_insert(&table, &nodes[64], 64), 0);
	assert_int_equal(table.count, 65);
	hash_table_done(&table);
}

static void on_timer(void *ctx)
{
	(void)ctx;
}

static void event_loop(void **state)
{
	struct loop_source *source = NULL;
	struct loop *loop = NULL;

	(void)state;
	allocations_left = 0;
	assert_int_equal(loop_new(&loop), -ENOMEM);
	assert_null(loop);
	allocations_left = 1;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_add_timer(loop, 1, on_timer, NULL, &source), -ENOMEM);
	allocations_left = LONG_MAX;
	assert_null(source);
	loop_free(loop);
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(configuration),   CONFIG_TEST(refusal),         CONFIG_TEST(description),
		cmocka_unit_test(hash_table), cmocka_unit_test(event_loop),
	};

	return cmocka_run_group_tests_name("out_of_memory", tests, NULL, NULL);
}
