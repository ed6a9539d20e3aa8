/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about the configuration: formatting and quoting.
 */
#include "config/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "config/options.h"
#include "config/otel.h"

int report_refuse(const struct config_report *report, const char *format, ...)
{
	va_list arguments;
	char *c;

	va_start(arguments, format);
	vsnprintf(report->text, report->size, format, arguments);
	va_end(arguments);
	for (c = report->text; report->size && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?'; /* a path may hold anything; the message stays one line */
	return -EINVAL;
}

int report_no_memory(const struct config_report *report)
{
	(void)report_refuse(report, "out of memory while reading the configuration");
	return -ENOMEM;
}

struct config_quoted report_quote(const char *value)
{
	const size_t room = sizeof(((struct config_quoted *)NULL)->text) - sizeof("...\"") - 4;
	struct config_quoted quoted = { .text = "\"" };
	size_t used = 1, left = strlen(value), length;

	for (; left && used < room; value += length, left -= length) {
		length = utf8_sequence(value, left);
		if (length && (unsigned char)*value >= 0x20 && *value != 0x7f) {
			memcpy(quoted.text + used, value, length);
			used += length;
		} else {
			length = 1;
			used += (size_t)snprintf(quoted.text + used, 5, "\\x%02x", (unsigned int)(unsigned char)*value);
		}
	}
	snprintf(quoted.text + used, sizeof(quoted.text) - used, left ? "...\"" : "\"");
	return quoted;
}

struct config_where report_where(const struct config_report *report, const struct config_option *option,
				 struct config_origin origin)
{
	struct config_where where = { .text = "" };
	char variable[OPTION_NAME_SIZE];

	switch (origin.kind) {
	case ORIGIN_FLAG:
		snprintf(where.text, sizeof(where.text), "--%s", option->name);
		break;
	case ORIGIN_ENVIRONMENT:
		option_variable(option, variable);
		snprintf(where.text, sizeof(where.text), "%s", variable);
		break;
	case ORIGIN_OTEL:
		snprintf(where.text, sizeof(where.text), "%s", otel_variable(option));
		break;
	case ORIGIN_FILE:
		snprintf(where.text, sizeof(where.text), "%.400s:%u: %s", report->file, origin.line, option->name);
		break;
	case ORIGIN_DEFAULT:
		snprintf(where.text, sizeof(where.text), "%s (default)", option->name);
		break;
	}
	return where;
}
