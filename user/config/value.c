/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values by kind. The field of an option is found by its offset, so this is the one file that casts.
 */
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"

static void *field_of(const struct config_option *option, struct config *config)
{
	return (char *)config + option->offset;
}

static const void *const_field_of(const struct config_option *option, const struct config *config)
{
	return (const char *)config + option->offset;
}

void value_clear(const struct config_option *option, struct config *config)
{
	void *field = field_of(option, config);
	struct number_list *numbers = field;
	struct string_list *strings = field;
	size_t i;

	switch (option->kind) {
	case OPTION_TEXT:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case OPTION_TEXT_LIST:
		for (i = 0; i < strings->count; i++)
			free(strings->items[i]);
		free(strings->items);
		*strings = (struct string_list){ 0 };
		break;
	case OPTION_NUMBER_LIST:
		free(numbers->items);
		*numbers = (struct number_list){ 0 };
		break;
	case OPTION_BOOL:
		*(bool *)field = false;
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		*(uint64_t *)field = 0;
		break;
	case OPTION_CHOICE:
		memset(field, 0, sizeof(enum config_backend));
		break;
	}
}

static int find_choice(const struct config_option *option, const char *text)
{
	int i;

	for (i = 0; option->choices[i]; i++)
		if (!strcmp(option->choices[i], text))
			return i;
	return -EINVAL;
}

/* What holds for every text: it goes into messages, YAML and C strings. */
static int check_text(const struct config_option *option, const char *text)
{
	const char *c;

	if (!*text)
		return option->may_be_empty ? 0 : -EINVAL;
	for (c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return -EINVAL;
	if (!utf8_valid(text, (size_t)(c - text)) || (option->choices && find_choice(option, text) < 0))
		return -EINVAL;
	return option->check && !option->check(text) ? -EINVAL : 0;
}

static int parse_number(const struct config_option *option, const char *text, uint64_t *ret_value)
{
	uint64_t value;
	int error;

	if (option->kind == OPTION_SIZE)
		error = number_size(text, &value);
	else if (option->kind == OPTION_DURATION)
		error = number_duration(text, &value);
	else
		error = number_u64(text, &value);
	if (error)
		return error;
	if (value < option->minimum || value > option->maximum || (option->power_of_two && (value & (value - 1))))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

static int append_text(struct string_list *list, size_t limit, const char *text)
{
	char *copy = NULL, **items;

	if (list->count >= limit)
		return -ENOSPC;
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	list->items[list->count++] = copy;
	return 0;
}

static int append_number(struct number_list *list, size_t limit, uint64_t value)
{
	uint64_t *items;

	if (list->count >= limit)
		return -ENOSPC;
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = value;
	return 0;
}

static int set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_choice(const struct config_option *option, const char *text, void *field)
{
	int index = find_choice(option, text);

	if (index < 0)
		return index;
	*(enum config_backend *)field = (enum config_backend)index;
	return 0;
}

int value_parse(const struct config_option *option, const char *text, struct config *config)
{
	void *field = field_of(option, config);
	uint64_t number = 0;
	int error;

	switch (option->kind) {
	case OPTION_TEXT:
		error = check_text(option, text);
		return error ? error : set_text(field, text);
	case OPTION_TEXT_LIST:
		error = check_text(option, text);
		return error ? error : append_text(field, option_list_limit(option), text);
	case OPTION_NUMBER_LIST:
		error = parse_number(option, text, &number);
		return error ? error : append_number(field, option_list_limit(option), number);
	case OPTION_BOOL:
		return number_bool(text, field);
	case OPTION_CHOICE:
		return set_choice(option, text, field);
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return parse_number(option, text, field);
	}
	return -EINVAL;
}

bool value_is_empty_list(const struct config_option *option, const struct config *config)
{
	const void *field = const_field_of(option, config);

	if (option->kind == OPTION_TEXT_LIST)
		return !((const struct string_list *)field)->count;
	return option->kind == OPTION_NUMBER_LIST && !((const struct number_list *)field)->count;
}

static bool texts_equal(const struct string_list *a, const struct string_list *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}

bool value_equal(const struct config_option *option, const struct config *a, const struct config *b)
{
	const void *left = const_field_of(option, a), *right = const_field_of(option, b);
	const struct number_list *numbers = left, *other_numbers = right;

	switch (option->kind) {
	case OPTION_TEXT:
		return !strcmp(*(char *const *)left, *(char *const *)right);
	case OPTION_TEXT_LIST:
		return texts_equal(left, right);
	case OPTION_NUMBER_LIST:
		return numbers->count == other_numbers->count &&
		       (!numbers->count ||
			!memcmp(numbers->items, other_numbers->items, numbers->count * sizeof(*numbers->items)));
	case OPTION_BOOL:
		return *(const bool *)left == *(const bool *)right;
	case OPTION_CHOICE:
		return *(const enum config_backend *)left == *(const enum config_backend *)right;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return *(const uint64_t *)left == *(const uint64_t *)right;
	}
	return false;
}
