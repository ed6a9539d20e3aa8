/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which waits are a major fault's, by what the kernel's counts say when the thread leaves its CPU next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/fault_wait.h"

#define MS 1000000ULL

/* The thread waits inside of a fault from `at` for `ms`; so many faults are over then. */
static void wait_for(struct fault_wait *wait, uint32_t major, uint32_t minor, uint64_t at, uint64_t ms)
{
	fault_wait_begin(wait, major, minor, at * MS);
	assert_true(fault_wait_is_open(wait));
	fault_wait_end(wait, (at + ms) * MS);
}

static void test_one_wait(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	assert_false(fault_wait_is_open(&wait));
	wait_for(&wait, 7, 100, 1000, 5);
	assert_true(fault_wait_is_open(&wait));
	assert_int_equal(fault_wait_settle(&wait, 8, 100), 5 * MS);
	assert_false(fault_wait_is_open(&wait));
	assert_int_equal(fault_wait_settle(&wait, 9, 100), 0);
}

/* For the blocks that say where the page is, then for the page; it may be preempted in between. */
static void test_several_waits_of_a_fault(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	wait_for(&wait, 7, 100, 1000, 5);
	assert_int_equal(fault_wait_settle(&wait, 7, 100), 0);
	wait_for(&wait, 7, 100, 1010, 20);
	assert_int_equal(fault_wait_settle(&wait, 7, 100), 0);
	assert_int_equal(fault_wait_settle(&wait, 8, 100), 25 * MS);
}

/* Many faults follow without a switch in between, of which none waits: fast disks, and minor ones. */
static void test_faults_that_do_not_wait(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	wait_for(&wait, 7, 100, 1000, 5);
	assert_int_equal(fault_wait_settle(&wait, 60, 900), 5 * MS);
	wait_for(&wait, 60, 900, 2000, 3);
	assert_int_equal(fault_wait_settle(&wait, 61, 900), 3 * MS);
}

/* One that waits for a page to be written, say, and was no major one. */
static void test_minor_fault(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	wait_for(&wait, 7, 100, 1000, 5);
	assert_int_equal(fault_wait_settle(&wait, 7, 101), 0);
	assert_false(fault_wait_is_open(&wait));
	wait_for(&wait, 7, 101, 2000, 3);
	assert_int_equal(fault_wait_settle(&wait, 8, 101), 3 * MS);
}

/* A switch that the program did not see: what is not known is not told. */
static void test_missed_switches(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	fault_wait_end(&wait, 500 * MS);
	assert_false(fault_wait_is_open(&wait));
	fault_wait_begin(&wait, 7, 100, 1000 * MS);
	assert_int_equal(fault_wait_settle(&wait, 9, 100), 0);
	fault_wait_end(&wait, 9000 * MS);
	assert_false(fault_wait_is_open(&wait));
}

/* The kernel's counts are kept by their lower half. */
static void test_counts_wrap(void **state)
{
	struct fault_wait wait = { 0 };

	(void)state;
	wait_for(&wait, UINT32_MAX, 100, 1000, 5);
	assert_int_equal(fault_wait_settle(&wait, 0, 100), 5 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_wait),
		cmocka_unit_test(test_several_waits_of_a_fault),
		cmocka_unit_test(test_faults_that_do_not_wait),
		cmocka_unit_test(test_minor_fault),
		cmocka_unit_test(test_missed_switches),
		cmocka_unit_test(test_counts_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
