/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SONDE_* variables. An empty one counts as not set, as OpenTelemetry and most others have it: that is what remains of
 * a variable that a Compose file or a unit clears. Variables that Kubernetes makes for a service named "sonde" are let
 * pass: the agent must start beside its own service.
 */
#include <string.h>

#include "config/otel.h"
#include "config/settings.h"

#define PREFIX "SONDE_"

static const struct config_option *find_variable(const char *name)
{
	char variable[OPTION_NAME_SIZE];
	size_t i;

	for (i = 0; i < config_option_count; i++) {
		option_variable(&config_options[i], variable);
		if (!strcmp(variable, name))
			return &config_options[i];
	}
	return NULL;
}

/* {NAME}_SERVICE_HOST, {NAME}_SERVICE_PORT[_{PORT}], {NAME}_PORT, {NAME}_PORT_{N}_TCP[_PROTO|_PORT|_ADDR]
 * (kubernetes.io, "Service", environment variables). */
static bool is_kubernetes(const char *name, const char *value)
{
	const char *port = strstr(name, "_PORT");

	if (strstr(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT"))
		return true;
	for (; port; port = strstr(port + 1, "_PORT"))
		if ((!port[5] && strstr(value, "://")) || (port[5] == '_' && port[6] >= '0' && port[6] <= '9'))
			return true;
	return false;
}

static int read_variable(const char *name, const char *value, const struct config_report *report,
			 struct settings *settings)
{
	const struct config_origin origin = { .kind = ORIGIN_ENVIRONMENT };
	const struct config_option *option = find_variable(name), *nearest;

	if (option && option_is_list(option))
		return settings_add_parts(settings, report, option, origin, value);
	if (option)
		return settings_add(settings, report, option, origin, value);
	if (is_kubernetes(name, value))
		return 0;
	nearest = option_suggest(name, true);
	if (nearest) {
		char variable[OPTION_NAME_SIZE];

		option_variable(nearest, variable);
		return report_refuse(report, "%s: unknown variable; did you mean %s?", report_quote(name).text,
				     variable);
	}
	return report_refuse(report, "%s: unknown variable; allowed are %s and the name of a flag of sonde --help",
			     report_quote(name).text, PREFIX);
}

int environment_read(char *const *environment, const struct config_report *report, struct settings *settings)
{
	for (; environment && *environment; environment++) {
		const char *equals = strchr(*environment, '=');
		CLEANUP_FREE char *name = NULL;
		int error;

		bool own = !strncmp(*environment, PREFIX, strlen(PREFIX));

		if (!equals || !equals[1] || (!own && strncmp(*environment, OTEL_PREFIX, strlen(OTEL_PREFIX))))
			continue;
		name = strndup(*environment, (size_t)(equals - *environment));
		if (!name)
			return report_no_memory(report);
		error = own ? read_variable(name, equals + 1, report, settings) :
			      otel_read(name, equals + 1, report, settings);
		if (error)
			return error;
	}
	return 0;
}
