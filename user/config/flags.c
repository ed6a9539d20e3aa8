/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags: --name=value, --name value, and for booleans --name and --no-name. Everything else is refused. Written out in
 * place of getopt_long, which abbreviates names, reorders arguments and prints its own errors.
 */
#include <errno.h>
#include <string.h>

#include "config/settings.h"

/* One argument taken apart. */
struct flag {
	char name[OPTION_NAME_SIZE];
	const char *value; /* after the equals sign; NULL */
	const struct config_option *option;
	bool negated;
};

static int refuse_unknown(const struct config_report *report, const char *argument, const char *name)
{
	const struct config_option *nearest = option_suggest(name, false);

	if (nearest)
		return report_refuse(report, "%s: unknown flag; did you mean --%s?", report_quote(argument).text,
				     nearest->name);
	return report_refuse(report, "%s: unknown flag; allowed are those of sonde --help",
			     report_quote(argument).text);
}

/* --no-NAME of an option that is true or false. */
static int flag_negated(const char *argument, const struct config_report *report, struct flag *flag)
{
	const struct config_option *option = strncmp(flag->name, "no-", 3) ? NULL : option_find(flag->name + 3);

	if (!option)
		return refuse_unknown(report, argument, flag->name);
	if (option->kind != OPTION_BOOL)
		return report_refuse(report,
				     "--%s: only a true or false option has a form with no-; --%s takes a value",
				     flag->name, option->name);
	flag->option = option;
	flag->negated = true;
	return 0;
}

/* Without an error flag->option is set, with one it is NULL. */
static int flag_parse(const char *argument, const struct config_report *report, struct flag *flag)
{
	const char *name, *equals = strchr(argument, '=');
	size_t length;

	if (argument[0] != '-')
		return report_refuse(report, "%s: unexpected argument; allowed are flags, which begin with --",
				     report_quote(argument).text);
	name = argument + (argument[1] == '-' ? 2 : 1);
	length = equals ? (size_t)(equals - name) : strlen(name);
	if (length >= sizeof(flag->name))
		return refuse_unknown(report, argument, name);
	memcpy(flag->name, name, length);
	flag->name[length] = '\0';
	if (argument[1] != '-')
		return refuse_unknown(report, argument, flag->name);
	flag->value = equals ? equals + 1 : NULL;
	flag->option = option_find(flag->name);
	flag->negated = false;
	return flag->option ? 0 : flag_negated(argument, report, flag);
}

/* The value of a flag, from behind the equals sign or from the next argument (then *ret_used is 2). */
static int flag_value(const struct flag *flag, const char *next, const struct config_report *report,
		      const char **ret_value, int *ret_used)
{
	struct buffer allowed;

	if (flag->negated && flag->value)
		return report_refuse(report, "--%s: %s is not allowed; a flag with no- takes no value", flag->name,
				     report_quote(flag->value).text);
	if (flag->option->kind == OPTION_BOOL && !flag->value) {
		*ret_value = flag->negated ? "false" : "true";
		return 0;
	}
	if (flag->value) {
		*ret_value = flag->value;
		return 0;
	}
	if (next && strncmp(next, "--", 2)) {
		*ret_value = next;
		*ret_used = 2;
		return 0;
	}
	buffer_init(&allowed, 512);
	option_allowed(flag->option, &allowed);
	buffer_append_char(&allowed, '\0');
	(void)report_refuse(report, "--%s: the value is missing; allowed is %s", flag->name,
			    buffer_error(&allowed) ? "a value" : allowed.data);
	buffer_done(&allowed);
	return -EINVAL;
}

int flags_read(int argc, char *const *argv, const struct config_report *report, struct settings *settings)
{
	const struct config_origin origin = { .kind = ORIGIN_FLAG };
	int i, used, error;

	for (i = 0; i < argc; i += used) {
		const char *value = NULL;
		struct flag flag = { 0 };

		used = 1;
		error = flag_parse(argv[i], report, &flag);
		if (!flag.option)
			return error;
		error = flag_value(&flag, i + 1 < argc ? argv[i + 1] : NULL, report, &value, &used);
		if (error)
			return error;
		if (!option_is_list(flag.option) && settings_find(settings, flag.option, ORIGIN_FLAG))
			return report_refuse(report,
					     "--%s: %s is not allowed; the flag was given before, and takes one value",
					     flag.name, report_quote(value).text);
		error = settings_add(settings, report, flag.option, origin, value);
		if (error)
			return error;
	}
	return 0;
}
