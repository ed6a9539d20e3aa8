/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf exposition: bytes written by hand for a small family, and everything else through a decoder that shares
 * nothing with the encoder but the published field numbers, written here as plain numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "exporters/prometheus/protobuf_format.h"

#define OUTPUT_LIMIT 65536
#define REPEATED_MAX 32

typedef void (*walk)(const struct metric_visitor *visitor);

static int write_into(walk walk_families, const struct exposition_output *output)
{
	struct protobuf_writer writer;
	struct metric_visitor visitor;

	protobuf_writer_init(&writer, output);
	visitor = protobuf_writer_visitor(&writer);
	walk_families(&visitor);
	return protobuf_writer_finish(&writer);
}

static struct buffer written(walk walk_families)
{
	struct buffer buffer;
	const struct exposition_output output = { .buffer = &buffer };

	buffer_init(&buffer, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_families, &output), 0);
	return buffer;
}

/* --- the decoder: a message is a run of bytes, asked field by field */

struct message {
	const uint8_t *bytes;
	size_t length;
};

struct field {
	uint32_t number;
	uint32_t type; /* 0 varint, 1 fixed64, 2 bytes */
	uint64_t value;
	struct message bytes;
};

static uint64_t take_varint(struct message *message)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		assert_true(message->length && shift < 64);
		value |= (uint64_t)(*message->bytes & 0x7F) << shift;
		message->length--;
		if (!(*message->bytes++ & 0x80))
			return value;
	}
}

static struct message take_bytes(struct message *message, uint64_t length)
{
	struct message bytes = { message->bytes, length };

	assert_true(length <= message->length);
	message->bytes += length;
	message->length -= length;
	return bytes;
}

static bool take_field(struct message *message, struct field *ret_field)
{
	struct field field = { 0 };
	uint64_t tag;

	if (!message->length)
		return false;
	tag = take_varint(message);
	field.number = (uint32_t)(tag >> 3);
	field.type = tag & 7;
	if (field.type == 0) {
		field.value = take_varint(message);
	} else if (field.type == 1) {
		field.bytes = take_bytes(message, 8);
		for (int i = 7; i >= 0; i--)
			field.value = field.value << 8 | field.bytes.bytes[i];
	} else {
		assert_int_equal(field.type, 2);
		field.bytes = take_bytes(message, take_varint(message));
	}
	*ret_field = field;
	return true;
}

/* The `index`th field of that number; false when there are fewer. */
static bool find(struct message message, uint32_t number, size_t index, struct field *ret_field)
{
	struct field field;

	while (take_field(&message, &field)) {
		if (field.number != number || index--)
			continue;
		*ret_field = field;
		return true;
	}
	return false;
}

static size_t count_of(struct message message, uint32_t number)
{
	struct field field;
	size_t count = 0;

	while (take_field(&message, &field))
		count += field.number == number;
	return count;
}

static struct message sub(struct message message, uint32_t number, size_t index)
{
	struct field field = { 0 };

	assert_true(find(message, number, index, &field));
	assert_int_equal(field.type, 2);
	return field.bytes;
}

static uint64_t number_of(struct message message, uint32_t number)
{
	struct field field = { 0 };

	assert_true(find(message, number, 0, &field));
	assert_int_equal(field.type, 0);
	return field.value;
}

static int64_t zigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static double double_of(struct message message, uint32_t number)
{
	struct field field = { 0 };
	double value;

	assert_true(find(message, number, 0, &field));
	assert_int_equal(field.type, 1);
	memcpy(&value, &field.value, sizeof(value));
	return value;
}

static void assert_text(struct message message, uint32_t number, const char *expected)
{
	struct message text = sub(message, number, 0);

	assert_int_equal(text.length, strlen(expected));
	assert_memory_equal(text.bytes, expected, text.length);
}

/* The `index`th family of the stream; its length must be exact. */
static struct message family_at(const struct buffer *buffer, size_t index)
{
	struct message stream = { (const uint8_t *)buffer->data, buffer->length }, family;

	do {
		assert_true(stream.length);
		family = take_bytes(&stream, take_varint(&stream));
	} while (index--);
	return family;
}

/* --- the tests */

