/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was said to the effective configuration: settings of all sources are collected, then applied from the
 * weakest source to the strongest, so that also a value that is overridden must be a valid one.
 */
#include <errno.h>
#include <string.h>

#include "config/check.h"
#include "config/settings.h"
#include "config/value.h"

void config_free(struct config *config)
{
	size_t i;

	if (!config)
		return;
	for (i = 0; i < config_option_count; i++)
		value_clear(&config_options[i], config);
}

static int refuse_value(const struct config_report *report, const struct setting *setting, int error)
{
	struct config_where where = report_where(report, setting->option, setting->origin);
	struct buffer allowed;

	if (error == -ENOMEM)
		return report_no_memory(report);
	if (error == -ENOSPC)
		return report_refuse(report, "%s: %s is one value too many; allowed are %zu", where.text,
				     report_quote(setting->value).text, option_list_limit(setting->option));
	buffer_init(&allowed, 512);
	option_allowed(setting->option, &allowed);
	buffer_append_char(&allowed, '\0');
	error = buffer_error(&allowed) ? report_no_memory(report) :
					 report_refuse(report, "%s: %s is not allowed; allowed is %s", where.text,
						       report_quote(setting->value).text, allowed.data);
	buffer_done(&allowed);
	return error;
}

static int apply_defaults(struct config *config, const struct config_report *report)
{
	const struct config_origin origin = { .kind = ORIGIN_DEFAULT };
	struct settings defaults = { 0 };
	size_t i;
	int error = 0;

	for (i = 0; i < config_option_count && !error; i++) {
		const struct config_option *option = &config_options[i];

		if (!option_is_list(option))
			error = settings_add(&defaults, report, option, origin, option->fallback);
		else if (*option->fallback)
			error = settings_add_parts(&defaults, report, option, origin, option->fallback);
	}
	for (i = 0; i < defaults.count && !error; i++) {
		error = value_parse(defaults.items[i].option, defaults.items[i].value, config);
		if (error)
			error = refuse_value(report, &defaults.items[i], error);
	}
	settings_done(&defaults);
	return error;
}

/* Replaces what a weaker source said; more values of the same source are appended to lists. */
static int apply_setting(struct config *config, const struct config_report *report, const struct setting *setting)
{
	struct config_origin *origin = &config->origins[option_index(setting->option)];
	int error;

	if (origin->kind != setting->origin.kind) {
		if (option_is_list(setting->option))
			value_clear(setting->option, config);
		*origin = setting->origin;
	}
	if (!setting->value)
		return 0;
	error = value_parse(setting->option, setting->value, config);
	return error ? refuse_value(report, setting, error) : 0;
}

static int apply_source(struct config *config, const struct config_report *report, const struct settings *settings,
			enum config_origin_kind kind)
{
	size_t i;
	int error = 0;

	for (i = 0; i < settings->count && !error; i++)
		if (settings->items[i].origin.kind == kind)
			error = apply_setting(config, report, &settings->items[i]);
	return error;
}

static int check_required(const struct config *config, const struct config_report *report)
{
	size_t i;

	for (i = 0; i < config_option_count; i++)
		if (config_options[i].at_least_one && value_is_empty_list(&config_options[i], config))
			return report_refuse(report, "%s: \"\" is not allowed; allowed is at least one %s",
					     report_where(report, &config_options[i], config->origins[i]).text,
					     config_options[i].placeholder);
	return 0;
}

static int apply_all(struct config *config, const struct config_report *report, const struct settings *settings)
{
	int kind, error = apply_defaults(config, report);

	for (kind = ORIGIN_FILE; kind <= ORIGIN_FLAG && !error; kind++)
		error = apply_source(config, report, settings, (enum config_origin_kind)kind);
	if (!error)
		error = check_required(config, report);
	if (!error)
		error = check_conflicts(config, report);
	if (!error)
		collectors_settle(config);
	return error;
}

/* The flag's path, else the variable's; NULL when there is no file. */
static const char *find_file(const struct settings *settings)
{
	const struct config_option *option = option_find("config.file");
	const struct setting *setting = settings_find(settings, option, ORIGIN_FLAG);

	if (!setting)
		setting = settings_find(settings, option, ORIGIN_ENVIRONMENT);
	return setting && *setting->value ? setting->value : NULL;
}

int config_load(int argc, char *const *argv, char *const *environment, struct config *ret_config, char *error,
		size_t error_size)
{
	struct config_report report = { .size = error_size };
	struct config config = { 0 };
	struct settings settings = { 0 };
	int result;

	report.text = error;
	result = flags_read(argc, argv, &report, &settings);
	if (!result)
		result = environment_read(environment, &report, &settings);
	if (!result) {
		CLEANUP_FREE char *file = NULL;
		const char *path = find_file(&settings);

		/* A copy: the list of settings grows while the file is read. */
		if (path && !(file = strdup(path)))
			result = report_no_memory(&report);
		report.file = file;
		if (!result && file)
			result = yaml_read(&report, &settings);
		if (!result)
			result = apply_all(&config, &report, &settings);
	}
	settings_done(&settings);
	if (result)
		config_free(&config);
	else
		*ret_config = config;
	return result;
}

size_t config_reload_check(const struct config *old, const struct config *new, char *names, size_t size)
{
	size_t i, changed = 0;
	struct buffer list;

	buffer_init(&list, size ? size - 1 : 0);
	for (i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (option->reloadable || value_equal(option, old, new))
			continue;
		buffer_printf(&list, "%s%s", changed++ ? ", " : "", option->name);
	}
	if (size) {
		if (list.length)
			memcpy(names, list.data, list.length);
		names[list.length] = '\0';
	}
	buffer_done(&list);
	return changed;
}
