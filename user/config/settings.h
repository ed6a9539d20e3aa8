/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: what was said, in the order it was said, before it is applied. Flags, environment and file each become
 * settings; load.c applies them from the weakest source to the strongest. Used inside config/ alone.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "config/options.h"
#include "config/report.h"

struct setting {
	const struct config_option *option;
	struct config_origin origin;
	char *value; /* owned; NULL: an empty list */
};

struct settings {
	struct setting *items; /* owned */
	size_t count, capacity;
};

#define SETTINGS_MAX 8192

void settings_done(struct settings *settings);
/* Copies the value; NULL for an empty list. -ENOMEM or -EINVAL (too many, too long) with a message. */
MUST_CHECK int settings_add(struct settings *settings, const struct config_report *report,
			    const struct config_option *option, struct config_origin origin, const char *value);
/* The same for each part of a value that has commas between parts. */
MUST_CHECK int settings_add_parts(struct settings *settings, const struct config_report *report,
				  const struct config_option *option, struct config_origin origin, const char *value);
/* The last of this option from a source of this kind; NULL. */
const struct setting *settings_find(const struct settings *settings, const struct config_option *option,
				    enum config_origin_kind kind);

/* The three sources. 0, -EINVAL, -ENOMEM, or what reading the file said; always with a message. */
MUST_CHECK int flags_read(int argc, char *const *argv, const struct config_report *report, struct settings *settings);
MUST_CHECK int environment_read(char *const *environment, const struct config_report *report,
				struct settings *settings);
/* The file is report->file. */
MUST_CHECK int yaml_read(const struct config_report *report, struct settings *settings);
