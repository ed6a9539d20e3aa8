/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as YAML, in a form that reads back as the same value. Text is always in double quotes: no word then turns
 * into a boolean, a number or null in another reader's hands.
 */
#include <string.h>

#include "base/clock.h"
#include "config/value.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* In the largest unit that divides it. The last unit is 1. */
static void write_in_units(uint64_t value, const struct unit *units, struct buffer *out)
{
	while (value % units->factor)
		units++;
	buffer_append_uint(out, value / units->factor);
	buffer_append_string(out, units->name);
}

void value_write_size(uint64_t bytes, struct buffer *out)
{
	static const struct unit units[] = {
		{ "GiB", UINT64_C(1) << 30 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "", 1 },
	};

	if (!bytes)
		buffer_append_char(out, '0');
	else
		write_in_units(bytes, units, out);
}

void value_write_duration(uint64_t ns, struct buffer *out)
{
	static const struct unit units[] = {
		{ "d", 24 * 60 * NS_PER_MINUTE },
		{ "h", 60 * NS_PER_MINUTE },
		{ "m", NS_PER_MINUTE },
		{ "s", NS_PER_SECOND },
		{ "ms", NS_PER_MS },
		{ "us", NS_PER_US },
		{ "ns", 1 },
	};

	if (!ns)
		buffer_append_char(out, '0');
	else
		write_in_units(ns, units, out);
}

/* Values hold no control characters: two escapes are enough (YAML 1.2 section 5.7). */
static void write_text(const char *text, struct buffer *out)
{
	buffer_append_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buffer_append_char(out, '\\');
		buffer_append_char(out, *text);
	}
	buffer_append_char(out, '"');
}

static void write_texts(const struct string_list *list, struct buffer *out)
{
	size_t i;

	buffer_append_char(out, '[');
	for (i = 0; i < list->count; i++) {
		if (i)
			buffer_append_string(out, ", ");
		write_text(list->items[i], out);
	}
	buffer_append_char(out, ']');
}

static void write_numbers(const struct number_list *list, struct buffer *out)
{
	size_t i;

	buffer_append_char(out, '[');
	for (i = 0; i < list->count; i++) {
		if (i)
			buffer_append_string(out, ", ");
		buffer_append_uint(out, list->items[i]);
	}
	buffer_append_char(out, ']');
}

void value_write(const struct config_option *option, const struct config *config, struct buffer *out)
{
	const void *field = (const char *)config + option->offset;

	switch (option->kind) {
	case OPTION_TEXT:
		write_text(*(char *const *)field, out);
		break;
	case OPTION_TEXT_LIST:
		write_texts(field, out);
		break;
	case OPTION_NUMBER_LIST:
		write_numbers(field, out);
		break;
	case OPTION_BOOL:
		buffer_append_string(out, *(const bool *)field ? "true" : "false");
		break;
	case OPTION_CHOICE:
		write_text(option->choices[*(const enum config_backend *)field], out);
		break;
	case OPTION_NUMBER:
		buffer_append_uint(out, *(const uint64_t *)field);
		break;
	case OPTION_SIZE:
		value_write_size(*(const uint64_t *)field, out);
		break;
	case OPTION_DURATION:
		value_write_duration(*(const uint64_t *)field, out);
		break;
	}
}
