/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Prometheus text format 0.0.4, read: lines of a file that others wrote. Pure; strict as Prometheus' own parser is,
 * because what passes here goes into an exposition.
 */
#pragma once

#include "host/scan.h"
#include "model/snapshot.h"

#define PROM_LABELS_MAX 32
#define PROM_LABEL_BYTES 4096 /* of all label values of a sample, unescaped */

enum prom_type {
	PROM_UNTYPED,
	PROM_COUNTER,
	PROM_GAUGE,
	PROM_HISTOGRAM,
	PROM_SUMMARY,
};

enum prom_kind {
	PROM_NOTHING, /* an empty line, a comment */
	PROM_HELP,
	PROM_TYPE,
	PROM_SAMPLE,
};

struct prom_line {
	enum prom_kind kind;
	struct span name;
	struct span help; /* escaped as in the file */
	enum prom_type type;
	double value;
	bool has_timestamp;
	struct span label_names[PROM_LABELS_MAX];
	const char *label_values[PROM_LABELS_MAX]; /* in `text` */
	size_t label_count;
	char text[PROM_LABEL_BYTES];
};

/* One line without its end. -EINVAL. */
MUST_CHECK int prom_line_parse(struct span line, struct prom_line *ret_line);
/* Undoes \\ and \n of a help text. Cut to size. */
void prom_unescape_help(struct span help, char *ret_text, size_t size);
