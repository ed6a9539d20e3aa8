/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortest decimal digits of a double. A decimal of at most 15 significant digits names one double only (DBL_DIG), so
 * when the value equals mantissa / 10^k with mantissa < 10^15, that decimal without its trailing zeros is the shortest
 * one. Both are exact doubles and the division rounds correctly, hence the test for equality is a proof. Sums of
 * nanoseconds, bucket bounds and ratios nearly always pass; the rest is asked of printf, with 15, 16 and 17 digits.
 */
#include "exporters/prometheus/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17          /* enough for every double */
#define EXACT_MANTISSA 1e15    /* below it a decimal names one double */
#define EXACT_INTEGER 0x1p53   /* below it every integer is a double */
#define GO_EXPONENT_MIN (-4)   /* strconv: %e below this decimal exponent */
#define GO_EXPONENT_SHORTEST 6 /* strconv: the precision it assumes for 'g' with -1; %e from here on */

/* digits[0] '.' digits[1..] * 10^exponent; no trailing zeros */
struct decimal {
	char digits[DIGITS_MAX];
	size_t count;
	int exponent;
};

static size_t write_uint(uint64_t value, char *out)
{
	char reversed[20];
	size_t count = 0;

	do {
		reversed[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	for (size_t i = 0; i < count; i++)
		out[i] = reversed[count - 1 - i];
	return count;
}

static void drop_trailing_zeros(struct decimal *decimal)
{
	while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
		decimal->count--;
}

/* value > 0. False when it is not mantissa / 10^places with a mantissa below 10^15. */
static bool exact_decimal(double value, double scale, int places, struct decimal *ret_decimal)
{
	double scaled = value * scale + 0.5;
	char text[20];
	uint64_t mantissa;
	struct decimal decimal = { 0 };

	if (scaled >= EXACT_MANTISSA)
		return false;
	mantissa = (uint64_t)scaled;
	if (!mantissa || (double)mantissa / scale != value)
		return false;
	decimal.count = write_uint(mantissa, text);
	memcpy(decimal.digits, text, decimal.count);
	decimal.exponent = (int)decimal.count - 1 - places;
	drop_trailing_zeros(&decimal);
	*ret_decimal = decimal;
	return true;
}

/* value > 0, finite: "d.ddde±xx" with the least precision that reads back. */
static void printed_decimal(double value, struct decimal *ret_decimal)
{
	struct decimal decimal = { 0 };
	char text[DECIMAL_SIZE];
	const char *at;

	/* 15 digits without their trailing zeros are the shortest, but for subnormal values, which hold fewer. */
	for (int precision = value < DBL_MIN ? 0 : DBL_DIG - 1; precision < DIGITS_MAX; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	for (at = text; *at && *at != 'e'; at++)
		if (*at != '.' && decimal.count < DIGITS_MAX)
			decimal.digits[decimal.count++] = *at;
	for (const char *digit = at + 2; *at && *digit; digit++)
		decimal.exponent = decimal.exponent * 10 + (*digit - '0');
	if (*at && at[1] == '-')
		decimal.exponent = -decimal.exponent;
	drop_trailing_zeros(&decimal);
	*ret_decimal = decimal;
}

static size_t write_exponent_form(const struct decimal *decimal, char *out)
{
	unsigned int exponent = (unsigned int)abs(decimal->exponent);
	size_t length = 0;

	out[length++] = decimal->digits[0];
	if (decimal->count > 1) {
		out[length++] = '.';
		memcpy(out + length, decimal->digits + 1, decimal->count - 1);
		length += decimal->count - 1;
	}
	out[length++] = 'e';
	out[length++] = decimal->exponent < 0 ? '-' : '+';
	if (exponent < 10)
		out[length++] = '0';
	return length + write_uint(exponent, out + length);
}

static size_t write_plain_form(const struct decimal *decimal, char *out)
{
	size_t length = 0, whole, zeros;

	if (decimal->exponent < 0) {
		zeros = (size_t)(-decimal->exponent);
		memset(out, '0', zeros + 1);
		out[1] = '.';
		memcpy(out + zeros + 1, decimal->digits, decimal->count);
		return zeros + 1 + decimal->count;
	}
	whole = (size_t)decimal->exponent + 1;
	for (size_t i = 0; i < whole; i++)
		out[length++] = i < decimal->count ? decimal->digits[i] : '0';
	if (decimal->count > whole) {
		out[length++] = '.';
		memcpy(out + length, decimal->digits + whole, decimal->count - whole);
		length += decimal->count - whole;
	}
	return length;
}

static size_t write_special(const char *text, char *out)
{
	size_t length = strlen(text);

	memcpy(out, text, length);
	return length;
}

/* Finite. strconv.FormatFloat(value, 'g', -1, 64). */
static size_t write_go_form(double value, char *out)
{
	struct decimal decimal;
	size_t sign = 0;

	if (value == 0)
		return write_special("0", out);
	if (value < 0) {
		out[sign++] = '-';
		value = -value;
	}
	if (!exact_decimal(value, 1e9, 9, &decimal) && !exact_decimal(value, 1e3, 3, &decimal))
		printed_decimal(value, &decimal);
	if (decimal.exponent < GO_EXPONENT_MIN || decimal.exponent >= GO_EXPONENT_SHORTEST)
		return sign + write_exponent_form(&decimal, out + sign);
	return sign + write_plain_form(&decimal, out + sign);
}

static size_t write_not_finite(double value, char *out)
{
	if (isnan(value))
		return write_special("NaN", out);
	return write_special(value > 0 ? "+Inf" : "-Inf", out);
}

size_t decimal_value(double value, char ret_text[DECIMAL_SIZE])
{
	double magnitude = fabs(value);

	if (!isfinite(value))
		return write_not_finite(value, ret_text);
	if (magnitude < EXACT_INTEGER && magnitude == (double)(uint64_t)magnitude) {
		if (value >= 0)
			return write_uint((uint64_t)magnitude, ret_text);
		ret_text[0] = '-';
		return 1 + write_uint((uint64_t)magnitude, ret_text + 1);
	}
	return write_go_form(value, ret_text);
}

size_t decimal_bound(double bound, bool float_form, char ret_text[DECIMAL_SIZE])
{
	size_t length;

	if (!isfinite(bound))
		return write_not_finite(bound, ret_text);
	length = write_go_form(bound, ret_text);
	if (float_form && !memchr(ret_text, '.', length) && !memchr(ret_text, 'e', length)) {
		ret_text[length++] = '.';
		ret_text[length++] = '0';
	}
	return length;
}
