/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot: every series at one instant, walked family by family. Sources (aggregate, the agent's own counters, later
 * host and container) push into a visitor; exporters are visitors. The agent is single-threaded and a walk never
 * yields, so what a walk sees is one instant. Nothing is materialised: a walk allocates nothing in the source.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_UNTYPED,
};

struct metric_family {
	const char *name; /* with unit and, for counters, `_total`: the text 0.0.4 name */
	const char *help; /* one sentence */
	const char *unit; /* OpenMetrics unit, a suffix of the name: "seconds", "bytes"; "" when none */
	enum metric_type type;
};

/* Name and value are UTF-8 and unescaped; an empty value is a label that is not there. Writers skip it. */
struct metric_label {
	const char *name;
	const char *value;
};

/* Base-2 exponential buckets of positive values (OpenTelemetry scale = Prometheus schema):
 * counts[i] holds values in (base^(offset+i), base^(offset+i+1)], base = 2^(2^-schema). Contiguous, trimmed. */
struct native_histogram {
	int32_t schema;
	int32_t offset;
	uint32_t count; /* length of counts */
	const uint64_t *counts;
	uint64_t zero_count; /* values in [0, zero_threshold] */
	double zero_threshold;
};

/* An observation, and the span that tells more about it. */
struct metric_exemplar {
	double value;
	uint64_t time_ns; /* since the epoch */
	uint8_t trace_id[16];
	uint8_t span_id[8];
};

struct metric_histogram {
	const double *bounds;   /* ascending upper bounds, without +Inf */
	const uint64_t *counts; /* bound_count + 1 of them, NOT cumulative; the last is (bounds[last], +Inf) */
	uint32_t bound_count;
	uint64_t count; /* observations */
	double sum;
	const struct native_histogram *native;   /* NULL when there is none */
	const struct metric_exemplar *exemplars; /* no two of them in one bucket of the above */
	uint32_t exemplar_count;
};

/* The exemplar in a classic bucket; NULL. */
static inline const struct metric_exemplar *metric_exemplar_of(const struct metric_histogram *histogram,
							       uint32_t bucket)
{
	for (uint32_t i = 0; i < histogram->exemplar_count; i++) {
		double value = histogram->exemplars[i].value;

		if ((bucket == histogram->bound_count || value <= histogram->bounds[bucket]) &&
		    (bucket == 0 || value > histogram->bounds[bucket - 1]))
			return &histogram->exemplars[i];
	}
	return NULL;
}

/* Calls come as: family_begin, then any number of sample/histogram, then family_end. Every sample of one family comes
 * in one run; a family comes once in a walk. All pointers are borrowed for the call. */
struct metric_visitor {
	void *ctx;
	void (*family_begin)(void *ctx, const struct metric_family *family);
	void (*sample)(void *ctx, const struct metric_label *labels, size_t label_count, double value);
	void (*histogram)(void *ctx, const struct metric_label *labels, size_t label_count,
			  const struct metric_histogram *histogram);
	void (*family_end)(void *ctx);
};

/* A source of families: walks all of its own into the visitor. */
struct snapshot_source {
	void *ctx;
	void (*visit)(void *ctx, const struct metric_visitor *visitor);
	bool has_collectors; /* is told, in part, when a scrape picks collectors */
};

#define SNAPSHOT_NAMES_MAX 128

/* Which collectors of the host a scrape asks for, as node_exporter's collect[] and exclude[] do. Picking some leaves
 * out all sources that have no collectors. */
struct snapshot_filter {
	const char *names[SNAPSHOT_NAMES_MAX];
	size_t count; /* 0: all */
	bool exclude; /* the names are those to leave out */
};

#define SNAPSHOT_SOURCES_MAX 16

/* What exporters read. Sources are borrowed; no two of them own a family of the same name. */
struct snapshot {
	struct snapshot_source sources[SNAPSHOT_SOURCES_MAX];
	size_t source_count;
	/* Called before a walk: drains the capture ring, so that a scrape sees all that happened before it, and reads
	 * what the filter asks for. May be NULL. 0; or a negative errno and a sentence in ret_error, when the filter
	 * asks for what there is not. */
	int (*refresh)(void *ctx, const struct snapshot_filter *filter, char *ret_error, size_t error_size);
	void *refresh_ctx;
	bool only_collectors; /* set by refresh: of the walk that follows */
	bool hide_own;        /* expositions leave out sonde_*: what the agent says of itself */
};
