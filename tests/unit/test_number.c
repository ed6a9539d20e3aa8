/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict numbers: the edges of every range, and what lenient parsers would take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/number.h"

#define UNTOUCHED 77

/* Refuses, with this error, and leaves the result alone. */
#define REFUSES(function, type, text, error)                     \
	do {                                                     \
		type value = UNTOUCHED;                          \
		assert_int_equal(function(text, &value), error); \
		assert_true(value == UNTOUCHED);                 \
	} while (0)

#define TAKES(function, type, text, expected)                \
	do {                                                 \
		type value = UNTOUCHED;                      \
		assert_int_equal(function(text, &value), 0); \
		assert_true(value == (type)(expected));      \
	} while (0)

static void plain_numbers(void **state)
{
	(void)state;
	TAKES(number_u64, uint64_t, "0", 0);
	TAKES(number_u64, uint64_t, "18446744073709551615", UINT64_MAX);
	TAKES(number_u32, uint32_t, "4294967295", UINT32_MAX);
	REFUSES(number_u64, uint64_t, "18446744073709551616", -ERANGE);
	REFUSES(number_u64, uint64_t, "99999999999999999999999", -ERANGE);
	REFUSES(number_u64, uint64_t, "99999999999999999999999x", -EINVAL);
	REFUSES(number_u32, uint32_t, "4294967296", -ERANGE);
}

static void not_numbers(void **state)
{
	static const char *const texts[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "1,000", "one", "1\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		REFUSES(number_u64, uint64_t, texts[i], -EINVAL);
		REFUSES(number_u32, uint32_t, texts[i], -EINVAL);
		REFUSES(number_port, uint16_t, texts[i], -EINVAL);
	}
}

static void spans_end_where_told(void **state)
{
	uint64_t value = UNTOUCHED;

	(void)state;
	assert_int_equal(number_u64_span("12345", 3, &value), 0);
	assert_int_equal(value, 123);
	assert_int_equal(number_u64_span("12345", 0, &value), -EINVAL);
	assert_int_equal(number_u64_span("1\0002", 3, &value), -EINVAL);
	assert_int_equal(value, 123);
}

static void ports(void **state)
{
	(void)state;
	TAKES(number_port, uint16_t, "1", 1);
	TAKES(number_port, uint16_t, "65535", 65535);
	REFUSES(number_port, uint16_t, "0", -ERANGE);
	REFUSES(number_port, uint16_t, "65536", -ERANGE);
}

static void sizes(void **state)
{
	(void)state;
	TAKES(number_size, uint64_t, "0", 0);
	TAKES(number_size, uint64_t, "17", 17);
	TAKES(number_size, uint64_t, "17B", 17);
	TAKES(number_size, uint64_t, "64KiB", 65536);
	TAKES(number_size, uint64_t, "4MiB", 4 << 20);
	TAKES(number_size, uint64_t, "1GiB", UINT64_C(1) << 30);
	TAKES(number_size, uint64_t, "3TiB", UINT64_C(3) << 40);
	TAKES(number_size, uint64_t, "16777215TiB", UINT64_C(16777215) << 40);
	REFUSES(number_size, uint64_t, "16777216TiB", -ERANGE);
	REFUSES(number_size, uint64_t, "4MB", -EINVAL);
	REFUSES(number_size, uint64_t, "4M", -EINVAL);
	REFUSES(number_size, uint64_t, "4mib", -EINVAL);
	REFUSES(number_size, uint64_t, "4 MiB", -EINVAL);
	REFUSES(number_size, uint64_t, "1.5MiB", -EINVAL);
	REFUSES(number_size, uint64_t, "MiB", -EINVAL);
	REFUSES(number_size, uint64_t, "", -EINVAL);
}

static void durations(void **state)
{
	(void)state;
	TAKES(number_duration, uint64_t, "0", 0);
	TAKES(number_duration, uint64_t, "0s", 0);
	TAKES(number_duration, uint64_t, "3ns", 3);
	TAKES(number_duration, uint64_t, "2us", 2000);
	TAKES(number_duration, uint64_t, "5ms", 5000000);
	TAKES(number_duration, uint64_t, "15m", UINT64_C(900000000000));
	TAKES(number_duration, uint64_t, "1h30m", UINT64_C(5400000000000));
	TAKES(number_duration, uint64_t, "1d1h1m1s1ms1us1ns", UINT64_C(90061001001001));
	TAKES(number_duration, uint64_t, "213503d", UINT64_C(213503) * 86400 * 1000000000);
	REFUSES(number_duration, uint64_t, "213504d", -ERANGE);
	REFUSES(number_duration, uint64_t, "213503d24h", -ERANGE);
	REFUSES(number_duration, uint64_t, "5", -EINVAL);
	REFUSES(number_duration, uint64_t, "", -EINVAL);
	REFUSES(number_duration, uint64_t, "m", -EINVAL);
	REFUSES(number_duration, uint64_t, "5 m", -EINVAL);
	REFUSES(number_duration, uint64_t, "5min", -EINVAL);
	REFUSES(number_duration, uint64_t, "30m1h", -EINVAL); /* from the largest unit to the smallest */
	REFUSES(number_duration, uint64_t, "1m1m", -EINVAL);
	REFUSES(number_duration, uint64_t, "1h30", -EINVAL);
	REFUSES(number_duration, uint64_t, "-5m", -EINVAL);
}

static void booleans(void **state)
{
	static const char *const yes[] = { "true", "yes", "on", "1" }, *const no[] = { "false", "no", "off", "0" };
	static const char *const neither[] = { "", "TRUE", "t", "2", "true ", "enabled" };
	bool value;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		value = false;
		assert_int_equal(number_bool(yes[i], &value), 0);
		assert_true(value);
		assert_int_equal(number_bool(no[i], &value), 0);
		assert_false(value);
	}
	for (i = 0; i < sizeof(neither) / sizeof(neither[0]); i++)
		assert_int_equal(number_bool(neither[i], &value), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_numbers), cmocka_unit_test(not_numbers), cmocka_unit_test(spans_end_where_told),
		cmocka_unit_test(ports),         cmocka_unit_test(sizes),       cmocka_unit_test(durations),
		cmocka_unit_test(booleans),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
