/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a process to the attributes of its resource, as lines (identity/lines.h). Pure.
 */
#pragma once

#include <stdint.h>

#include "identity/environment.h"
#include "identity/facts.h"

#define RESOURCE_MAX (FACTS_LINES_MAX + ENVIRONMENT_DECLARED_MAX + 1024)

struct resource_facts {
	uint32_t tgid;
	const char *executable; /* path; "" as the following when not known */
	const char *go;         /* the Go that made it: "go1.22.3" */
	const char *declared;   /* lines, of its environment */
	const char *place;      /* lines, of its container */
};

/* `lines` holds RESOURCE_MAX bytes. Returns their length. What the process itself declares wins. */
size_t resource_lines(const struct resource_facts *facts, char *lines);
