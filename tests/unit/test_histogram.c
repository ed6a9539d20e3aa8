/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms: every classic bound and every native bound of the range with its neighbours, against bounds that powl()
 * derives; windows that grow both ways, merge when they are too wide and when memory is refused; sums that do not
 * round.
 *
 * LINK: -Wl,--wrap=calloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "aggregate/histogram.h"

static bool refuse_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return refuse_memory ? NULL : __real_calloc(count, size);
}

static void classic_bounds_are_inclusive(void **state)
{
	const struct histogram_layout *layouts[] = { &histogram_layout_duration, &histogram_layout_body,
						     &histogram_layout_db_duration, &histogram_layout_rows };

	(void)state;
	for (size_t l = 0; l < 2; l++) {
		const struct histogram_layout *layout = layouts[l];

		for (uint32_t i = 0; i < layout->bound_count; i++) {
			assert_int_equal(histogram_classic_index(layout, layout->limits[i]), i);
			assert_int_equal(histogram_classic_index(layout, layout->limits[i] + 1), i + 1);
			assert_true((double)layout->limits[i] / layout->raw_per_unit == layout->bounds[i]);
			assert_true(i == 0 || layout->bounds[i - 1] < layout->bounds[i]);
		}
		assert_int_equal(histogram_classic_index(layout, 0), 0);
		assert_int_equal(histogram_classic_index(layout, UINT64_MAX), layout->bound_count);
	}
}

static void duration_bounds_are_the_conventions(void **state)
{
	static const double expected[] = { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 };

	(void)state;
	assert_int_equal(histogram_layout_duration.bound_count, 14);
	for (size_t i = 0; i < 14; i++)
		assert_true(histogram_layout_duration.bounds[i] == expected[i]);
	assert_true(histogram_layout_body.bounds[histogram_layout_body.bound_count - 1] == 1024.0 * 1024 * 1024);
}

