/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic and native buckets. Sits under series: pure arithmetic, no label, no clock.
 * The native index reads exponent and mantissa instead of calling log2(), which is both slower and wrong by one bucket
 * beside some bounds. Both index functions are integer comparisons, so that the kernel may do the same one day.
 */
#include "aggregate/histogram.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NS_PER_SECOND 1e9
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
/* 2^-128, as client_golang: of all that a clock of nanoseconds or a count of bytes can tell only zero lies below. */
#define ZERO_THRESHOLD 0x1p-128

/* OpenTelemetry semantic conventions, http.server.request.duration, ExplicitBucketBoundaries. */
static const double duration_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 };

const struct histogram_layout histogram_layout_duration = {
	.limits = { 5000000, 10000000, 25000000, 50000000, 75000000, 100000000, 250000000, 500000000, 750000000,
		    1000000000, 2500000000, 5000000000, 7500000000, 10000000000, UINT64_MAX },
	.bounds = duration_bounds,
	.bound_count = sizeof(duration_bounds) / sizeof(duration_bounds[0]),
	.raw_per_unit = NS_PER_SECOND,
};

/* The conventions name none for body sizes. 0 tells messages without a body apart; then powers of four to 1 GiB. */
static const double body_bounds[] = { 0,       256,     1024,     4096,     16384,     65536,     262144,
				      1048576, 4194304, 16777216, 67108864, 268435456, 1073741824 };

const struct histogram_layout histogram_layout_body = {
	.limits = { 0, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456,
		    1073741824, UINT64_MAX, UINT64_MAX },
	.bounds = body_bounds,
	.bound_count = sizeof(body_bounds) / sizeof(body_bounds[0]),
	.raw_per_unit = 1,
};

/* OpenTelemetry's db.client.operation.duration begins at 1 ms: five bounds below it, for stores in memory, and one
 * above its 10 s, for reports. */
static const double db_duration_bounds[] = { 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.01,
					     0.05,    0.1,     0.5,    1,      5,      10,    30 };

const struct histogram_layout histogram_layout_db_duration = {
	.limits = { 20000, 50000, 100000, 200000, 500000, 1000000, 5000000, 10000000, 50000000, 100000000, 500000000,
		    1000000000, 5000000000, 10000000000, 30000000000 },
	.bounds = db_duration_bounds,
	.bound_count = sizeof(db_duration_bounds) / sizeof(db_duration_bounds[0]),
	.raw_per_unit = NS_PER_SECOND,
};

/* OpenTelemetry's db.client.response.returned_rows, with 0 to tell statements that found nothing apart, and 100,000. */
static const double rows_bounds[] = { 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000 };

const struct histogram_layout histogram_layout_rows = {
	.limits = { 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000 },
	.bounds = rows_bounds,
	.bound_count = sizeof(rows_bounds) / sizeof(rows_bounds[0]),
	.raw_per_unit = 1,
};

/* Mantissas of the doubles nearest to 2^(j/8), j = 0..7: the bounds inside one octave. The last ends every search. */
static const uint64_t octave_bounds[9] = {
	0x0,
	0x172b83c7d517b,
	0x306fe0a31b715,
	0x4bfdad5362a27,
	0x6a09e667f3bcd,
	0x8ace5422aa0db,
	0xae89f995ad3ad,
	0xd5818dcfba487,
	UINT64_MAX,
};
/* For each sixteenth of the octave: how many bounds lie below its start. No sixteenth holds two bounds, so one
 * comparison settles the rest. */
static const uint8_t octave_guess[16] = { 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8 };

void histogram_init(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->native.schema = HISTOGRAM_NATIVE_SCHEMA;
	histogram->native.capacity = HISTOGRAM_NATIVE_SMALL;
}

void histogram_done(struct histogram *histogram)
{
	free(histogram->native.heap);
	free(histogram->traces);
	histogram->native.heap = NULL;
	histogram->traces = NULL;
}

uint32_t histogram_classic_index(const struct histogram_layout *layout, uint64_t raw)
{
	const uint64_t *limits = layout->limits;
	uint32_t index = 0;

	index += (uint32_t)(limits[index + 7] < raw) * 8;
	index += (uint32_t)(limits[index + 3] < raw) * 4;
	index += (uint32_t)(limits[index + 1] < raw) * 2;
	index += (uint32_t)(limits[index] < raw);
	return index;
}

int32_t histogram_native_index(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
	int32_t octave = (int32_t)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
	int32_t below = octave_guess[mantissa >> (MANTISSA_BITS - 4)];

	below += mantissa > octave_bounds[below];
	return octave * 8 + below - 1;
}

double histogram_native_bound(const struct histogram_native *native, uint32_t place)
{
	int32_t eighths = (native->offset + (int32_t)place + 1) * (1 << (HISTOGRAM_NATIVE_SCHEMA - native->schema));
	uint64_t bits = (uint64_t)((eighths >> 3) + EXPONENT_BIAS) << MANTISSA_BITS | octave_bounds[eighths & 7];
	double bound;

	memcpy(&bound, &bits, sizeof(bound));
	return bound;
}

