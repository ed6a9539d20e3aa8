/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one byte past an allocation, with nothing asserted. Seen to fail only if the tests are built with ASan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

static void must_be_stopped(void **state)
{
	volatile size_t past = 8;
	volatile char *bytes = calloc(1, 8);
	volatile char byte;

	(void)state;
	assert_non_null(bytes);
	byte = bytes[past];
	(void)byte;
	free((void *)bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(must_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
