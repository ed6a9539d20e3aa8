/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growable buffer: contents after growth, the limit to the byte, sticky errors, reuse after reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/buffer.h"

static void assert_holds(const struct buffer *buffer, const char *expected)
{
	assert_int_equal(buffer_error(buffer), 0);
	assert_int_equal(buffer->length, strlen(expected));
	assert_memory_equal(buffer->data, expected, strlen(expected));
}

static void empty_buffer_owns_nothing(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 10);
	buffer_append(&buffer, NULL, 0);
	assert_null(buffer.data);
	assert_int_equal(buffer.length, 0);
	assert_int_equal(buffer_error(&buffer), 0);
	buffer_done(&buffer);
	buffer_done(NULL);
}

static void pieces_follow_each_other(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 1000);
	buffer_append_string(&buffer, "ab");
	buffer_append_char(&buffer, 'c');
	buffer_append_uint(&buffer, 0);
	buffer_append_uint(&buffer, UINT64_MAX);
	buffer_printf(&buffer, "-%s-%d", "x", -5);
	assert_holds(&buffer, "abc018446744073709551615-x--5");
	buffer_done(&buffer);
}

static void growth_keeps_contents(void **state)
{
	struct buffer buffer;
	size_t i;

	(void)state;
	buffer_init(&buffer, 100000);
	for (i = 0; i < 25000; i++)
		buffer_append(&buffer, "wxyz", 4);
	assert_int_equal(buffer_error(&buffer), 0);
	assert_int_equal(buffer.length, 100000);
	for (i = 0; i < 100000; i++)
		assert_int_equal(buffer.data[i], "wxyz"[i % 4]);
	buffer_done(&buffer);
}

static void printf_longer_than_the_spare_room(void **state)
{
	struct buffer buffer;
	char text[1001];

	(void)state;
	memset(text, 'q', 1000);
	text[1000] = '\0';
	buffer_init(&buffer, 1000);
	buffer_printf(&buffer, "%s", text); /* exactly the limit: the terminating NUL does not count */
	assert_holds(&buffer, text);
	buffer_printf(&buffer, "%s", "");
	assert_int_equal(buffer_error(&buffer), 0);
	buffer_printf(&buffer, "%c", 'q');
	assert_int_equal(buffer_error(&buffer), -ENOBUFS);
	assert_int_equal(buffer.length, 1000);
	buffer_done(&buffer);
}

static void limit_holds_and_error_sticks(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 3);
	buffer_append_string(&buffer, "ab");
	buffer_append_string(&buffer, "cd"); /* whole or not at all */
	assert_int_equal(buffer_error(&buffer), -ENOBUFS);
	buffer_append_char(&buffer, 'c'); /* would fit */
	buffer_printf(&buffer, "c");
	assert_int_equal(buffer.length, 2);
	buffer_reset(&buffer);
	assert_int_equal(buffer_error(&buffer), 0);
	buffer_append_string(&buffer, "xyz");
	assert_holds(&buffer, "xyz");
	buffer_done(&buffer);
}

/* Under AddressSanitizer a refused allocation answers NULL, as malloc does, in place of ending the program. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Sizes that no allocator grants; nothing is read from the source then. Volatile: hides the size from the compiler. */
static void impossible_allocation_is_an_error(void **state)
{
	static const volatile size_t sizes[] = { SIZE_MAX - 1, SIZE_MAX / 2 - 100 };
	struct buffer buffer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buffer_init(&buffer, SIZE_MAX);
		buffer_append_char(&buffer, 'a');
		buffer_append(&buffer, "", sizes[i]);
		assert_int_equal(buffer_error(&buffer), -ENOMEM);
		assert_int_equal(buffer.length, 1);
		assert_int_equal(buffer.data[0], 'a');
		buffer_done(&buffer);
	}
}

static void zero_limit_takes_nothing(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 0);
	buffer_append_char(&buffer, 'a');
	assert_int_equal(buffer_error(&buffer), -ENOBUFS);
	buffer_done(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_buffer_owns_nothing),    cmocka_unit_test(pieces_follow_each_other),
		cmocka_unit_test(growth_keeps_contents),        cmocka_unit_test(printf_longer_than_the_spare_room),
		cmocka_unit_test(limit_holds_and_error_sticks), cmocka_unit_test(impossible_allocation_is_an_error),
		cmocka_unit_test(zero_limit_takes_nothing),
	};

	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
