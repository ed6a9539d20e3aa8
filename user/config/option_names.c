/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of options: finding one, its forms, and the one that was probably meant.
 */
#include <stdio.h>
#include <string.h>

#include "config/options.h"

const struct config_option *option_find(const char *name)
{
	size_t i;

	for (i = 0; i < config_option_count; i++)
		if (!strcmp(config_options[i].name, name))
			return &config_options[i];
	return NULL;
}

size_t option_index(const struct config_option *option)
{
	return (size_t)(option - config_options);
}

bool option_is_list(const struct config_option *option)
{
	return option->kind == OPTION_TEXT_LIST || option->kind == OPTION_NUMBER_LIST;
}

size_t option_list_limit(const struct config_option *option)
{
	return option->list_limit ? option->list_limit : CONFIG_LIST_MAX;
}

bool option_is_section(const char *name)
{
	size_t i, length = strlen(name);

	for (i = 0; i < config_option_count; i++)
		if (!strncmp(config_options[i].name, name, length) && config_options[i].name[length] == '.')
			return true;
	return false;
}

void option_variable(const struct config_option *option, char ret_name[OPTION_NAME_SIZE])
{
	char *c;

	snprintf(ret_name, OPTION_NAME_SIZE, "SONDE_%s", option->name);
	for (c = ret_name; *c; c++) {
		if (*c == '.' || *c == '-')
			*c = '_';
		else if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	}
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make `b` of `a` (optimal string alignment).
 * Both shorter than OPTION_NAME_SIZE. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][OPTION_NAME_SIZE]; /* this row and the two before it, in turns */
	size_t a_length = strlen(a), b_length = strlen(b), i, j;

	for (j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (i = 1; i <= a_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];

		row[0] = i;
		for (j = 1; j <= b_length; j++) {
			row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], above_that[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

/* How far `typed` is from a name; forgetting the section counts as one mistake. */
static size_t name_distance(const char *typed, const char *name)
{
	const char *dot = strchr(name, '.');

	if (dot && !strcmp(typed, dot + 1))
		return 1;
	return distance(typed, name);
}

const struct config_option *option_suggest(const char *typed, bool is_variable)
{
	const struct config_option *nearest = NULL;
	size_t i, length = strlen(typed), best = length / 4 < 2 ? 3 : length / 4 + 1; /* must be nearer than this */

	if (length >= OPTION_NAME_SIZE)
		return NULL;
	for (i = 0; i < config_option_count; i++) {
		char variable[OPTION_NAME_SIZE];
		const char *name = config_options[i].name;
		size_t far;

		if (is_variable) {
			option_variable(&config_options[i], variable);
			name = variable;
		}
		far = name_distance(typed, name);
		if (far < best) {
			best = far;
			nearest = &config_options[i];
		}
	}
	return nearest;
}