static void walk_counter(const struct metric_visitor *visitor)
{
	const struct metric_family empty = { "nothing", "Has no samples.", "", METRIC_GAUGE };
	const struct metric_family family = { "r_total", "R.", "", METRIC_COUNTER };
	const struct metric_label labels[] = { { "m", "GET" }, { "e", "" } };

	visitor->family_begin(visitor->ctx, &empty);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &family);
	visitor->sample(visitor->ctx, labels, 2, 2);
	visitor->family_end(visitor->ctx);
}

static void bytes_of_a_counter(void **state)
{
	static const uint8_t expected[] = {
		38,                                           /* length of the MetricFamily */
		0x0A, 7,  'r', '_', 't', 'o', 't', 'a', 'l',  /* 1 name */
		0x12, 2,  'R', '.',                           /* 2 help */
		0x18, 0,                                      /* 3 type: COUNTER */
		0x22, 21,                                     /* 4 metric */
		0x0A, 8,                                      /*   1 label */
		0x0A, 1,  'm',                                /*     1 name */
		0x12, 3,  'G', 'E', 'T',                      /*     2 value */
		0x1A, 9,                                      /*   3 counter */
		0x09, 0,  0,   0,   0,   0,   0,   0,   0x40, /*     1 value: 2.0 */
	};
	struct buffer buffer = written(walk_counter);

	(void)state;
	assert_int_equal(buffer.length, sizeof(expected));
	assert_memory_equal(buffer.data, expected, sizeof(expected));
	buffer_done(&buffer);
}

static void walk_types(const struct metric_visitor *visitor)
{
	const struct metric_family gauge = { "g_bytes", "A \"gauge\".\n", "bytes", METRIC_GAUGE };
	const struct metric_family untyped = { "u", "", "", METRIC_UNTYPED };
	const struct metric_label labels[] = { { "broken", "a\xFFz\"\n" } };

	visitor->family_begin(visitor->ctx, &gauge);
	visitor->sample(visitor->ctx, labels, 1, 0.1);
	visitor->sample(visitor->ctx, NULL, 0, -1);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &untyped);
	visitor->sample(visitor->ctx, NULL, 0, 7);
	visitor->family_end(visitor->ctx);
}

static void gauges_and_untyped(void **state)
{
	struct buffer buffer = written(walk_types);
	struct message gauge = family_at(&buffer, 0), untyped = family_at(&buffer, 1), label;

	(void)state;
	assert_text(gauge, 1, "g_bytes");
	assert_text(gauge, 2, "A \"gauge\".\n");
	assert_int_equal(number_of(gauge, 3), 1);
	assert_text(gauge, 5, "bytes");
	assert_int_equal(count_of(gauge, 4), 2);
	label = sub(sub(gauge, 4, 0), 1, 0);
	assert_text(label, 1, "broken");
	assert_text(label, 2, "a\xEF\xBF\xBDz\"\n");
	assert_true(double_of(sub(sub(gauge, 4, 0), 2, 0), 1) == 0.1);
	assert_int_equal(count_of(sub(gauge, 4, 1), 1), 0);
	assert_true(double_of(sub(sub(gauge, 4, 1), 2, 0), 1) == -1);
	assert_text(untyped, 1, "u");
	assert_int_equal(number_of(untyped, 3), 3);
	assert_int_equal(count_of(untyped, 5), 0);
	assert_true(double_of(sub(sub(untyped, 4, 0), 5, 0), 1) == 7);
	buffer_done(&buffer);
}

static const double bounds[] = { 0.5, 2 };
static const uint64_t counts[] = { 1, 300, 4 };

static void visit_histogram(const struct metric_visitor *visitor, const struct native_histogram *native)
{
	const struct metric_family family = { "d_seconds", "D.", "seconds", METRIC_HISTOGRAM };
	const struct metric_histogram histogram = { bounds, counts, 2, 305, 99.5, native, NULL, 0 };

	visitor->family_begin(visitor->ctx, &family);
	visitor->histogram(visitor->ctx, NULL, 0, &histogram);
	visitor->family_end(visitor->ctx);
}

static struct message histogram_of(const struct buffer *buffer)
{
	struct message family = family_at(buffer, 0);

