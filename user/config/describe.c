/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table in words. Nothing here names an option: what is said comes from the table.
 */
#include "config/describe.h"

#include <string.h>

#include "config/options.h"
#include "config/report.h"
#include "config/value.h"

static void write_choices(const struct config_option *option, struct buffer *out)
{
	const char *const *choice;

	buffer_append_string(out, "one of ");
	for (choice = option->choices; *choice; choice++) {
		if (choice != option->choices)
			buffer_append_string(out, ", ");
		buffer_append_string(out, *choice);
	}
}

/* A bound of the range in the option's own unit. */
static void write_bound(const struct config_option *option, uint64_t bound, struct buffer *out)
{
	if (option->kind == OPTION_SIZE)
		value_write_size(bound, out);
	else if (option->kind == OPTION_DURATION)
		value_write_duration(bound, out);
	else
		buffer_append_uint(out, bound);
}

static void write_range(const struct config_option *option, const char *what, struct buffer *out)
{
	buffer_append_string(out, what);
	buffer_append_string(out, " from ");
	write_bound(option, option->minimum, out);
	buffer_append_string(out, " to ");
	write_bound(option, option->maximum, out);
}

void option_allowed(const struct config_option *option, struct buffer *out)
{
	if (option->choices)
		write_choices(option, out);
	else if (option->allowed)
		buffer_append_string(out, option->allowed);
	else if (option->kind == OPTION_BOOL)
		buffer_append_string(out, "true or false");
	else if (option->kind == OPTION_SIZE)
		write_range(option,
			    option->power_of_two ? "a power of two (B, KiB, MiB, GiB)" : "a size (B, KiB, MiB, GiB)",
			    out);
	else if (option->kind == OPTION_DURATION)
		write_range(option, "a time (ms, s, m, h, d)", out);
	else
		write_range(option, "a whole number", out);
}

static void write_flag(const struct config_option *option, struct buffer *out)
{
	if (option->kind == OPTION_BOOL)
		buffer_printf(out, "--[no-]%s", option->name);
	else
		buffer_printf(out, "--%s=%s", option->name, option->placeholder);
}

void config_describe_flags(struct buffer *out)
{
	size_t i;

	for (i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		buffer_append_string(out, "  ");
		write_flag(option, out);
		buffer_printf(out, "\n        %s", option->help);
		if (option->choices) {
			buffer_append_string(out, " Allowed: ");
			write_choices(option, out);
			buffer_append_char(out, '.');
		}
		if (option_is_list(option))
			buffer_append_string(out, " Repeatable.");
		if (*option->fallback)
			buffer_printf(out, " Default: %s.", option->fallback);
		buffer_append_char(out, '\n');
	}
}

/* In a cell of a table a bar must be escaped, also between backquotes. */
static void write_code(const char *text, struct buffer *out)
{
	buffer_append_char(out, '`');
	for (; *text; text++) {
		if (*text == '|')
			buffer_append_char(out, '\\');
		buffer_append_char(out, *text);
	}
	buffer_append_char(out, '`');
}

static void write_row(const struct config_option *option, struct buffer *out)
{
	char variable[OPTION_NAME_SIZE];

	option_variable(option, variable);
	buffer_append_string(out, "| `");
	write_flag(option, out);
	buffer_printf(out, "`<br>`%s` | ", variable);
	if (*option->fallback)
		write_code(option->fallback, out);
	buffer_append_string(out, " | ");
	option_allowed(option, out);
	if (option_is_list(option))
		buffer_append_string(out, "; repeatable");
	buffer_printf(out, " | %s | %s |\n", option->reloadable ? "yes" : "no", option->help);
}

static const char markdown_start[] =
	"<!-- Written by `sonde config --markdown`; do not edit. A unit test compares. -->\n"
	"# Configuration\n"
	"\n"
	"Every option can be given as a flag, as an environment variable and in a YAML file. A flag wins over "
	"the variable,\n"
	"the variable over the file, the file over the default. A value of a repeatable option replaces all "
	"values of the\n"
	"weaker sources.\n"
	"\n"
	"- Flags: `--name=value` or `--name value`; `--name` and `--no-name` for what is true or false. "
	"Repeatable flags are\n"
	"  given once for each value.\n"
	"- Variables: `SONDE_` and the name in capitals, with `_` for `.` and `-`. Repeatable ones have `,` "
	"between values. An\n"
	"  empty one counts as not set.\n"
	"- File: named by `--config.file`. The dots of a name nest; repeatable options take a list, or one value:\n"
	"\n"
	"  ```yaml\n"
	"  web:\n"
	"    listen-address: [\"127.0.0.1:9100\"]\n"
	"  ignore:\n"
	"    port: [22, 6443]\n"
	"  log:\n"
	"    level: debug\n"
	"  ```\n"
	"\n"
	"Unknown names, values that are not allowed and contradictions are refused at start with one line that "
	"says which,\n"
	"where, and what is allowed. `sonde config` prints the effective configuration, where each value came "
	"from, and exits\n"
	"with 0 when it is valid. On SIGHUP the file is read again; options with \"yes\" in the column SIGHUP "
	"change, and a\n"
	"change of another one is told in the log and waits for a restart.\n"
	"\n"
	"| option | default | allowed | SIGHUP | meaning |\n"
	"| --- | --- | --- | --- | --- |\n";

void config_describe_markdown(struct buffer *out)
{
	size_t i;

	buffer_append_string(out, markdown_start);
	for (i = 0; i < config_option_count; i++)
		write_row(&config_options[i], out);
}

static void write_origin(const struct config *config, size_t index, struct buffer *out)
{
	const struct config_report report = { .file = config->config_file };

	if (config->origins[index].kind == ORIGIN_DEFAULT)
		buffer_append_string(out, " # default\n");
	else
		buffer_printf(out, " # %s\n",
			      report_where(&report, &config_options[index], config->origins[index]).text);
}

void config_describe_effective(const struct config *config, struct buffer *out)
{
	size_t i, section_length = 0;
	const char *section = "";

	for (i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		const char *dot = strchr(option->name, '.'), *key = dot ? dot + 1 : option->name;
		size_t length = dot ? (size_t)(dot - option->name) : 0;

		if (option->outside_file) { /* it would be refused in the file that this text may become */
			buffer_printf(out, "# %s: ", option->name);
		} else {
			if (length && (length != section_length || memcmp(section, option->name, length)))
				buffer_printf(out, "%.*s:\n", (int)length, option->name);
			buffer_printf(out, "%s%s: ", length ? "  " : "", key);
			section = option->name;
			section_length = length;
		}
		value_write(option, config, out);
		write_origin(config, i, out);
	}
}