/* From 2^-127 to 2^127: all that lies above the zero threshold and below its inverse. */
/* The conventions' own bounds are all there, for dashboards that name them; the rest is finer. */
static void database_bounds_hold_the_conventions(void **state)
{
	static const double durations[] = { 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10 };
	static const double rows[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };

	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		assert_true(histogram_layout_db_duration.bounds[i + 5] == durations[i]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(histogram_layout_rows.bounds[i + 1] == rows[i]);
	assert_int_equal(histogram_classic_index(&histogram_layout_db_duration, 50000), 1);
	assert_int_equal(histogram_classic_index(&histogram_layout_db_duration, 30000000000), 14);
}

static void native_bounds_are_inclusive_and_exact(void **state)
{
	(void)state;
	for (int32_t i = -127 * 8; i <= 127 * 8; i++) {
		double bound = (double)powl(2.0L, (long double)i / 8);

		assert_int_equal(histogram_native_index(bound), i - 1);
		assert_int_equal(histogram_native_index(nextafter(bound, INFINITY)), i);
		assert_int_equal(histogram_native_index(nextafter(bound, 0)), i - 1);
	}
}

static void native_index_never_falls(void **state)
{
	int32_t before = INT32_MIN;

	(void)state;
	for (double value = 1e-9; value < 1e6; value *= 1.003) {
		int32_t index = histogram_native_index(value);

		assert_true(index >= before);
		assert_true(exp2((double)index / 8) <= value * (1 + 1e-12));
		assert_true(exp2((double)(index + 1) / 8) >= value * (1 - 1e-12));
		before = index;
	}
}

struct reading {
	struct metric_histogram histogram;
	struct native_histogram native;
};

static void read_duration(const struct histogram *histogram, struct reading *ret_reading)
{
	histogram_read(histogram, &histogram_layout_duration, true, &ret_reading->histogram, &ret_reading->native);
}

static uint64_t native_total(const struct native_histogram *native)
{
	uint64_t total = native->zero_count;

	for (uint32_t i = 0; i < native->count; i++)
		total += native->counts[i];
	return total;
}

/* Every value is in the bucket that the reading says it is in. */
static uint64_t native_count_of(const struct native_histogram *native, double value)
{
	int32_t place = (histogram_native_index(value) >> (HISTOGRAM_NATIVE_SCHEMA - native->schema)) - native->offset;

	assert_true(place >= 0 && (uint32_t)place < native->count);
	return native->counts[place];
}

static void empty_reads_as_nothing(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	read_duration(&histogram, &reading);
	assert_int_equal(reading.histogram.count, 0);
	assert_true(reading.histogram.sum == 0);
	assert_int_equal(reading.native.count, 0);
	assert_int_equal(reading.native.schema, 3);
	assert_true(reading.native.zero_threshold == ldexp(1, -128));
	histogram_done(&histogram);
}

static void one_observation_lands_in_both(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	histogram_observe(&histogram, &histogram_layout_duration, true, 1000000000);
	histogram_observe(&histogram, &histogram_layout_duration, true, 0);
	read_duration(&histogram, &reading);
	assert_int_equal(reading.histogram.count, 2);
	assert_int_equal(reading.histogram.counts[0], 1);
	assert_int_equal(reading.histogram.counts[9], 1);
	assert_true(reading.histogram.sum == 1);
	assert_ptr_equal(reading.histogram.native, &reading.native);
	assert_int_equal(reading.native.zero_count, 1);
	assert_int_equal(reading.native.count, 1);
	assert_int_equal(reading.native.offset, -1); /* (2^(-1/8), 2^0] */
	assert_int_equal(reading.native.counts[0], 1);
	histogram_done(&histogram);
}

static void native_may_be_off(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	histogram_observe(&histogram, &histogram_layout_duration, false, 5);
	histogram_read(&histogram, &histogram_layout_duration, false, &reading.histogram, &reading.native);
	assert_null(reading.histogram.native);
	assert_int_equal(histogram.native.count, 0);
	assert_int_equal(reading.histogram.count, 1);
	histogram_done(&histogram);
}

static void window_grows_both_ways(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	/* From the middle outwards, so that it moves down and up in turn: 2^20 ns to 2^34 ns, 14 octaves. */
	for (int step = 0; step <= 7; step++) {
		histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_C(1) << (27 + step));
		histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_C(1) << (27 - step));
	}
	read_duration(&histogram, &reading);
	assert_int_equal(reading.native.schema, 3);
	assert_int_equal(reading.native.count, 14 * 8 + 1);
	assert_int_equal(native_total(&reading.native), 16);
	for (int power = 20; power <= 34; power++)
		assert_int_equal(native_count_of(&reading.native, ldexp(1, power) / 1e9), power == 27 ? 2 : 1);
	assert_int_not_equal(reading.native.counts[0], 0);
	assert_int_not_equal(reading.native.counts[reading.native.count - 1], 0);
	histogram_done(&histogram);
}

static void too_wide_lowers_the_schema(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	for (int power = 0; power < 64; power++)
		histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_C(1) << power);
	histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_MAX);
	read_duration(&histogram, &reading);
	assert_int_equal(reading.native.schema, 1); /* 64 octaves of 2 are 128 buckets; of 4 they would be 256 */
	assert_in_range(reading.native.count, 120, HISTOGRAM_NATIVE_MAX);
	assert_int_equal(native_total(&reading.native), 65);
	for (int power = 0; power < 64; power++)
		assert_true(native_count_of(&reading.native, ldexp(1, power) / 1e9) >= 1);
	histogram_done(&histogram);
}

static void no_memory_costs_resolution_only(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	refuse_memory = true;
	for (int power = 0; power < 64; power++)
		histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_C(1) << power);
	histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_MAX);
	refuse_memory = false;
	read_duration(&histogram, &reading);
	assert_in_range(reading.native.schema + 4, 0, 7);
	assert_in_range(reading.native.count, 1, HISTOGRAM_NATIVE_SMALL);
	assert_int_equal(native_total(&reading.native), 65);
	assert_int_equal(reading.histogram.count, 65);
	histogram_done(&histogram);
}

static void sums_do_not_round(void **state)
{
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	/* In doubles 0.1 ten million times is off by 1e-4; in integers it is one million exactly. */
	for (int i = 0; i < 10000; i++)
		histogram_observe(&histogram, &histogram_layout_duration, true, 100000000);
	read_duration(&histogram, &reading);
	assert_true(reading.histogram.sum == 1000);
	/* And the sum goes on beyond 64 bits. */
	histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_MAX);
	histogram_observe(&histogram, &histogram_layout_duration, true, UINT64_MAX);
	read_duration(&histogram, &reading);
	assert_true(fabs(reading.histogram.sum - ldexp(1, 65) / 1e9) < 1e4);
	histogram_done(&histogram);
}