	assert_int_equal(number_of(family, 3), 4);
	return sub(sub(family, 4, 0), 7, 0);
}

static void walk_classic(const struct metric_visitor *visitor)
{
	visit_histogram(visitor, NULL);
}

static void classic_histogram(void **state)
{
	struct buffer buffer = written(walk_classic);
	struct message histogram = histogram_of(&buffer);

	(void)state;
	assert_int_equal(number_of(histogram, 1), 305);
	assert_true(double_of(histogram, 2) == 99.5);
	assert_int_equal(count_of(histogram, 3), 2);
	assert_int_equal(number_of(sub(histogram, 3, 0), 1), 1);
	assert_true(double_of(sub(histogram, 3, 0), 2) == 0.5);
	assert_int_equal(number_of(sub(histogram, 3, 1), 1), 301);
	assert_true(double_of(sub(histogram, 3, 1), 2) == 2);
	for (uint32_t field = 5; field <= 16; field++) /* nothing native */
		assert_int_equal(count_of(histogram, field), 0);
	buffer_done(&buffer);
}

/* Expands spans and deltas back into (index, count) pairs, as a reader does. */
static size_t expand(struct message histogram, int64_t indexes[REPEATED_MAX], int64_t values[REPEATED_MAX])
{
	int64_t index = 0, value = 0;
	size_t filled = 0;
	struct field delta = { 0 };

	for (size_t i = 0; i < count_of(histogram, 12); i++) {
		struct message span = sub(histogram, 12, i);

		index += zigzag(number_of(span, 1));
		for (uint64_t left = number_of(span, 2); left; left--) {
			assert_true(filled < REPEATED_MAX);
			assert_true(find(histogram, 13, filled, &delta));
			value += zigzag(delta.value);
			indexes[filled] = index++;
			values[filled++] = value;
		}
	}
	assert_int_equal(count_of(histogram, 13), filled);
	return filled;
}

/* Scale 0, offset -3: buckets (1/8, 1/4], (1/4, 1/2], ... which Prometheus calls -2, -1, ... */
static void walk_native(const struct metric_visitor *visitor)
{
	static const uint64_t native_counts[] = { 5, 0, 0, 2, 9, 0, 0, 0, 1, 0 };
	const struct native_histogram native = { 0, -3, 10, native_counts, 4, 0x1p-128 };

	visit_histogram(visitor, &native);
}

static void native_histogram_beside_classic(void **state)
{
	static const int64_t expected_index[] = { -2, -1, 0, 1, 2, 6 };
	static const int64_t expected_value[] = { 5, 0, 0, 2, 9, 1 };
	struct buffer buffer = written(walk_native);
	struct message histogram = histogram_of(&buffer);
	int64_t indexes[REPEATED_MAX], values[REPEATED_MAX];

	(void)state;
	assert_int_equal(count_of(histogram, 3), 2);
	assert_int_equal(zigzag(number_of(histogram, 5)), 0);
	assert_true(double_of(histogram, 6) == 0x1p-128);
	assert_int_equal(number_of(histogram, 7), 4);
	assert_int_equal(count_of(histogram, 12), 2); /* a gap of two is written out, one of three is not */
	assert_int_equal(expand(histogram, indexes, values), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(indexes[i], expected_index[i]);
		assert_int_equal(values[i], expected_value[i]);
	}
	buffer_done(&buffer);
}

static void walk_native_empty(const struct metric_visitor *visitor)
{
	static const uint64_t zeros[] = { 0, 0 };
	const struct native_histogram native = { 3, 10, 2, zeros, 0, 0 };

	visit_histogram(visitor, &native);
}

static void empty_native_histogram_has_a_span_of_nothing(void **state)
{
	struct buffer buffer = written(walk_native_empty);
	struct message histogram = histogram_of(&buffer), span = sub(histogram, 12, 0);

	(void)state;
	assert_int_equal(count_of(histogram, 12), 1);
	assert_int_equal(zigzag(number_of(span, 1)), 0);
	assert_int_equal(number_of(span, 2), 0);
	assert_int_equal(count_of(histogram, 13), 0);
	assert_int_equal(zigzag(number_of(histogram, 5)), 3);
	buffer_done(&buffer);
}

