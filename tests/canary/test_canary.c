/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test that must fail. The runner passes only if it sees this one fail: a suite that cannot fail proves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void passes(void **state)
{
	(void)state;
	assert_int_equal(1, 1);
}

static void must_fail(void **state)
{
	(void)state;
	assert_int_equal(1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes),
		cmocka_unit_test(must_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