static uint64_t *native_counts(struct histogram_native *native)
{
	return native->heap ? native->heap : native->small;
}

/* Makes room for `needed` buckets. False when that is too many, or when memory was refused. */
static bool native_reserve(struct histogram_native *native, uint32_t needed)
{
	uint32_t capacity = native->capacity;

	if (needed <= capacity)
		return true;
	if (needed > HISTOGRAM_NATIVE_MAX)
		return false;
	while (capacity < needed)
		capacity *= 2;
	if (capacity > HISTOGRAM_NATIVE_MAX)
		capacity = HISTOGRAM_NATIVE_MAX;
	uint64_t *heap = calloc(capacity, sizeof(*heap));
	if (!heap)
		return false;
	memcpy(heap, native_counts(native), native->count * sizeof(*heap));
	free(native->heap);
	native->heap = heap;
	native->capacity = capacity;
	return true;
}

/* Merges each pair of neighbours that is one bucket of the next lower schema. */
static void native_halve(struct histogram_native *native)
{
	uint64_t *counts = native_counts(native);
	int32_t offset = native->offset >> 1;
	uint32_t last = 0;

	for (uint32_t i = 0; i < native->count; i++) {
		uint64_t value = counts[i];

		last = (uint32_t)(((native->offset + (int32_t)i) >> 1) - offset);
		counts[i] = 0;
		counts[last] += value;
	}
	native->offset = offset;
	native->count = last + 1;
	native->schema--;
}

/* An index outside the window: widen it, or lower the schema until it fits. */
static void native_widen(struct histogram_native *native, int32_t index)
{
	if (native->count == 0) {
		native->offset = index;
		native->count = 1;
		native_counts(native)[0] = 1;
		return;
	}
	int32_t low = index < native->offset ? index : native->offset;
	int32_t last = native->offset + (int32_t)native->count - 1;
	int32_t high = index > last ? index : last;

	while (!native_reserve(native, (uint32_t)(high - low) + 1)) {
		native_halve(native);
		index >>= 1;
		low >>= 1;
		high >>= 1;
	}
	uint64_t *counts = native_counts(native);
	uint32_t width = (uint32_t)(high - low) + 1;
	uint32_t shift = (uint32_t)(native->offset - low);

	if (shift > 0) {
		memmove(counts + shift, counts, native->count * sizeof(*counts));
		memset(counts, 0, shift * sizeof(*counts));
	}
	memset(counts + shift + native->count, 0, (width - shift - native->count) * sizeof(*counts));
	native->offset = low;
	native->count = width;
	counts[index - low]++;
}

/* No positive raw value is below ZERO_THRESHOLD, so zero is the only one for the zero bucket. */
static void native_observe(struct histogram_native *native, const struct histogram_layout *layout, uint64_t raw)
{
	double value = (double)raw;

	if (raw == 0) {
		native->zero_count++;
		return;
	}
	if (layout->raw_per_unit > 1)
		value /= layout->raw_per_unit;
	int32_t index = histogram_native_index(value) >> (HISTOGRAM_NATIVE_SCHEMA - native->schema);
	int64_t place = (int64_t)index - native->offset;

	if (place >= 0 && place < native->count)
		native_counts(native)[place]++;
	else
		native_widen(native, index);
}

void histogram_observe(struct histogram *histogram, const struct histogram_layout *layout, bool native, uint64_t raw)
{
	histogram->counts[histogram_classic_index(layout, raw)]++;
	histogram->sum_high += __builtin_add_overflow(histogram->sum_low, raw, &histogram->sum_low);
	if (native)
		native_observe(&histogram->native, layout, raw);
}

void histogram_read(const struct histogram *histogram, const struct histogram_layout *layout, bool native,
		    struct metric_histogram *ret_histogram, struct native_histogram *ret_native)
{
	const struct histogram_native *from = &histogram->native;
	uint64_t count = 0;

	for (uint32_t i = 0; i <= layout->bound_count; i++)
		count += histogram->counts[i];
	*ret_native = (struct native_histogram){
		.schema = from->schema,
		.offset = from->offset,
		.count = from->count,
		.counts = from->heap ? from->heap : from->small,
		.zero_count = from->zero_count,
		.zero_threshold = ZERO_THRESHOLD,
	};
	*ret_histogram = (struct metric_histogram){
		.bounds = layout->bounds,
		.counts = histogram->counts,
		.bound_count = layout->bound_count,
		.count = count,
		.sum = ((double)histogram->sum_high * 0x1p64 + (double)histogram->sum_low) / layout->raw_per_unit,
		.native = native ? ret_native : NULL,
		.exemplars = histogram->traces ? histogram->traces->exemplars : NULL,
		.exemplar_count = histogram->traces ? histogram->traces->count : 0,
	};
}
