/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one line that says what is wrong with the configuration. Values are quoted for a terminal: whatever was typed,
 * the message stays one line of bounded length.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "config/config.h"

struct config_report {
	char *text; /* the caller's of config_load */
	size_t size;
	const char *file; /* path of the configuration file, NULL when there is none */
};

struct config_quoted {
	char text[128];
};

struct config_where {
	char text[512];
};

struct config_option;

/* Writes the message; always -EINVAL, so that callers can return it. */
__attribute__((format(printf, 2, 3))) int report_refuse(const struct config_report *report, const char *format, ...);
/* "out of memory"; always -ENOMEM. */
int report_no_memory(const struct config_report *report);

/* The value in double quotes, cut where it is long, with what a terminal would not show as \xNN. */
struct config_quoted report_quote(const char *value);
/* How the user named the option: "--log.level", "SONDE_LOG_LEVEL", "sonde.yaml:3: log.level". */
struct config_where report_where(const struct config_report *report, const struct config_option *option,
				 struct config_origin origin);
