/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of both text formats, as a visitor of a snapshot: text 0.0.4 and OpenMetrics 1.0. They differ in the order
 * and escapes of comment lines, in the name of counter families, in the form of `le`, and in the closing `# EOF`.
 */
#pragma once

#include <stdbool.h>

#include "exporters/exporter.h"
#include "exporters/prometheus/decimal.h"

#define TEXT_NAME_MAX 200 /* of a family: the longest known metric names have about 90 bytes */

/* Of a histogram's bounds that are written as texts once; those of one with more, each time. */
#define TEXT_BOUNDS_MAX 24

struct text_bound {
	double value;
	size_t length;
	char text[DECIMAL_SIZE + 3]; /* `0.25"} `: what stands in front of the count */
};

struct text_writer {
	const struct exposition_output *output;
	bool openmetrics;
	int error;
	enum metric_type type;
	char name[TEXT_NAME_MAX + 1]; /* of the family, as its samples say it */
	size_t name_length;
	size_t family_start;                       /* in the output: where the family's comment lines begin */
	bool has_samples;                          /* a family without samples is not written */
	struct buffer labels;                      /* `a="b",c="d"` of the series being written; owned */
	struct buffer prefix;                      /* what the lines of one histogram share; owned */
	struct text_bound bounds[TEXT_BOUNDS_MAX]; /* of the last histogram: mostly the next one's as well */
	uint32_t bound_count;
};

/* The output is borrowed until text_writer_finish. */
void text_writer_init(struct text_writer *writer, bool openmetrics, const struct exposition_output *output);
struct metric_visitor text_writer_visitor(struct text_writer *writer);
/* Ends the exposition and frees what the writer owns. 0 or the first error; see struct exposition. */
MUST_CHECK int text_writer_finish(struct text_writer *writer);
