/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of OpenTelemetry's variables (its specification, "Environment Variable Specification" and "OTLP exporter
 * configuration"). Values that the specification lets an SDK ignore with a warning are refused: an agent that exports
 * to the wrong place, or not at all, should not look as if it were well.
 */
#include "config/otel.h"

#include <stdio.h>
#include <string.h>

enum form {
	FORM_TEXT,
	FORM_WORD, /* case does not matter */
	FORM_LIST, /* comma-separated */
	FORM_MS,   /* a number of milliseconds */
};

struct otel_row {
	const char *variable;
	const char *option;
	enum form form;
};

#define EXPORTER "OTEL_EXPORTER_OTLP_"
#define EXPORTER_ROWS(INFIX, SET)                                                                     \
	{ EXPORTER INFIX "ENDPOINT", "otlp." SET "endpoint", FORM_TEXT },                             \
		{ EXPORTER INFIX "PROTOCOL", "otlp." SET "protocol", FORM_WORD },                     \
		{ EXPORTER INFIX "HEADERS", "otlp." SET "header", FORM_LIST },                        \
		{ EXPORTER INFIX "COMPRESSION", "otlp." SET "compression", FORM_WORD },               \
		{ EXPORTER INFIX "TIMEOUT", "otlp." SET "timeout", FORM_MS },                         \
		{ EXPORTER INFIX "CERTIFICATE", "otlp." SET "certificate", FORM_TEXT },               \
		{ EXPORTER INFIX "CLIENT_CERTIFICATE", "otlp." SET "client-certificate", FORM_TEXT }, \
	{                                                                                             \
		EXPORTER INFIX "CLIENT_KEY", "otlp." SET "client-key", FORM_TEXT                      \
	}

static const struct otel_row rows[] = {
	EXPORTER_ROWS("", ""),
	EXPORTER_ROWS("TRACES_", "traces-"),
	EXPORTER_ROWS("METRICS_", "metrics-"),
	{ EXPORTER "METRICS_TEMPORALITY_PREFERENCE", "otlp.metrics-temporality", FORM_WORD },
	{ EXPORTER "METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "otlp.metrics-histograms", FORM_WORD },
	{ "OTEL_METRIC_EXPORT_INTERVAL", "otlp.metrics-interval", FORM_MS },
	{ "OTEL_SERVICE_NAME", "otlp.service-name", FORM_TEXT },
	{ "OTEL_RESOURCE_ATTRIBUTES", "otlp.resource-attribute", FORM_LIST },
	{ "OTEL_TRACES_SAMPLER", "trace.sampler", FORM_WORD },
	{ "OTEL_TRACES_SAMPLER_ARG", "trace.sampler-arg", FORM_TEXT },
	{ "OTEL_BSP_SCHEDULE_DELAY", "otlp.batch-delay", FORM_MS },
	{ "OTEL_BSP_EXPORT_TIMEOUT", "otlp.shutdown-timeout", FORM_MS },
	{ "OTEL_BSP_MAX_QUEUE_SIZE", "otlp.queue-spans", FORM_TEXT },
	{ "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "otlp.batch-spans", FORM_TEXT },
};

static const struct otel_row *find(const char *variable)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].variable, variable))
			return &rows[i];
	return NULL;
}

const char *otel_variable(const struct config_option *option)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].option, option->name))
			return rows[i].variable;
	return "OTEL_*";
}

/* "10000" is "10000ms" here. */
static void convert(const struct otel_row *row, char *value, size_t size)
{
	size_t length = strlen(value);

	if (row->form == FORM_WORD)
		for (char *c = value; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c | 0x20);
	if (row->form == FORM_MS)
		snprintf(value + length, size - length, "ms");
}

int otel_read(const char *name, const char *value, const struct config_report *report, struct settings *settings)
{
	const struct config_origin origin = { .kind = ORIGIN_OTEL };
	const struct otel_row *row = find(name);
	const struct config_option *option = row ? option_find(row->option) : NULL;
	char converted[CONFIG_VALUE_MAX + 1];

	if (!option)
		return 0;
	if (strlen(value) + sizeof("ms") > sizeof(converted))
		return report_refuse(report, "%s: the value is too long", name);
	snprintf(converted, sizeof(converted), "%s", value);
	convert(row, converted, sizeof(converted));
	if (row->form == FORM_LIST)
		return settings_add_parts(settings, report, option, origin, converted);
	return settings_add(settings, report, option, origin, converted);
}
