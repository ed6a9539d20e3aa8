/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text 0.0.4 (prometheus.io, exposition formats) and OpenMetrics 1.0 (its ABNF and section "Metric Types").
 *   0.0.4:        # HELP name text / # TYPE name type / name{label="value",...} value
 *   OpenMetrics:  # TYPE / # UNIT / # HELP of the family's name, counters without `_total`; `# EOF` at the end
 * What the lines of one series share (name, labels) is written once and copied, since a histogram repeats it for every
 * bucket: that, and numbers without printf, is what makes ten thousand histograms a matter of milliseconds.
 */
#include "exporters/prometheus/text_format.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "exporters/common/escape.h"
#include "exporters/prometheus/decimal.h"

#define LABELS_MAX_BYTES ((size_t)256 << 10) /* of one series */
#define COUNTER_SUFFIX "_total"

static bool ends_with(const char *text, size_t length, const char *suffix)
{
	size_t suffix_length = strlen(suffix);

	return length > suffix_length && !memcmp(text + length - suffix_length, suffix, suffix_length);
}

static const char *type_text(const struct text_writer *writer)
{
	switch (writer->type) {
	case METRIC_COUNTER:
		/* OpenMetrics: a counter's sample MUST end in _total; one that does not is nothing known there. */
		if (writer->openmetrics && !ends_with(writer->name, writer->name_length, COUNTER_SUFFIX))
			break;
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	case METRIC_UNTYPED:
		break;
	}
	return writer->openmetrics ? "unknown" : "untyped";
}

static char *put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}

/* `# KEYWORD name `, with the blank before the name in the keyword. */
static void comment(struct text_writer *writer, const char *keyword, size_t name_length)
{
	size_t keyword_length = strlen(keyword);
	char *at = buffer_extend(writer->output->buffer, keyword_length + name_length + 1);

	if (!at)
		return;
	at = put(at, keyword, keyword_length);
	at = put(at, writer->name, name_length);
	*at = ' ';
}

static void comment_lines(struct text_writer *writer, const struct metric_family *family)
{
	struct buffer *out = writer->output->buffer;

	comment(writer, "# HELP ", writer->name_length);
	escape_append(out, family->help, ESCAPE_BACKSLASH);
	buffer_append_char(out, '\n');
	comment(writer, "# TYPE ", writer->name_length);
	buffer_append_string(out, type_text(writer));
	buffer_append_char(out, '\n');
}

/* OpenMetrics 1.0: the unit MUST be a suffix of the family's name, separated by an underscore. */
static bool unit_is_suffix(const struct text_writer *writer, size_t name_length, const char *unit)
{
	return *unit && ends_with(writer->name, name_length, unit) &&
	       writer->name[name_length - strlen(unit) - 1] == '_';
}

static void openmetrics_comment_lines(struct text_writer *writer, const struct metric_family *family)
{
	struct buffer *out = writer->output->buffer;
	size_t length = writer->name_length;

	if (writer->type == METRIC_COUNTER && ends_with(writer->name, length, COUNTER_SUFFIX))
		length -= strlen(COUNTER_SUFFIX);
	comment(writer, "# TYPE ", length);
	buffer_append_string(out, type_text(writer));
	buffer_append_char(out, '\n');
	if (unit_is_suffix(writer, length, family->unit)) {
		comment(writer, "# UNIT ", length);
		buffer_append_string(out, family->unit);
		buffer_append_char(out, '\n');
	}
	comment(writer, "# HELP ", length);
	escape_append(out, family->help, ESCAPE_QUOTED);
	buffer_append_char(out, '\n');
}

static void family_begin(void *ctx, const struct metric_family *family)
{
	struct text_writer *writer = ctx;
	size_t length = strlen(family->name);

	if (length > TEXT_NAME_MAX) {
		writer->error = writer->error ? writer->error : -ENAMETOOLONG;
		return;
	}
	memcpy(writer->name, family->name, length + 1);
	writer->name_length = length;
	writer->type = family->type;
	writer->family_start = writer->output->buffer->length;
	writer->has_samples = false;
	if (writer->openmetrics)
		openmetrics_comment_lines(writer, family);
	else
		comment_lines(writer, family);
}

