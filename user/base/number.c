/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict number parsing. Written out in place of strtoull, which takes blanks, signs and a locale's digits, and tells
 * its errors through errno.
 */
#include "base/number.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* The digits at the start of text[0..length), at least one. *ret_digits: how many. */
static int leading_u64(const char *text, size_t length, uint64_t *ret_value, size_t *ret_digits)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return -ERANGE;
	if (!i)
		return -EINVAL;
	*ret_value = value;
	*ret_digits = i;
	return 0;
}

static bool all_digits(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return length > 0;
}

int number_u64_span(const char *text, size_t length, uint64_t *ret_value)
{
	size_t digits;

	/* First, so that a long run of digits with a letter behind it is not told as too large. */
	if (!all_digits(text, length))
		return -EINVAL;
	return leading_u64(text, length, ret_value, &digits);
}

int number_u64(const char *text, uint64_t *ret_value)
{
	return number_u64_span(text, strlen(text), ret_value);
}

static int number_up_to(const char *text, uint64_t maximum, uint64_t *ret_value)
{
	uint64_t value;
	int error = number_u64(text, &value);

	if (error)
		return error;
	if (value > maximum)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int number_u32(const char *text, uint32_t *ret_value)
{
	uint64_t value;
	int error = number_up_to(text, UINT32_MAX, &value);

	if (!error)
		*ret_value = (uint32_t)value;
	return error;
}

int number_port(const char *text, uint16_t *ret_port)
{
	uint64_t value;
	int error = number_up_to(text, UINT16_MAX, &value);

	if (error)
		return error;
	if (!value)
		return -ERANGE;
	*ret_port = (uint16_t)value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "TiB", UINT64_C(1) << 40 },
};

/* From the largest to the smallest: a duration names them in this order. */
static const struct unit duration_units[] = {
	{ "d", 24 * 60 * NS_PER_MINUTE },
	{ "h", 60 * NS_PER_MINUTE },
	{ "m", NS_PER_MINUTE },
	{ "s", NS_PER_SECOND },
	{ "ms", NS_PER_MS },
	{ "us", NS_PER_US },
	{ "ns", 1 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Index of the unit whose whole name is name[0..length), or `count`. */
static size_t find_unit(const struct unit *units, size_t count, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strlen(units[i].name) == length && !memcmp(units[i].name, name, length))
			break;
	return i;
}

int number_size(const char *text, uint64_t *ret_bytes)
{
	size_t digits = 0, unit;
	uint64_t value;
	int error = leading_u64(text, strlen(text), &value, &digits);

	if (error)
		return error;
	unit = find_unit(size_units, COUNT(size_units), text + digits, strlen(text + digits));
	if (unit == COUNT(size_units))
		return -EINVAL;
	if (__builtin_mul_overflow(value, size_units[unit].factor, &value))
		return -ERANGE;
	*ret_bytes = value;
	return 0;
}

int number_duration(const char *text, uint64_t *ret_ns)
{
	size_t digits = 0, letters, unit, first = 0;
	uint64_t value, total = 0;
	int error;

	if (!strcmp(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	do {
		error = leading_u64(text, strlen(text), &value, &digits);
		if (error)
			return error;
		text += digits;
		letters = strcspn(text, "0123456789");
		unit = find_unit(duration_units, COUNT(duration_units), text, letters);
		if (unit == COUNT(duration_units) || unit < first)
			return -EINVAL;
		if (__builtin_mul_overflow(value, duration_units[unit].factor, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return -ERANGE;
		first = unit + 1;
		text += letters;
	} while (*text);
	*ret_ns = total;
	return 0;
}

int number_bool(const char *text, bool *ret_value)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" } };
	size_t i;
	int value;

	for (i = 0; i < COUNT(words); i++)
		for (value = 0; value < 2; value++)
			if (!strcmp(text, words[i][value])) {
				*ret_value = value;
				return 0;
			}
	return -EINVAL;
}

int number_ratio(const char *text, double *ret_ratio)
{
	double value = 0, scale = 1;
	bool digits = false;

	for (; *text >= '0' && *text <= '9'; text++, digits = true)
		value = value < 10 ? value * 10 + (*text - '0') : value;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, digits = true)
			value += (*text - '0') * (scale /= 10);
	if (*text || !digits)
		return -EINVAL;
	if (value > 1)
		return -ERANGE;
	*ret_ratio = value;
	return 0;
}
