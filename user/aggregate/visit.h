/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that walk an aggregate share (visit.c, visit_db.c): labels on the stack, and how one histogram is
 * told.
 */
#pragma once

#include "aggregate/state.h"

#define LABELS_MAX 12

struct labels {
	struct metric_label items[LABELS_MAX];
	size_t count;
	char status[8];
	char port[8];
};

extern const struct metric_label visit_overflow_label;

enum budget_figure {
	BUDGET_SERIES,
	BUDGET_OVERFLOWED,
	BUDGET_EXPIRED,
	BUDGET_FIGURE_COUNT,
};

/* Leaves out what is empty. Borrows both. */
void visit_label(struct labels *labels, const char *name, const char *value);
void visit_port(struct labels *labels, uint16_t port);
void visit_histogram(const struct aggregate *aggregate, const struct metric_visitor *visitor,
		     const struct histogram *histogram, const struct histogram_layout *layout,
		     const struct metric_label *labels, size_t label_count);
/* One sample of a budget's family, which the caller has begun. */
void visit_budget_of(const struct metric_visitor *visitor, const char *metric, const struct series_table *table,
		     enum budget_figure figure);

/* The family of TLS handshakes, and its sample in a budget's family. */
void visit_handshakes(const struct aggregate *aggregate, const struct metric_visitor *visitor);
void visit_handshake_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			    enum budget_figure figure);
/* Likewise of encrypted connections that are not read. */
void visit_unread(const struct aggregate *aggregate, const struct metric_visitor *visitor);
void visit_unread_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			 enum budget_figure figure);
/* The families of sessions, and their samples in a budget's family. */
void visit_sessions(const struct aggregate *aggregate, const struct metric_visitor *visitor);
void visit_session_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
			  enum budget_figure figure);
/* The families of databases, and their samples in a budget's family. */
void visit_db(const struct aggregate *aggregate, const struct metric_visitor *visitor);
void visit_db_budget(const struct aggregate *aggregate, const struct metric_visitor *visitor,
		     enum budget_figure figure);
