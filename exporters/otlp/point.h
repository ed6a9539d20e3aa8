/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One series as one data point: names by OpenTelemetry's conventions, temporality, histograms of both forms.
 */
#pragma once

#include "exporters/otlp/internal.h"

#define POINT_LABELS_MAX 24
#define POINT_TEXT_BYTES 16384
#define POINT_EXEMPLARS_MAX 8

/* The number of the field of Metric. */
enum metric_data {
	METRIC_DATA_GAUGE = 5,
	METRIC_DATA_SUM = 7,
	METRIC_DATA_HISTOGRAM = 9,
	METRIC_DATA_EXPONENTIAL = 10,
};

struct metric_kind {
	const char *name;
	const char *unit; /* UCUM */
	enum metric_data data;
	bool monotonic;
};

struct point_context {
	const struct metric_family *family;
	const struct metric_kind *kind;
	const struct metric_label *labels;
	size_t label_count;
	const char *service;
	uint64_t start_ns;
	uint64_t now_ns;
	struct metric_history *history; /* delta; NULL: cumulative */
};

struct point {
	union {
		Otlp__NumberDataPoint number;
		Otlp__HistogramDataPoint histogram;
		Otlp__ExponentialHistogramDataPoint exponential;
	};
	Otlp__Buckets buckets;
	Otlp__KeyValue pairs[POINT_LABELS_MAX];
	Otlp__KeyValue *pointers[POINT_LABELS_MAX];
	Otlp__AnyValue values[POINT_LABELS_MAX];
	struct text_room room;
	Otlp__Exemplar exemplars[POINT_EXEMPLARS_MAX];
	Otlp__Exemplar *exemplar_pointers[POINT_EXEMPLARS_MAX];
	uint64_t *counts; /* owned; NULL: the source's own are told */
	char text[POINT_TEXT_BYTES];
};

enum attribute_form {
	ATTRIBUTE_TEXT,
	ATTRIBUTE_INT,
	ATTRIBUTE_BOOL,
};

/* What a label is called. */
const char *metric_attribute(const struct metric_family *family, const char *label, enum attribute_form *ret_form);
struct metric_kind metric_kind_of(const struct metric_family *family, bool exponential);
/* What follows the data points: temporality, monotonicity. */
size_t metric_options_length(const struct metric_kind *kind);
void metric_options_append(const struct metric_kind *kind, bool delta, struct buffer *out);
/* Up to the first data point. */
void metric_json_begin(const struct metric_kind *kind, bool delta, struct buffer *out);

/* All borrow from the point and the source. NULL when there is nothing to tell: no room for what delta remembers. */
const ProtobufCMessage *point_number(struct point *point, const struct point_context *context, double value);
const ProtobufCMessage *point_histogram(struct point *point, const struct point_context *context,
					const struct metric_histogram *values);
const ProtobufCMessage *point_exponential(struct point *point, const struct point_context *context,
					  const struct metric_histogram *values);
void point_done(struct point *point);
