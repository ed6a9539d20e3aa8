/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See point.h. A delta is what a series gained since the last walk; a series that is new, or whose values went back
 * (it left and came again), is told from where it began. Histograms remember their buckets.
 */
#include "exporters/otlp/point.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "exporters/otlp/history.h"

static bool fill_value(struct point *point, Otlp__AnyValue *value, const char *text, enum attribute_form form)
{
	uint64_t number;

	otlp__any_value__init(value);
	if (form == ATTRIBUTE_INT && !number_u64(text, &number)) {
		value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		value->int_value = (int64_t)number;
		return true;
	}
	if (form == ATTRIBUTE_BOOL) {
		value->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
		value->bool_value = !strcmp(text, "true");
		return true;
	}
	value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	value->string_value = text_room_keep(&point->room, (struct text){ text, strlen(text) });
	return value->string_value != NULL;
}

/* The service is the resource, unless its points had to go to another's. */
static size_t fill_attributes(struct point *point, const struct point_context *context)
{
	size_t count = 0;

	point->counts = NULL;
	point->room = (struct text_room){ point->text, sizeof(point->text) };
	for (size_t i = 0; i < context->label_count && count < POINT_LABELS_MAX; i++) {
		const struct metric_label *label = &context->labels[i];
		enum attribute_form form;
		const char *key = metric_attribute(context->family, label->name, &form);

		if (!*label->value)
			continue;
		if (!strcmp(label->name, "service_name") && !strcmp(label->value, context->service))
			continue;
		if (!fill_value(point, &point->values[count], label->value, form))
			continue;
		otlp__key_value__init(&point->pairs[count]);
		point->pairs[count].key = (char *)(uintptr_t)key; /* only read */
		point->pairs[count].value = &point->values[count];
		point->pointers[count] = &point->pairs[count];
		count++;
	}
	return count;
}

static struct past *past_of(const struct point_context *context)
{
	uint64_t high = hash_bytes(context->family->name, strlen(context->family->name), 1);
	uint64_t low = hash_bytes(context->service, strlen(context->service), 2) ^ high;

	for (size_t i = 0; i < context->label_count; i++) {
		const struct metric_label *label = &context->labels[i];

		high = hash_bytes(label->name, strlen(label->name), high);
		high = hash_bytes(label->value, strlen(label->value), high);
		low = hash_bytes(label->value, strlen(label->value),
				 low ^ hash_bytes(label->name, strlen(label->name), 3));
	}
	return metric_history_get(context->history, high, low);
}

/* Where the interval of a delta begins. */
static uint64_t since(const struct past *past, const struct point_context *context)
{
	return past->told_ns ? past->told_ns : context->start_ns;
}

const ProtobufCMessage *point_number(struct point *point, const struct point_context *context, double value)
{
	Otlp__NumberDataPoint *number = &point->number;
	struct past *past = context->history && context->kind->monotonic ? past_of(context) : NULL;

	otlp__number_data_point__init(number);
	number->has_time_unix_nano = number->has_as_double = true;
	number->has_start_time_unix_nano = context->kind->data == METRIC_DATA_SUM;
	number->start_time_unix_nano = context->start_ns;
	number->time_unix_nano = context->now_ns;
	number->as_double = value;
	number->n_attributes = fill_attributes(point, context);
	number->attributes = point->pointers;
	if (!context->history || !context->kind->monotonic)
		return &number->base;
	if (!past)
		return NULL;
	number->start_time_unix_nano = since(past, context);
	if (value >= past->value)
		number->as_double = value - past->value;
	past->value = value;
	past->told_ns = context->now_ns;
	return &number->base;
}

/* What came to each bucket since the last time. Both are contiguous, and may begin at different buckets; false when
 * they cannot be compared: then everything is new. */
static bool subtract(uint64_t *counts, int32_t offset, uint32_t length, const struct past *past)
{
	for (uint32_t i = 0; i < past->length; i++) {
		int64_t at = (int64_t)past->offset + i - offset;

		if (past->counts[i] == 0)
			continue;
		if (at < 0 || at >= length || counts[at] < past->counts[i])
			return false;
		counts[at] -= past->counts[i];
	}
	return true;
}

struct histogram_view {
	const uint64_t *counts;
	uint32_t length;
	int32_t schema;
	int32_t offset;
	uint64_t count;
	uint64_t zero_count;
	double sum;
};

static bool remember(struct past *past, const struct histogram_view *view, uint64_t now_ns)
{
	uint64_t *counts = reallocarray(past->counts, view->length + 1, sizeof(*counts));

	if (!counts)
		return false;
	past->counts = counts;
	if (view->length > 0)
		memcpy(counts, view->counts, view->length * sizeof(*counts));
	past->length = view->length;
	past->schema = view->schema;
	past->offset = view->offset;
	past->count = view->count;
	past->zero_count = view->zero_count;
	past->value = view->sum;
	past->told_ns = now_ns;
	return true;
}