static void write_labels(struct buffer *out, const struct metric_label *labels, size_t label_count)
{
	size_t begin = out->length;

	for (size_t i = 0; i < label_count; i++) {
		size_t length = strlen(labels[i].name), comma = out->length > begin;
		char *at = *labels[i].value ? buffer_extend(out, comma + length + 2) : NULL;

		if (!at)
			continue;
		at = put(at, ",", comma);
		at = put(at, labels[i].name, length);
		put(at, "=\"", 2);
		escape_append(out, labels[i].value, ESCAPE_QUOTED);
		buffer_append_char(out, '"');
	}
}

/* What the lines of one histogram share. */
static void keep_labels(struct text_writer *writer, const struct metric_label *labels, size_t label_count)
{
	buffer_reset(&writer->labels);
	write_labels(&writer->labels, labels, label_count);
	if (!writer->error)
		writer->error = buffer_error(&writer->labels);
}

/* `name_suffix{labels} ` */
static void series(struct text_writer *writer, const char *suffix, size_t suffix_length)
{
	struct buffer *out = writer->output->buffer;

	buffer_append(out, writer->name, writer->name_length);
	buffer_append(out, suffix, suffix_length);
	if (writer->labels.length) {
		buffer_append_char(out, '{');
		buffer_append(out, writer->labels.data, writer->labels.length);
		buffer_append_char(out, '}');
	}
	buffer_append_char(out, ' ');
}

static void value_line_end(struct buffer *out, double value)
{
	char text[DECIMAL_SIZE + 1];
	size_t length = decimal_value(value, text);

	text[length++] = '\n';
	buffer_append(out, text, length);
}

static void count_line_end(struct buffer *out, uint64_t count)
{
	buffer_append_uint(out, count);
	buffer_append_char(out, '\n');
}

/* Lets the output go on when a whole unit has been written. */
static void unit_end(struct text_writer *writer)
{
	const struct exposition_output *output = writer->output;

	writer->has_samples = true;
	if (!writer->error)
		writer->error = buffer_error(output->buffer);
	if (!writer->error && output->flush && output->buffer->length >= output->flush_bytes)
		writer->error = output->flush(output->ctx, output->buffer);
}

static void sample(void *ctx, const struct metric_label *labels, size_t label_count, double value)
{
	struct text_writer *writer = ctx;
	struct buffer *out = writer->output->buffer;
	char *at = writer->error ? NULL : buffer_extend(out, writer->name_length + 1);
	size_t brace;

	if (!at) {
		unit_end(writer);
		return;
	}
	brace = out->length - 1;
	*put(at, writer->name, writer->name_length) = '{';
	write_labels(out, labels, label_count);
	if (out->length > brace + 1)
		buffer_append(out, "} ", 2);
	else if (out->length == brace + 1)
		out->data[brace] = ' ';
	value_line_end(out, value);
	unit_end(writer);
}

/* OpenMetrics 1.0, section "Exemplars": ` # {labels} value timestamp`, of an observation that is in the bucket. */
static void exemplar(struct text_writer *writer, const struct metric_histogram *histogram, uint32_t bucket)
{
	const struct metric_exemplar *found = metric_exemplar_of(histogram, bucket);
	struct buffer *out = writer->output->buffer;
	char text[DECIMAL_SIZE], hex[2 * sizeof(found->trace_id) + 1];

	if (!found)
		return;
	buffer_append_string(out, " # {trace_id=\"");
	escape_hex(found->trace_id, sizeof(found->trace_id), hex);
	buffer_append_string(out, hex);
	buffer_append_string(out, "\",span_id=\"");
	escape_hex(found->span_id, sizeof(found->span_id), hex);
	buffer_append_string(out, hex);
	buffer_append_string(out, "\"} ");
	buffer_append(out, text, decimal_value(found->value, text));
	buffer_append_char(out, ' ');
	buffer_append_uint(out, found->time_ns / 1000000000);
	buffer_append_char(out, '.');
	for (uint64_t unit = 100000000; unit >= 1000000; unit /= 10)
		buffer_append_char(out, (char)('0' + found->time_ns / unit % 10));
}

