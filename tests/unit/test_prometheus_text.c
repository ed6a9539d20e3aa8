/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both text formats against text written by hand, escapes and broken UTF-8 included; that cutting the output into
 * chunks changes nothing; and what happens when there is no room.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/prometheus/text_format.h"

#define OUTPUT_LIMIT 65536

typedef void (*walk)(const struct metric_visitor *visitor);

static int write_into(walk walk_families, bool openmetrics, const struct exposition_output *output)
{
	struct text_writer writer;
	struct metric_visitor visitor;

	text_writer_init(&writer, openmetrics, output);
	visitor = text_writer_visitor(&writer);
	walk_families(&visitor);
	return text_writer_finish(&writer);
}

static void check(walk walk_families, bool openmetrics, const char *expected)
{
	struct buffer buffer;
	const struct exposition_output output = { .buffer = &buffer };

	buffer_init(&buffer, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_families, openmetrics, &output), 0);
	buffer_append_char(&buffer, 0);
	assert_string_equal(buffer.data, expected);
	buffer_done(&buffer);
}

static void walk_counters(const struct metric_visitor *visitor)
{
	const struct metric_family requests = { "app_requests_total", "Requests, \"all\".", "", METRIC_COUNTER };
	const struct metric_family seconds = { "app_cpu_seconds_total", "CPU.", "seconds", METRIC_COUNTER };
	const struct metric_family bare = { "app_things", "No suffix.", "", METRIC_COUNTER };
	const struct metric_label get[] = { { "method", "GET" }, { "error", "" }, { "code", "200" } };
	const struct metric_label none[] = { { "error", "" } };

	visitor->family_begin(visitor->ctx, &requests);
	visitor->sample(visitor->ctx, get, 3, 1027);
	visitor->sample(visitor->ctx, none, 1, 3);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &seconds);
	visitor->sample(visitor->ctx, NULL, 0, 0.25);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &bare);
	visitor->sample(visitor->ctx, NULL, 0, 1);
	visitor->family_end(visitor->ctx);
}

static void test_counters(void **state)
{
	(void)state;
	check(walk_counters, false,
	      "# HELP app_requests_total Requests, \"all\".\n"
	      "# TYPE app_requests_total counter\n"
	      "app_requests_total{method=\"GET\",code=\"200\"} 1027\n"
	      "app_requests_total 3\n"
	      "# HELP app_cpu_seconds_total CPU.\n"
	      "# TYPE app_cpu_seconds_total counter\n"
	      "app_cpu_seconds_total 0.25\n"
	      "# HELP app_things No suffix.\n"
	      "# TYPE app_things counter\n"
	      "app_things 1\n");
	check(walk_counters, true,
	      "# TYPE app_requests counter\n"
	      "# HELP app_requests Requests, \\\"all\\\".\n"
	      "app_requests_total{method=\"GET\",code=\"200\"} 1027\n"
	      "app_requests_total 3\n"
	      "# TYPE app_cpu_seconds counter\n"
	      "# UNIT app_cpu_seconds seconds\n"
	      "# HELP app_cpu_seconds CPU.\n"
	      "app_cpu_seconds_total 0.25\n"
	      "# TYPE app_things unknown\n"
	      "# HELP app_things No suffix.\n"
	      "app_things 1\n"
	      "# EOF\n");
}

static void walk_gauges(const struct metric_visitor *visitor)
{
	const struct metric_family gauge = { "g", "Line\\one\nline two.", "bytes", METRIC_GAUGE };
	const struct metric_family untyped = { "u", "", "", METRIC_UNTYPED };
	const struct metric_family empty = { "nothing", "Has no samples.", "", METRIC_GAUGE };
	const struct metric_label labels[] = { { "a", "\\ \" \n" } };

	visitor->family_begin(visitor->ctx, &empty);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &gauge);
	visitor->sample(visitor->ctx, labels, 1, (double)NAN);
	visitor->sample(visitor->ctx, NULL, 0, -(double)INFINITY);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &untyped);
	visitor->sample(visitor->ctx, NULL, 0, -1.5);
	visitor->family_end(visitor->ctx);
	visitor->family_begin(visitor->ctx, &empty);
	visitor->family_end(visitor->ctx);
}

