/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of settings, with a maximum.
 */
#include "config/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void settings_done(struct settings *settings)
{
	size_t i;

	for (i = 0; i < settings->count; i++)
		free(settings->items[i].value);
	free(settings->items);
	*settings = (struct settings){ 0 };
}

static int settings_grow(struct settings *settings)
{
	size_t capacity = settings->capacity ? settings->capacity * 2 : 32;
	struct setting *items = reallocarray(settings->items, capacity, sizeof(*items));

	if (!items)
		return -ENOMEM;
	settings->items = items;
	settings->capacity = capacity;
	return 0;
}

int settings_add(struct settings *settings, const struct config_report *report, const struct config_option *option,
		 struct config_origin origin, const char *value)
{
	char *copy = NULL;

	if (settings->count >= SETTINGS_MAX)
		return report_refuse(report, "%s: too many values; allowed are %d in all",
				     report_where(report, option, origin).text, SETTINGS_MAX);
	if (value && strlen(value) > CONFIG_VALUE_MAX)
		return report_refuse(report, "%s: %s is too long; allowed are %d bytes",
				     report_where(report, option, origin).text, report_quote(value).text,
				     CONFIG_VALUE_MAX);
	if (settings->count == settings->capacity && settings_grow(settings))
		return report_no_memory(report);
	if (value) {
		copy = strdup(value);
		if (!copy)
			return report_no_memory(report);
	}
	settings->items[settings->count++] = (struct setting){ .option = option, .origin = origin, .value = copy };
	return 0;
}

int settings_add_parts(struct settings *settings, const struct config_report *report,
		       const struct config_option *option, struct config_origin origin, const char *value)
{
	CLEANUP_FREE char *parts = strdup(value);
	char *part = parts, *comma;
	int error;

	if (!parts)
		return report_no_memory(report);
	do {
		comma = strchr(part, ',');
		if (comma)
			*comma = '\0';
		error = settings_add(settings, report, option, origin, part);
		if (comma)
			part = comma + 1;
	} while (!error && comma);
	return error;
}

const struct setting *settings_find(const struct settings *settings, const struct config_option *option,
				    enum config_origin_kind kind)
{
	size_t i;

	for (i = settings->count; i-- > 0;)
		if (settings->items[i].option == option && settings->items[i].origin.kind == kind)
			return &settings->items[i];
	return NULL;
}