/* One in a hundred is above the bound, which is looked for again as they come. */
static void outliers_are_one_in_a_hundred(void **state)
{
	(void)state;
	for (int native = 0; native < 2; native++) {
		struct histogram histogram;
		int found = 0;

		histogram_init(&histogram);
		for (int i = 0; i < 10000; i++) {
			uint64_t raw = i % 200 == 199 ? 700000000 : 6000000 + (uint64_t)i;
			bool outlier = histogram_is_outlier(&histogram, &histogram_layout_duration, native, raw);

			assert_true(!outlier || raw == 700000000);
			assert_true(!outlier || i >= 100);
			found += outlier;
			histogram_observe(&histogram, &histogram_layout_duration, native, raw);
		}
		assert_in_range(found, 48, 50);
		/* What was slow is usual now. */
		for (int i = 0; i < 10000; i++)
			histogram_observe(&histogram, &histogram_layout_duration, native, 700000000);
		for (int i = 0; i < 65; i++)
			(void)histogram_is_outlier(&histogram, &histogram_layout_duration, native, 1);
		assert_false(histogram_is_outlier(&histogram, &histogram_layout_duration, native, 700000000));
		histogram_done(&histogram);
	}
}

static void exemplars_are_of_different_buckets_and_young(void **state)
{
	struct metric_exemplar exemplar = { .time_ns = 5000000000, .span_id = { 1 } };
	struct histogram histogram;
	struct reading reading;

	(void)state;
	histogram_init(&histogram);
	for (uint64_t bucket = 0; bucket < 6; bucket++) {
		exemplar.time_ns += 1000;
		exemplar.span_id[0] = (uint8_t)bucket;
		histogram_exemplar(&histogram, &histogram_layout_duration, histogram_layout_duration.limits[bucket],
				   &exemplar);
	}
	read_duration(&histogram, &reading);
	assert_int_equal(reading.histogram.exemplar_count, HISTOGRAM_EXEMPLARS);
	assert_null(metric_exemplar_of(&reading.histogram, 0));
	assert_null(metric_exemplar_of(&reading.histogram, 1));
	assert_int_equal(metric_exemplar_of(&reading.histogram, 2)->span_id[0], 2);
	assert_true(metric_exemplar_of(&reading.histogram, 5)->value == 0.1);
	/* A bucket's own is replaced when a second has passed. */
	exemplar.span_id[0] = 9;
	histogram_exemplar(&histogram, &histogram_layout_duration, histogram_layout_duration.limits[2], &exemplar);
	assert_int_equal(metric_exemplar_of(&reading.histogram, 2)->span_id[0], 2);
	exemplar.time_ns += 1000000000;
	histogram_exemplar(&histogram, &histogram_layout_duration, histogram_layout_duration.limits[2], &exemplar);
	assert_int_equal(metric_exemplar_of(&reading.histogram, 2)->span_id[0], 9);
	histogram_done(&histogram);
	histogram_init(&histogram);
	refuse_memory = true;
	histogram_exemplar(&histogram, &histogram_layout_duration, 1, &exemplar);
	assert_false(histogram_is_outlier(&histogram, &histogram_layout_duration, true, 1));
	refuse_memory = false;
	read_duration(&histogram, &reading);
	assert_int_equal(reading.histogram.exemplar_count, 0);
	histogram_done(&histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classic_bounds_are_inclusive),
		cmocka_unit_test(duration_bounds_are_the_conventions),
		cmocka_unit_test(database_bounds_hold_the_conventions),
		cmocka_unit_test(native_bounds_are_inclusive_and_exact),
		cmocka_unit_test(native_index_never_falls),
		cmocka_unit_test(empty_reads_as_nothing),
		cmocka_unit_test(one_observation_lands_in_both),
		cmocka_unit_test(native_may_be_off),
		cmocka_unit_test(window_grows_both_ways),
		cmocka_unit_test(too_wide_lowers_the_schema),
		cmocka_unit_test(no_memory_costs_resolution_only),
		cmocka_unit_test(sums_do_not_round),
		cmocka_unit_test(outliers_are_one_in_a_hundred),
		cmocka_unit_test(exemplars_are_of_different_buckets_and_young),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