static void test_gauges_and_escapes(void **state)
{
	(void)state;
	check(walk_gauges, false,
	      "# HELP g Line\\\\one\\nline two.\n"
	      "# TYPE g gauge\n"
	      "g{a=\"\\\\ \\\" \\n\"} NaN\n"
	      "g -Inf\n"
	      "# HELP u \n"
	      "# TYPE u untyped\n"
	      "u -1.5\n");
	/* The unit is no suffix of the name, so that saying it would make the exposition invalid. */
	check(walk_gauges, true,
	      "# TYPE g gauge\n"
	      "# HELP g Line\\\\one\\nline two.\n"
	      "g{a=\"\\\\ \\\" \\n\"} NaN\n"
	      "g -Inf\n"
	      "# TYPE u unknown\n"
	      "# HELP u \n"
	      "u -1.5\n"
	      "# EOF\n");
}

static void walk_histograms(const struct metric_visitor *visitor)
{
	static const double bounds[] = { 0.005, 1, 2.5, 1048576 };
	static const uint64_t counts[] = { 1, 0, 2, 3, 4 };
	static const uint64_t native_counts[] = { 10 };
	const struct native_histogram native = { 3, 0, 1, native_counts, 0, 0 };
	/* A count that contradicts the buckets must not make le="+Inf" and _count differ. */
	const struct metric_histogram full = { bounds, counts, 4, 11, 4.75, &native, NULL, 0 };
	const struct metric_histogram unbounded = { bounds, counts, 0, 1, 2, NULL, NULL, 0 };
	const struct metric_family family = { "d_seconds", "Durations.", "seconds", METRIC_HISTOGRAM };
	const struct metric_label labels[] = { { "route", "/a" } };

	visitor->family_begin(visitor->ctx, &family);
	visitor->histogram(visitor->ctx, labels, 1, &full);
	visitor->histogram(visitor->ctx, NULL, 0, &unbounded);
	visitor->family_end(visitor->ctx);
}

static void test_histograms(void **state)
{
	(void)state;
	check(walk_histograms, false,
	      "# HELP d_seconds Durations.\n"
	      "# TYPE d_seconds histogram\n"
	      "d_seconds_bucket{route=\"/a\",le=\"0.005\"} 1\n"
	      "d_seconds_bucket{route=\"/a\",le=\"1\"} 1\n"
	      "d_seconds_bucket{route=\"/a\",le=\"2.5\"} 3\n"
	      "d_seconds_bucket{route=\"/a\",le=\"1.048576e+06\"} 6\n"
	      "d_seconds_bucket{route=\"/a\",le=\"+Inf\"} 10\n"
	      "d_seconds_sum{route=\"/a\"} 4.75\n"
	      "d_seconds_count{route=\"/a\"} 10\n"
	      "d_seconds_bucket{le=\"+Inf\"} 1\n"
	      "d_seconds_sum 2\n"
	      "d_seconds_count 1\n");
	check(walk_histograms, true,
	      "# TYPE d_seconds histogram\n"
	      "# UNIT d_seconds seconds\n"
	      "# HELP d_seconds Durations.\n"
	      "d_seconds_bucket{route=\"/a\",le=\"0.005\"} 1\n"
	      "d_seconds_bucket{route=\"/a\",le=\"1.0\"} 1\n"
	      "d_seconds_bucket{route=\"/a\",le=\"2.5\"} 3\n"
	      "d_seconds_bucket{route=\"/a\",le=\"1.048576e+06\"} 6\n"
	      "d_seconds_bucket{route=\"/a\",le=\"+Inf\"} 10\n"
	      "d_seconds_sum{route=\"/a\"} 4.75\n"
	      "d_seconds_count{route=\"/a\"} 10\n"
	      "d_seconds_bucket{le=\"+Inf\"} 1\n"
	      "d_seconds_sum 2\n"
	      "d_seconds_count 1\n"
	      "# EOF\n");
}

static void walk_exemplars(const struct metric_visitor *visitor)
{
	static const double bounds[] = { 0.005, 1 };
	static const uint64_t counts[] = { 1, 0, 2 };
	static const struct metric_exemplar exemplars[] = {
		{ 7.5, 1500000000250000000, { 0xab, [15] = 1 }, { 2, [7] = 0xff } },
		{ 0.005, 1500000001000000000, { 3 }, { 4 } },
	};
	const struct metric_histogram full = { bounds, counts, 2, 3, 15, NULL, exemplars, 2 };
	const struct metric_family family = { "d_seconds", "Durations.", "seconds", METRIC_HISTOGRAM };

	visitor->family_begin(visitor->ctx, &family);
	visitor->histogram(visitor->ctx, NULL, 0, &full);
	visitor->family_end(visitor->ctx);
}