/* Turns the view into a delta, whose counts are the point's own. False: nothing can be told. */
static bool make_delta(struct point *point, const struct point_context *context, struct histogram_view *view,
		       uint64_t *ret_start)
{
	struct past *past = past_of(context);
	struct histogram_view whole = *view;

	point->counts = past ? malloc((view->length + 1) * sizeof(*point->counts)) : NULL;
	if (!point->counts)
		return false;
	if (view->length > 0)
		memcpy(point->counts, view->counts, view->length * sizeof(*point->counts));
	*ret_start = since(past, context);
	if (past->told_ns && past->schema == view->schema && view->count >= past->count &&
	    view->zero_count >= past->zero_count && subtract(point->counts, view->offset, view->length, past)) {
		view->count -= past->count;
		view->zero_count -= past->zero_count;
		view->sum -= past->value;
	} else if (view->length > 0) {
		memcpy(point->counts, view->counts, view->length * sizeof(*point->counts));
	}
	view->counts = point->counts;
	if (remember(past, &whole, context->now_ns))
		return true;
	point_done(point);
	return false;
}

/* Those of the interval. */
static size_t fill_exemplars(struct point *point, const struct metric_histogram *values, uint64_t since_ns)
{
	size_t count = 0;

	for (uint32_t i = 0; i < values->exemplar_count && count < POINT_EXEMPLARS_MAX; i++) {
		const struct metric_exemplar *from = &values->exemplars[i];
		Otlp__Exemplar *exemplar = &point->exemplars[count];

		if (from->time_ns < since_ns)
			continue;
		otlp__exemplar__init(exemplar);
		exemplar->has_time_unix_nano = exemplar->has_as_double = true;
		exemplar->has_span_id = exemplar->has_trace_id = true;
		exemplar->time_unix_nano = from->time_ns;
		exemplar->as_double = from->value;
		/* Only read. */
		exemplar->trace_id =
			(ProtobufCBinaryData){ sizeof(from->trace_id), (uint8_t *)(uintptr_t)from->trace_id };
		exemplar->span_id = (ProtobufCBinaryData){ sizeof(from->span_id), (uint8_t *)(uintptr_t)from->span_id };
		point->exemplar_pointers[count++] = exemplar;
	}
	return count;
}

const ProtobufCMessage *point_histogram(struct point *point, const struct point_context *context,
					const struct metric_histogram *values)
{
	Otlp__HistogramDataPoint *histogram = &point->histogram;
	struct histogram_view view = {
		.counts = values->counts, .length = values->bound_count + 1, .count = values->count, .sum = values->sum
	};
	uint64_t start = context->start_ns;

	otlp__histogram_data_point__init(histogram);
	histogram->n_attributes = fill_attributes(point, context);
	histogram->attributes = point->pointers;
	if (context->history && !make_delta(point, context, &view, &start))
		return NULL;
	histogram->has_start_time_unix_nano = histogram->has_time_unix_nano = true;
	histogram->has_count = histogram->has_sum = true;
	histogram->start_time_unix_nano = start;
	histogram->time_unix_nano = context->now_ns;
	histogram->count = view.count;
	histogram->sum = view.sum;
	histogram->n_bucket_counts = view.length;
	histogram->bucket_counts = (uint64_t *)(uintptr_t)view.counts; /* only read, as the bounds */
	histogram->n_exemplars = fill_exemplars(point, values, start);
	histogram->exemplars = point->exemplar_pointers;
	histogram->n_explicit_bounds = values->bound_count;
	histogram->explicit_bounds = (double *)(uintptr_t)values->bounds;
	return &histogram->base;
}

const ProtobufCMessage *point_exponential(struct point *point, const struct point_context *context,
					  const struct metric_histogram *values)
{
	Otlp__ExponentialHistogramDataPoint *histogram = &point->exponential;
	const struct native_histogram *native = values->native;
	struct histogram_view view = { .counts = native->counts,
				       .length = native->count,
				       .schema = native->schema,
				       .offset = native->offset,
				       .count = values->count,
				       .zero_count = native->zero_count,
				       .sum = values->sum };
	uint64_t start = context->start_ns;

	otlp__exponential_histogram_data_point__init(histogram);
	otlp__buckets__init(&point->buckets);
	histogram->n_attributes = fill_attributes(point, context);
	histogram->attributes = point->pointers;
	if (context->history && !make_delta(point, context, &view, &start))
		return NULL;
	histogram->has_start_time_unix_nano = histogram->has_time_unix_nano = histogram->has_count = true;
	histogram->has_sum = histogram->has_scale = histogram->has_zero_count = histogram->has_zero_threshold = true;
	histogram->start_time_unix_nano = start;
	histogram->time_unix_nano = context->now_ns;
	histogram->count = view.count;
	histogram->sum = view.sum;
	histogram->scale = view.schema;
	histogram->zero_count = view.zero_count;
	histogram->zero_threshold = native->zero_threshold;
	histogram->positive = &point->buckets;
	histogram->n_exemplars = fill_exemplars(point, values, start);
	histogram->exemplars = point->exemplar_pointers;
	point->buckets.has_offset = true;
	point->buckets.offset = view.offset;
	point->buckets.n_bucket_counts = view.length;
	point->buckets.bucket_counts = (uint64_t *)(uintptr_t)view.counts; /* only read */
	return &histogram->base;
}

void point_done(struct point *point)
{
	free(point->counts);
	point->counts = NULL;
}