static void walk_native_bad_schema(const struct metric_visitor *visitor)
{
	const struct native_histogram native = { 9, 0, 1, counts, 0, 0 };

	visit_histogram(visitor, &native);
}

static void schema_out_of_range_leaves_classic_alone(void **state)
{
	struct buffer buffer = written(walk_native_bad_schema);
	struct message histogram = histogram_of(&buffer);

	(void)state;
	assert_int_equal(count_of(histogram, 3), 2);
	assert_int_equal(count_of(histogram, 5), 0);
	assert_int_equal(count_of(histogram, 12), 0);
	buffer_done(&buffer);
}

/* Lengths of one, two and three bytes, at every nesting. */
static void walk_long(const struct metric_visitor *visitor)
{
	static const size_t lengths[] = { 1, 127, 128, 16383, 16384 };
	const struct metric_family family = { "long", "", "", METRIC_GAUGE };
	char value[16385];

	visitor->family_begin(visitor->ctx, &family);
	for (size_t i = 0; i < 5; i++) {
		const struct metric_label label = { "v", value };

		memset(value, 'x', lengths[i]);
		value[lengths[i]] = 0;
		visitor->sample(visitor->ctx, &label, 1, (double)i);
	}
	visitor->family_end(visitor->ctx);
}

static void long_messages(void **state)
{
	static const size_t lengths[] = { 1, 127, 128, 16383, 16384 };
	struct buffer buffer = written(walk_long);
	struct message family = family_at(&buffer, 0), metric;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		metric = sub(family, 4, i);
		assert_int_equal(sub(sub(metric, 1, 0), 2, 0).length, lengths[i]);
		assert_true(double_of(sub(metric, 2, 0), 1) == (double)i);
	}
	buffer_done(&buffer);
}

static void walk_all(const struct metric_visitor *visitor)
{
	walk_counter(visitor);
	walk_types(visitor);
	walk_native(visitor);
}

struct chunks {
	struct buffer all;
	size_t count;
	size_t error_at;
};

static int collect(void *ctx, struct buffer *buffer)
{
	struct chunks *chunks = ctx;

	buffer_append(&chunks->all, buffer->data, buffer->length);
	buffer_reset(buffer);
	return ++chunks->count == chunks->error_at ? -EPIPE : 0;
}

static void chunks_join_to_the_whole(void **state)
{
	struct buffer whole = written(walk_all), piece;
	struct chunks chunks = { .count = 0 };
	const struct exposition_output cut = { .buffer = &piece, .flush_bytes = 1, .flush = collect, .ctx = &chunks };

	(void)state;
	buffer_init(&piece, OUTPUT_LIMIT);
	buffer_init(&chunks.all, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_all, &cut), 0);
	assert_int_equal(chunks.count, 4); /* families with samples */
	assert_int_equal(chunks.all.length, whole.length);
	assert_memory_equal(chunks.all.data, whole.data, whole.length);
	chunks = (struct chunks){ .all = chunks.all, .error_at = 2 };
	assert_int_equal(write_into(walk_all, &cut), -EPIPE);
	assert_int_equal(chunks.count, 2);
	buffer_done(&whole);
	buffer_done(&piece);
	buffer_done(&chunks.all);
}

static void every_limit_is_an_error(void **state)
{
	struct buffer whole = written(walk_all), small;
	const struct exposition_output limited = { .buffer = &small };

	(void)state;
	for (size_t limit = 0; limit < whole.length; limit++) {
		buffer_init(&small, limit);
		assert_int_equal(write_into(walk_all, &limited), -ENOBUFS);
		buffer_done(&small);
	}
	buffer_done(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_a_counter),
		cmocka_unit_test(gauges_and_untyped),
		cmocka_unit_test(classic_histogram),
		cmocka_unit_test(native_histogram_beside_classic),
		cmocka_unit_test(empty_native_histogram_has_a_span_of_nothing),
		cmocka_unit_test(schema_out_of_range_leaves_classic_alone),
		cmocka_unit_test(long_messages),
		cmocka_unit_test(chunks_join_to_the_whole),
		cmocka_unit_test(every_limit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
