/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.prometheus.client.MetricFamily (client_model, io/prometheus/client/metrics.proto), encoded straight into the
 * output. A family is one message, so the output is flushed between families only.
 *
 * Native histograms: Prometheus' bucket i ends at base^i where ours (OpenTelemetry's) with the same bounds is i - 1.
 * Filled buckets are told in spans; between two spans lie at least SPAN_GAP_MIN empty buckets, as in client_golang,
 * because a span costs about as much as two empty buckets.
 */
#include "exporters/prometheus/protobuf_format.h"

#include "exporters/common/escape.h"
#include "exporters/prometheus/wire.h"

/* Field numbers of client_model's metrics.proto. */
enum metric_family_field {
	FAMILY_NAME = 1,
	FAMILY_HELP = 2,
	FAMILY_TYPE = 3,
	FAMILY_METRIC = 4,
	FAMILY_UNIT = 5,
};
enum metric_field {
	METRIC_LABEL = 1,
	METRIC_FIELD_GAUGE = 2,
	METRIC_FIELD_COUNTER = 3,
	METRIC_FIELD_UNTYPED = 5,
	METRIC_FIELD_HISTOGRAM = 7,
};
enum label_pair_field {
	LABEL_NAME = 1,
	LABEL_VALUE = 2,
};
enum value_field {
	VALUE_VALUE = 1, /* the same in Gauge, Counter and Untyped */
};
enum histogram_field {
	HISTOGRAM_SAMPLE_COUNT = 1,
	HISTOGRAM_SAMPLE_SUM = 2,
	HISTOGRAM_BUCKET = 3,
	HISTOGRAM_SCHEMA = 5,
	HISTOGRAM_ZERO_THRESHOLD = 6,
	HISTOGRAM_ZERO_COUNT = 7,
	HISTOGRAM_POSITIVE_SPAN = 12,
	HISTOGRAM_POSITIVE_DELTA = 13,
	HISTOGRAM_EXEMPLAR = 16,
};
enum bucket_field {
	BUCKET_CUMULATIVE_COUNT = 1,
	BUCKET_UPPER_BOUND = 2,
	BUCKET_EXEMPLAR = 3,
};
enum exemplar_field {
	EXEMPLAR_LABEL = 1,
	EXEMPLAR_VALUE = 2,
	EXEMPLAR_TIMESTAMP = 3,
};
enum timestamp_field { /* google.protobuf.Timestamp */
	TIMESTAMP_SECONDS = 1,
	TIMESTAMP_NANOS = 2,
};
enum span_field {
	SPAN_OFFSET = 1,
	SPAN_LENGTH = 2,
};
enum metric_type_value {
	TYPE_COUNTER = 0,
	TYPE_GAUGE = 1,
	TYPE_UNTYPED = 3,
	TYPE_HISTOGRAM = 4,
};

#define SCHEMA_MIN (-4) /* of exponential buckets */
#define SCHEMA_MAX 8
#define SPAN_GAP_MIN 3

static unsigned int type_value(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return TYPE_COUNTER;
	case METRIC_GAUGE:
		return TYPE_GAUGE;
	case METRIC_HISTOGRAM:
		return TYPE_HISTOGRAM;
	case METRIC_UNTYPED:
		break;
	}
	return TYPE_UNTYPED;
}

static unsigned int value_message_field(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return METRIC_FIELD_COUNTER;
	case METRIC_GAUGE:
		return METRIC_FIELD_GAUGE;
	case METRIC_HISTOGRAM:
	case METRIC_UNTYPED:
		break;
	}
	return METRIC_FIELD_UNTYPED;
}

static void family_begin(void *ctx, const struct metric_family *family)
{
	struct protobuf_writer *writer = ctx;
	struct buffer *out = writer->output->buffer;

	writer->type = family->type;
	writer->has_metrics = false;
	writer->family_prefix = out->length;
	writer->family_begin = wire_message_begin(out, 0);
	wire_string(out, FAMILY_NAME, family->name);
	wire_string(out, FAMILY_HELP, family->help);
	wire_uint(out, FAMILY_TYPE, type_value(family->type));
	if (*family->unit)
		wire_string(out, FAMILY_UNIT, family->unit);
}

