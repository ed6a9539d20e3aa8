/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenTelemetry's own variables, each a name for an option. Weaker than SONDE_*, stronger than the file.
 */
#pragma once

#include "config/settings.h"

#define OTEL_PREFIX "OTEL_"

/* Variables that sonde does not know are those of other programs: let pass. Errors as of the other sources. */
MUST_CHECK int otel_read(const char *name, const char *value, const struct config_report *report,
			 struct settings *settings);
/* The variable that stands for an option; "OTEL_*" when there is none. */
const char *otel_variable(const struct config_option *option);
