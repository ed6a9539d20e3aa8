/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One histogram with two faces from one observation: the conventions' classic buckets and base-2 exponential ("native")
 * buckets. Values come as integers in the smallest unit (nanoseconds, bytes), so that sums never round and classic
 * bounds are compared exactly. Never loses an observation: when memory for finer buckets is refused the native side
 * halves its resolution instead, which always ends within the buckets that are part of the record.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

#define HISTOGRAM_BOUNDS_MAX 15 /* 2^4 - 1: the search takes four steps without a branch */
#define HISTOGRAM_NATIVE_SCHEMA 3
#define HISTOGRAM_NATIVE_MAX 160 /* buckets of one native histogram: 20 octaves at schema 3, then the schema falls */
#define HISTOGRAM_NATIVE_SMALL 8 /* buckets inside the record; any two uint64_t fit in 5 of them at schema -4 */

/* What the buckets of one metric are. Shared by all its series. */
struct histogram_layout {
	uint64_t limits[HISTOGRAM_BOUNDS_MAX]; /* bounds in the raw unit, inclusive; UINT64_MAX beyond bound_count */
	const double *bounds;                  /* the same in the metric's unit */
	uint32_t bound_count;
	double raw_per_unit; /* 1e9: raw nanoseconds, told in seconds */
};

extern const struct histogram_layout histogram_layout_duration;    /* raw: nanoseconds; told: seconds */
extern const struct histogram_layout histogram_layout_body;        /* raw and told: bytes */
extern const struct histogram_layout histogram_layout_db_duration; /* raw: nanoseconds; told: seconds */
extern const struct histogram_layout histogram_layout_rows;        /* raw and told: rows */

/* Contiguous native buckets, always trimmed below (counts[0] is the lowest in use) and above. */
struct histogram_native {
	int32_t schema;
	int32_t offset; /* counts[i] holds (base^(offset+i), base^(offset+i+1)] */
	uint32_t count;
	uint32_t capacity;
	uint64_t zero_count;
	uint64_t *heap; /* owned; NULL while `small` is enough */
	uint64_t small[HISTOGRAM_NATIVE_SMALL];
};

#define HISTOGRAM_EXEMPLARS 4

/* See exemplar.c. */
struct histogram_traces {
	struct metric_exemplar exemplars[HISTOGRAM_EXEMPLARS];
	uint8_t buckets[HISTOGRAM_EXEMPLARS]; /* the classic bucket of each */
	uint32_t count;
	uint32_t wait;        /* observations until the bound is looked for again */
	uint64_t outlier_raw; /* at most one in a hundred is above */
};

struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* by classic bucket, not cumulative */
	uint64_t sum_low;                          /* 128 bits of raw units */
	uint64_t sum_high;
	struct histogram_native native;
	struct histogram_traces *traces; /* owned; NULL: none yet */
};

void histogram_init(struct histogram *histogram);
/* Frees what it holds beyond itself. */
void histogram_done(struct histogram *histogram);
void histogram_observe(struct histogram *histogram, const struct histogram_layout *layout, bool native, uint64_t raw);
/* Fills the exporter's view, which borrows from histogram, layout and ret_native. */
void histogram_read(const struct histogram *histogram, const struct histogram_layout *layout, bool native,
		    struct metric_histogram *ret_histogram, struct native_histogram *ret_native);

/* Keeps the span of an observation; its value is set here. Few are kept, of different buckets: the youngest. */
void histogram_exemplar(struct histogram *histogram, const struct histogram_layout *layout, uint64_t raw,
			const struct metric_exemplar *exemplar);
/* Whether at most one in a hundred of those before was so large; ask before it is observed. False while there are few.
 */
bool histogram_is_outlier(struct histogram *histogram, const struct histogram_layout *layout, bool native,
			  uint64_t raw);

/* The classic bucket of a raw value: how many bounds are below it. */
uint32_t histogram_classic_index(const struct histogram_layout *layout, uint64_t raw);
/* i such that value is in (2^(i/8), 2^((i+1)/8)], bounds being the doubles nearest to these powers.
 * For finite values above 2^-128 only. */
int32_t histogram_native_index(double value);
/* The upper bound of counts[place]. */
double histogram_native_bound(const struct histogram_native *native, uint32_t place);
