/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that write families share. For container/ only.
 */
#pragma once

#include <string.h>

#include "container/internal.h"

#define EXTRA_MAX 4 /* labels beside a record's own */

static inline void family_begin(const struct metric_visitor *out, const char *name, const char *help,
				enum metric_type type, const char *unit)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
}

/* A sample of a record, with labels beside its own. */
static inline void sample(const struct metric_visitor *out, const struct record *record,
			  const struct metric_label *extra, size_t extra_count, double value)
{
	struct metric_label labels[CONTAINER_LABELS_MAX + EXTRA_MAX];
	size_t count = record->shown.label_count;

	memcpy(labels, record->labels, count * sizeof(labels[0]));
	memcpy(labels + count, extra, extra_count * sizeof(labels[0]));
	out->sample(out->ctx, labels, count + extra_count, value);
}

/* --- devices.c: block I/O */
void visit_devices(const struct container_table *table, const struct metric_visitor *out);
/* --- own.c: what the table could not do, and the machine that all of it is a part of */
void visit_own(const struct container_table *table, const struct metric_visitor *out);