static size_t metric_begin(struct protobuf_writer *writer, const struct metric_label *labels, size_t label_count)
{
	struct buffer *out = writer->output->buffer;
	size_t metric = wire_message_begin(out, FAMILY_METRIC), pair;

	writer->has_metrics = true;
	for (size_t i = 0; i < label_count; i++) {
		if (!*labels[i].value)
			continue;
		pair = wire_message_begin(out, METRIC_LABEL);
		wire_string(out, LABEL_NAME, labels[i].name);
		wire_string(out, LABEL_VALUE, labels[i].value);
		wire_message_end(out, pair);
	}
	return metric;
}

static void sample(void *ctx, const struct metric_label *labels, size_t label_count, double value)
{
	struct protobuf_writer *writer = ctx;
	struct buffer *out = writer->output->buffer;
	size_t metric, message;

	if (writer->error)
		return;
	metric = metric_begin(writer, labels, label_count);
	message = wire_message_begin(out, value_message_field(writer->type));
	wire_double(out, VALUE_VALUE, value);
	wire_message_end(out, message);
	wire_message_end(out, metric);
}

static void label(struct buffer *out, unsigned int field, const char *name, const char *value)
{
	size_t pair = wire_message_begin(out, field);

	wire_string(out, LABEL_NAME, name);
	wire_string(out, LABEL_VALUE, value);
	wire_message_end(out, pair);
}

static void exemplar(struct buffer *out, unsigned int field, const struct metric_exemplar *exemplar)
{
	size_t message = wire_message_begin(out, field), timestamp;
	char text[2 * sizeof(exemplar->trace_id) + 1];

	escape_hex(exemplar->trace_id, sizeof(exemplar->trace_id), text);
	label(out, EXEMPLAR_LABEL, "trace_id", text);
	escape_hex(exemplar->span_id, sizeof(exemplar->span_id), text);
	label(out, EXEMPLAR_LABEL, "span_id", text);
	wire_double(out, EXEMPLAR_VALUE, exemplar->value);
	timestamp = wire_message_begin(out, EXEMPLAR_TIMESTAMP);
	wire_uint(out, TIMESTAMP_SECONDS, exemplar->time_ns / 1000000000);
	wire_uint(out, TIMESTAMP_NANOS, exemplar->time_ns % 1000000000);
	wire_message_end(out, timestamp);
	wire_message_end(out, message);
}

/* Without le="+Inf", which readers take from sample_count, as client_golang does. */
static void classic_buckets(struct buffer *out, const struct metric_histogram *histogram)
{
	const struct metric_exemplar *found;
	uint64_t cumulative = 0;
	size_t message;

	for (uint32_t i = 0; i < histogram->bound_count; i++) {
		cumulative += histogram->counts[i];
		message = wire_message_begin(out, HISTOGRAM_BUCKET);
		wire_uint(out, BUCKET_CUMULATIVE_COUNT, cumulative);
		wire_double(out, BUCKET_UPPER_BOUND, histogram->bounds[i]);
		found = metric_exemplar_of(histogram, i);
		if (found)
			exemplar(out, BUCKET_EXEMPLAR, found);
		wire_message_end(out, message);
	}
}

static uint32_t next_filled(const struct native_histogram *native, uint32_t from)
{
	while (from < native->count && !native->counts[from])
		from++;
	return from;
}

/* The span that begins at the filled bucket `from`: returns its end, one past its last filled bucket. */
static uint32_t span_end(const struct native_histogram *native, uint32_t from)
{
	uint32_t end = from + 1, filled;

	for (;;) {
		filled = next_filled(native, end);
		if (filled >= native->count || filled - end >= SPAN_GAP_MIN)
			return end;
		end = filled + 1;
	}
}

static void span(struct buffer *out, int64_t offset, uint32_t length)
{
	size_t message = wire_message_begin(out, HISTOGRAM_POSITIVE_SPAN);

	wire_sint(out, SPAN_OFFSET, offset);
	wire_uint(out, SPAN_LENGTH, length);
	wire_message_end(out, message);
}