/* OpenMetrics alone has them. */
/* --- bounds that differ from one histogram to the next: less, more, more than are kept as texts, -0 for 0 */

#define LAYOUTS 5
#define LAYOUT_BOUNDS (TEXT_BOUNDS_MAX + 3)

static size_t layout_first, layout_end; /* of those that are walked */

static void walk_layouts(const struct metric_visitor *visitor)
{
	static const uint32_t bound_counts[LAYOUTS] = { 3, 3, TEXT_BOUNDS_MAX, LAYOUT_BOUNDS, 2 };
	static const uint64_t counts[LAYOUT_BOUNDS + 1] = { 1, 2 };
	const struct metric_family family = { "app_seconds", "Time.", "seconds", METRIC_HISTOGRAM };
	double bounds[LAYOUT_BOUNDS];

	visitor->family_begin(visitor->ctx, &family);
	for (size_t i = layout_first; i < layout_end; i++) {
		const struct metric_histogram told = {
			.bounds = bounds, .counts = counts, .bound_count = bound_counts[i], .count = 3, .sum = 1
		};

		for (uint32_t j = 0; j < bound_counts[i]; j++)
			bounds[j] = j + (j == 1 && i == 1 ? 0.125 : 0);
		bounds[0] = i == LAYOUTS - 1 ? -0.0 : 0.0;
		visitor->histogram(visitor->ctx, NULL, 0, &told);
	}
	visitor->family_end(visitor->ctx);
}

static void test_bounds_of_each_histogram(void **state)
{
	struct buffer all, one, each;
	const struct exposition_output of_all = { .buffer = &all }, of_one = { .buffer = &one };
	size_t comments = strlen("# HELP app_seconds Time.\n# TYPE app_seconds histogram\n");

	(void)state;
	buffer_init(&all, OUTPUT_LIMIT);
	buffer_init(&each, OUTPUT_LIMIT);
	layout_first = 0;
	layout_end = LAYOUTS;
	assert_int_equal(write_into(walk_layouts, false, &of_all), 0);
	for (size_t i = 0; i < LAYOUTS; i++) {
		size_t skipped = i ? comments : 0;

		buffer_init(&one, OUTPUT_LIMIT);
		layout_first = i;
		layout_end = i + 1;
		assert_int_equal(write_into(walk_layouts, false, &of_one), 0);
		buffer_append(&each, one.data + skipped, one.length - skipped);
		buffer_done(&one);
	}
	assert_int_equal(all.length, each.length);
	assert_memory_equal(all.data, each.data, all.length);
	buffer_done(&all);
	buffer_done(&each);
}

static void test_exemplars(void **state)
{
	(void)state;
	check(walk_exemplars, true,
	      "# TYPE d_seconds histogram\n"
	      "# UNIT d_seconds seconds\n"
	      "# HELP d_seconds Durations.\n"
	      "d_seconds_bucket{le=\"0.005\"} 1 # {trace_id=\"03000000000000000000000000000000\","
	      "span_id=\"0400000000000000\"} 0.005 1500000001.000\n"
	      "d_seconds_bucket{le=\"1.0\"} 1\n"
	      "d_seconds_bucket{le=\"+Inf\"} 3 # {trace_id=\"ab000000000000000000000000000001\","
	      "span_id=\"02000000000000ff\"} 7.5 1500000000.250\n"
	      "d_seconds_sum 15\n"
	      "d_seconds_count 3\n"
	      "# EOF\n");
	check(walk_exemplars, false,
	      "# HELP d_seconds Durations.\n"
	      "# TYPE d_seconds histogram\n"
	      "d_seconds_bucket{le=\"0.005\"} 1\n"
	      "d_seconds_bucket{le=\"1\"} 1\n"
	      "d_seconds_bucket{le=\"+Inf\"} 3\n"
	      "d_seconds_sum 15\n"
	      "d_seconds_count 3\n");
}

static void walk_nothing(const struct metric_visitor *visitor)
{
	(void)visitor;
}