/* `le` with what ends the labels. */
static void bucket(struct text_writer *writer, const char *le, size_t le_length, uint64_t cumulative,
		   const struct metric_histogram *histogram, uint32_t index)
{
	struct buffer *out = writer->output->buffer;
	char *at = writer->error ? NULL : buffer_extend(out, writer->prefix.length + le_length);

	if (!at)
		return;
	put(put(at, writer->prefix.data, writer->prefix.length), le, le_length);
	buffer_append_uint(out, cumulative);
	if (writer->openmetrics && histogram->exemplar_count)
		exemplar(writer, histogram, index);
	buffer_append_char(out, '\n');
}

static void write_bound(const struct text_writer *writer, double value, struct text_bound *ret_bound)
{
	ret_bound->value = value;
	ret_bound->length = decimal_bound(value, writer->openmetrics, ret_bound->text);
	memcpy(ret_bound->text + ret_bound->length, "\"} ", 3);
	ret_bound->length += 3;
}

/* Asked for in the order of the bounds. */
static const struct text_bound *bound_text(struct text_writer *writer, const struct metric_histogram *histogram,
					   uint32_t index)
{
	struct text_bound *bound = &writer->bounds[index < TEXT_BOUNDS_MAX ? index : TEXT_BOUNDS_MAX - 1];
	double value = histogram->bounds[index];

	if (index < writer->bound_count && bound->value == value && signbit(bound->value) == signbit(value))
		return bound;
	write_bound(writer, value, bound);
	writer->bound_count = index < TEXT_BOUNDS_MAX - 1 ? index + 1 : TEXT_BOUNDS_MAX - 1;
	return bound;
}

/* Returns the count of all observations: what le="+Inf" says and `_count` MUST repeat. */
static uint64_t buckets(struct text_writer *writer, const struct metric_histogram *histogram)
{
	struct buffer *prefix = &writer->prefix;
	const struct text_bound *bound;
	uint64_t cumulative = 0;

	buffer_reset(prefix);
	buffer_append(prefix, writer->name, writer->name_length);
	buffer_append(prefix, "_bucket{", 8);
	buffer_append(prefix, writer->labels.data, writer->labels.length);
	if (writer->labels.length)
		buffer_append_char(prefix, ',');
	buffer_append(prefix, "le=\"", 4);
	if (!writer->error)
		writer->error = buffer_error(prefix);
	for (uint32_t i = 0; i < histogram->bound_count; i++) {
		cumulative += histogram->counts[i];
		bound = bound_text(writer, histogram, i);
		bucket(writer, bound->text, bound->length, cumulative, histogram, i);
	}
	cumulative += histogram->counts[histogram->bound_count];
	bucket(writer, "+Inf\"} ", 7, cumulative, histogram, histogram->bound_count);
	return cumulative;
}

static void histogram(void *ctx, const struct metric_label *labels, size_t label_count,
		      const struct metric_histogram *histogram)
{
	struct text_writer *writer = ctx;
	uint64_t count;

	if (writer->error)
		return;
	keep_labels(writer, labels, label_count);
	count = buckets(writer, histogram);
	series(writer, "_sum", 4);
	value_line_end(writer->output->buffer, histogram->sum);
	series(writer, "_count", 6);
	count_line_end(writer->output->buffer, count);
	unit_end(writer);
}

static void family_end(void *ctx)
{
	struct text_writer *writer = ctx;

	/* Nothing was flushed since family_begin: that happens after samples only. */
	if (!writer->error && !writer->has_samples)
		writer->output->buffer->length = writer->family_start;
}

void text_writer_init(struct text_writer *writer, bool openmetrics, const struct exposition_output *output)
{
	*writer = (struct text_writer){ .output = output, .openmetrics = openmetrics };
	buffer_init(&writer->labels, LABELS_MAX_BYTES);
	buffer_init(&writer->prefix, LABELS_MAX_BYTES + 2 * TEXT_NAME_MAX);
}

struct metric_visitor text_writer_visitor(struct text_writer *writer)
{
	return (struct metric_visitor){
		.ctx = writer,
		.family_begin = family_begin,
		.sample = sample,
		.histogram = histogram,
		.family_end = family_end,
	};
}

int text_writer_finish(struct text_writer *writer)
{
	int error = writer->error;

	if (!error && writer->openmetrics)
		buffer_append_string(writer->output->buffer, "# EOF\n");
	if (!error)
		error = buffer_error(writer->output->buffer);
	buffer_done(&writer->labels);
	buffer_done(&writer->prefix);
	return error;
}