static void native_spans(struct buffer *out, const struct native_histogram *native)
{
	uint32_t from = next_filled(native, 0), end = 0;
	/* The first span's offset is absolute, later ones count from the end of the one before. */
	int64_t base = (int64_t)native->offset + 1;

	/* By a span of nothing a native histogram without buckets is told from a classic one (client_model). */
	if (from >= native->count)
		span(out, 0, 0);
	while (from < native->count) {
		int64_t offset = base + from - end;

		end = span_end(native, from);
		span(out, offset, end - from);
		base = 0;
		from = next_filled(native, end);
	}
}

static void native_deltas(struct buffer *out, const struct native_histogram *native)
{
	uint32_t from = next_filled(native, 0);
	uint64_t previous = 0;

	while (from < native->count) {
		uint32_t end = span_end(native, from);

		for (uint32_t i = from; i < end; i++) {
			wire_sint(out, HISTOGRAM_POSITIVE_DELTA, (int64_t)(native->counts[i] - previous));
			previous = native->counts[i];
		}
		from = next_filled(native, end);
	}
}

static void native_buckets(struct buffer *out, const struct native_histogram *native)
{
	wire_sint(out, HISTOGRAM_SCHEMA, native->schema);
	wire_double(out, HISTOGRAM_ZERO_THRESHOLD, native->zero_threshold);
	wire_uint(out, HISTOGRAM_ZERO_COUNT, native->zero_count);
	native_spans(out, native);
	native_deltas(out, native);
}

static uint64_t observations(const struct metric_histogram *histogram)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i <= histogram->bound_count; i++)
		count += histogram->counts[i];
	return count;
}

static void histogram(void *ctx, const struct metric_label *labels, size_t label_count,
		      const struct metric_histogram *histogram)
{
	struct protobuf_writer *writer = ctx;
	struct buffer *out = writer->output->buffer;
	const struct native_histogram *native = histogram->native;
	size_t metric, message;

	if (writer->error)
		return;
	metric = metric_begin(writer, labels, label_count);
	message = wire_message_begin(out, METRIC_FIELD_HISTOGRAM);
	wire_uint(out, HISTOGRAM_SAMPLE_COUNT, observations(histogram));
	wire_double(out, HISTOGRAM_SAMPLE_SUM, histogram->sum);
	classic_buckets(out, histogram);
	if (native && native->schema >= SCHEMA_MIN && native->schema <= SCHEMA_MAX)
		native_buckets(out, native);
	for (uint32_t i = 0; native && i < histogram->exemplar_count; i++)
		exemplar(out, HISTOGRAM_EXEMPLAR, &histogram->exemplars[i]);
	wire_message_end(out, message);
	wire_message_end(out, metric);
}

static void family_end(void *ctx)
{
	struct protobuf_writer *writer = ctx;
	const struct exposition_output *output = writer->output;

	if (!writer->error)
		writer->error = buffer_error(output->buffer);
	if (writer->error)
		return;
	if (!writer->has_metrics) {
		output->buffer->length = writer->family_prefix;
		return;
	}
	wire_message_end(output->buffer, writer->family_begin);
	writer->error = buffer_error(output->buffer);
	if (!writer->error && output->flush && output->buffer->length >= output->flush_bytes)
		writer->error = output->flush(output->ctx, output->buffer);
}

void protobuf_writer_init(struct protobuf_writer *writer, const struct exposition_output *output)
{
	*writer = (struct protobuf_writer){ .output = output };
}

struct metric_visitor protobuf_writer_visitor(struct protobuf_writer *writer)
{
	return (struct metric_visitor){
		.ctx = writer,
		.family_begin = family_begin,
		.sample = sample,
		.histogram = histogram,
		.family_end = family_end,
	};
}

int protobuf_writer_finish(struct protobuf_writer *writer)
{
	return writer->error ? writer->error : buffer_error(writer->output->buffer);
}