static void test_empty_snapshot(void **state)
{
	(void)state;
	check(walk_nothing, false, "");
	check(walk_nothing, true, "# EOF\n");
}

struct chunks {
	struct buffer all;
	size_t count;
	int error_at_count; /* 0: never */
};

static int collect(void *ctx, struct buffer *buffer)
{
	struct chunks *chunks = ctx;

	buffer_append(&chunks->all, buffer->data, buffer->length);
	buffer_reset(buffer);
	chunks->count++;
	return chunks->count == (size_t)chunks->error_at_count ? -EPIPE : 0;
}

static void walk_all(const struct metric_visitor *visitor)
{
	walk_counters(visitor);
	walk_gauges(visitor);
	walk_histograms(visitor);
}

/* A family without samples right after a flush must not take back bytes that are gone. */
static void test_chunks_join_to_the_whole(void **state)
{
	struct buffer whole, piece;
	struct chunks chunks = { .count = 0 };
	const struct exposition_output at_once = { .buffer = &whole };
	const struct exposition_output cut = { .buffer = &piece, .flush_bytes = 1, .flush = collect, .ctx = &chunks };

	(void)state;
	buffer_init(&whole, OUTPUT_LIMIT);
	buffer_init(&piece, OUTPUT_LIMIT);
	buffer_init(&chunks.all, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_all, true, &at_once), 0);
	assert_int_equal(write_into(walk_all, true, &cut), 0);
	assert_int_equal(collect(&chunks, &piece), 0);
	assert_in_range(chunks.count, 10, 20); /* one for each of the nine series, one for the end */
	assert_int_equal(chunks.all.length, whole.length);
	assert_memory_equal(chunks.all.data, whole.data, whole.length);
	buffer_done(&whole);
	buffer_done(&piece);
	buffer_done(&chunks.all);
}

static void test_flush_error_ends_the_rendering(void **state)
{
	struct buffer piece;
	struct chunks chunks = { .error_at_count = 2 };
	const struct exposition_output cut = { .buffer = &piece, .flush_bytes = 1, .flush = collect, .ctx = &chunks };

	(void)state;
	buffer_init(&piece, OUTPUT_LIMIT);
	buffer_init(&chunks.all, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_all, false, &cut), -EPIPE);
	assert_int_equal(chunks.count, 2);
	buffer_done(&piece);
	buffer_done(&chunks.all);
}

static void test_every_limit_is_an_error_not_a_half_exposition(void **state)
{
	struct buffer whole, small;
	const struct exposition_output at_once = { .buffer = &whole }, limited = { .buffer = &small };

	(void)state;
	buffer_init(&whole, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_all, false, &at_once), 0);
	for (size_t limit = 0; limit < whole.length; limit++) {
		buffer_init(&small, limit);
		assert_int_equal(write_into(walk_all, false, &limited), -ENOBUFS);
		buffer_done(&small);
	}
	buffer_init(&small, whole.length);
	assert_int_equal(write_into(walk_all, false, &limited), 0);
	buffer_done(&small);
	buffer_done(&whole);
}

static void walk_long_name(const struct metric_visitor *visitor)
{
	char name[TEXT_NAME_MAX + 2];
	const struct metric_family family = { name, "", "", METRIC_GAUGE };

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	visitor->family_begin(visitor->ctx, &family);
	visitor->sample(visitor->ctx, NULL, 0, 1);
	visitor->family_end(visitor->ctx);
}

static void test_name_too_long(void **state)
{
	struct buffer buffer;
	const struct exposition_output output = { .buffer = &buffer };

	(void)state;
	buffer_init(&buffer, OUTPUT_LIMIT);
	assert_int_equal(write_into(walk_long_name, false, &output), -ENAMETOOLONG);
	assert_int_equal(buffer.length, 0);
	buffer_done(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_gauges_and_escapes),
		cmocka_unit_test(test_histograms),
		cmocka_unit_test(test_bounds_of_each_histogram),
		cmocka_unit_test(test_exemplars),
		cmocka_unit_test(test_empty_snapshot),
		cmocka_unit_test(test_chunks_join_to_the_whole),
		cmocka_unit_test(test_flush_error_ends_the_rendering),
		cmocka_unit_test(test_every_limit_is_an_error_not_a_half_exposition),
		cmocka_unit_test(test_name_too_long),
	};

	return cmocka_run_group_tests_name("prometheus_text", tests, NULL, NULL);
}
