/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers what the rows of one of the kernel's tables are: which of them a pattern lets pass, and the families that
 * they become. A table has the same rows in the same order in every scrape, so all that is left to do for most of them
 * is to see that the name is still the same.
 */
#pragma once

#include "host/internal.h"

#define ROWS_MAX 4096 /* netstat and snmp together have four hundred */

struct rows;

struct rows_config {
	const char *prefix; /* of the families' names: "node_vmstat_" */
	const char *where;  /* the file, for the help text */
	struct filter *fields;
};

/* All borrowed for the life of the rows. -ENOMEM. */
MUST_CHECK int rows_new(const struct rows_config *config, struct rows **ret_rows);
/* Takes NULL. */
void rows_free(struct rows *rows);

/* Begins a walk of the table from its first row. What the last walk told is no longer needed. */
void rows_begin(struct rows *rows);
/* The family of the next row, whose name is `group` and `name`, joined by an underscore when there is a group; NULL:
 * it is not told. The family lasts until rows_begin. -ENOMEM, -ENOSPC. */
MUST_CHECK int rows_next(struct rows *rows, struct span group, struct span name,
			 const struct metric_family **ret_family);
