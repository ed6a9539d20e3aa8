/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of the exposition: Go's shortest form for bounds, integers for integral values, and that whatever is written
 * reads back as the same double.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/prometheus/decimal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct expectation {
	double value;
	const char *text;
};

static void check(size_t length, const char *actual, const char *expected)
{
	char text[DECIMAL_SIZE + 1];

	assert_in_range(length, 1, DECIMAL_SIZE);
	memcpy(text, actual, length);
	text[length] = 0;
	assert_string_equal(text, expected);
}

static void test_values(void **state)
{
	static const struct expectation table[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1, "1" },
		{ -7, "-7" },
		{ 1000000, "1000000" },
		{ 4294967296, "4294967296" },
		{ 9007199254740991, "9007199254740991" },
		{ 9007199254740992, "9.007199254740992e+15" },
		{ 1e300, "1e+300" },
		{ 0.1, "0.1" },
		{ 0.25, "0.25" },
		{ -0.5, "-0.5" },
		{ 12.5, "12.5" },
		{ 0.000156213, "0.000156213" },
		{ 123456.789, "123456.789" },
		{ 1234567.5, "1.2345675e+06" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 2.2250738585072014e-308, "2.2250738585072014e-308" },
		{ (double)INFINITY, "+Inf" },
		{ -(double)INFINITY, "-Inf" },
		{ (double)NAN, "NaN" },
	};
	char text[DECIMAL_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		check(decimal_value(table[i].value, text), text, table[i].text);
}

/* As strconv.FormatFloat(x, 'g', -1, 64) writes them: what client_golang puts into `le`. */
static void test_bounds(void **state)
{
	static const struct {
		double bound;
		const char *text;
		const char *float_form;
	} table[] = {
		{ 0, "0", "0.0" },
		{ 0.005, "0.005", "0.005" },
		{ 0.00005, "5e-05", "5e-05" },
		{ 0.0001, "0.0001", "0.0001" },
		{ 0.075, "0.075", "0.075" },
		{ 1, "1", "1.0" },
		{ 2.5, "2.5", "2.5" },
		{ 10, "10", "10.0" },
		{ 100000, "100000", "100000.0" },
		{ 123456, "123456", "123456.0" },
		{ 1000000, "1e+06", "1e+06" },
		{ 1048576, "1.048576e+06", "1.048576e+06" },
		{ 104857600, "1.048576e+08", "1.048576e+08" },
		{ -1, "-1", "-1.0" },
		{ (double)INFINITY, "+Inf", "+Inf" },
	};
	char text[DECIMAL_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		check(decimal_bound(table[i].bound, false, text), text, table[i].text);
		check(decimal_bound(table[i].bound, true, text), text, table[i].float_form);
	}
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void reads_back(double value)
{
	char text[DECIMAL_SIZE + 1];
	size_t length = decimal_value(value, text);

	assert_in_range(length, 1, DECIMAL_SIZE);
	text[length] = 0;
	assert_true(strtod(text, NULL) == value);
}

/* Digits before the exponent, without sign, point and leading zeros. */
static size_t significant_digits(const char *text, size_t length)
{
	size_t digits = 0;

	for (size_t i = 0; i < length && text[i] != 'e'; i++)
		if (text[i] >= '0' && text[i] <= '9' && (digits || text[i] != '0'))
			digits++;
	return digits;
}

static void test_any_double_reads_back(void **state)
{
	uint64_t seed = 0x9E3779B97F4A7C15, bits;
	double value;

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		bits = next_random(&seed);
		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			reads_back(value);
	}
}

/* Sums of nanoseconds take the way without printf: they must come out as short as printf's shortest. */
static void test_nanoseconds_are_shortest(void **state)
{
	uint64_t seed = 42;
	char text[DECIMAL_SIZE], shortest[40];
	double value;

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		value = (double)(next_random(&seed) % 10000000000000000) / 1e9;
		for (int precision = 1; precision <= 17; precision++) {
			snprintf(shortest, sizeof(shortest), "%.*e", precision - 1, value);
			if (strtod(shortest, NULL) == value)
				break;
		}
		reads_back(value);
		assert_true(value == (double)(uint64_t)value || significant_digits(text, decimal_value(value, text)) ==
									significant_digits(shortest, strlen(shortest)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_any_double_reads_back),
		cmocka_unit_test(test_nanoseconds_are_shortest),
	};

	return cmocka_run_group_tests_name("prometheus_decimal", tests, NULL, NULL);
}
