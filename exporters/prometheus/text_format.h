/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of both text formats, as a visitor of a snapshot: text 0.0.4 and OpenMetrics 1.0. They differ in the order
 * and escapes of comment lines, in the name of counter families, in the form of `le`, and in the closing `# EOF`.
 */
#pragma once

#include <stdbool.h>

#include "exporters/exporter.h"

#define TEXT_NAME_MAX 200 /* of a family: the longest known metric names have about 90 bytes */

struct text_writer {
	const struct exposition_output *output;
	bool openmetrics;
	int error;
	enum metric_type type;
	char name[TEXT_NAME_MAX + 1]; /* of the family, as its samples say it */
	size_t name_length;
	size_t family_start;  /* in the output: where the family's comment lines begin */
	bool has_samples;     /* a family without samples is not written */
	struct buffer labels; /* `a="b",c="d"` of the series being written; owned */
	struct buffer prefix; /* what the lines of one histogram share; owned */
};

/* The output is borrowed until text_writer_finish. */
void text_writer_init(struct text_writer *writer, bool openmetrics, const struct exposition_output *output);
struct metric_visitor text_writer_visitor(struct text_writer *writer);
/* Ends the exposition and frees what the writer owns. 0 or the first error; see struct exposition. */
MUST_CHECK int text_writer_finish(struct text_writer *writer);
