/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ties a histogram to traces: a few of its observations with the spans that tell more, and the bound that one in a
 * hundred is above. Both are there only where spans are: a histogram begins without.
 */
#include <stdlib.h>

#include "aggregate/histogram.h"

#define FEW_OBSERVATIONS 100 /* with less, nothing is an outlier */
#define LOOK_EVERY 64        /* observations between two looks at where the bound lies */
#define REPLACE_NS UINT64_C(1000000000)

static struct histogram_traces *traces_of(struct histogram *histogram)
{
	if (!histogram->traces)
		histogram->traces = calloc(1, sizeof(*histogram->traces));
	return histogram->traces;
}

/* The one of the same bucket; else one that is free; else the oldest. Of a busy bucket one in a second is enough. */
static struct metric_exemplar *place_of(struct histogram_traces *traces, const struct histogram_layout *layout,
					uint64_t raw, uint64_t time_ns)
{
	uint32_t bucket = histogram_classic_index(layout, raw), oldest = 0;

	for (uint32_t i = 0; i < traces->count; i++) {
		struct metric_exemplar *known = &traces->exemplars[i];

		if (traces->buckets[i] == bucket)
			return known->time_ns + REPLACE_NS > time_ns ? NULL : known;
		if (known->time_ns < traces->exemplars[oldest].time_ns)
			oldest = i;
	}
	if (traces->count < HISTOGRAM_EXEMPLARS)
		oldest = traces->count++;
	traces->buckets[oldest] = (uint8_t)bucket;
	return &traces->exemplars[oldest];
}

void histogram_exemplar(struct histogram *histogram, const struct histogram_layout *layout, uint64_t raw,
			const struct metric_exemplar *exemplar)
{
	struct histogram_traces *traces = traces_of(histogram);
	struct metric_exemplar *place = traces ? place_of(traces, layout, raw, exemplar->time_ns) : NULL;

	if (!place)
		return;
	*place = *exemplar;
	place->value = (double)raw / layout->raw_per_unit;
}

static uint64_t observations(const struct histogram *histogram, const struct histogram_layout *layout)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i <= layout->bound_count; i++)
		count += histogram->counts[i];
	return count;
}

static uint64_t classic_bound(const struct histogram *histogram, const struct histogram_layout *layout, uint64_t few)
{
	uint64_t above = histogram->counts[layout->bound_count];
	uint32_t i = layout->bound_count;

	if (above > few)
		return UINT64_MAX;
	while (i > 0 && above + histogram->counts[i - 1] <= few)
		above += histogram->counts[--i];
	return i > 0 ? layout->limits[i - 1] : 0;
}

static uint64_t native_bound(const struct histogram *histogram, const struct histogram_layout *layout, uint64_t few)
{
	const struct histogram_native *native = &histogram->native;
	const uint64_t *counts = native->heap ? native->heap : native->small;
	uint64_t above = 0;
	uint32_t i = native->count;

	while (i > 0 && above + counts[i - 1] <= few)
		above += counts[--i];
	if (i == 0)
		return 0;
	return (uint64_t)(histogram_native_bound(native, i - 1) * layout->raw_per_unit);
}

bool histogram_is_outlier(struct histogram *histogram, const struct histogram_layout *layout, bool native, uint64_t raw)
{
	struct histogram_traces *traces = traces_of(histogram);
	uint64_t count;

	if (!traces)
		return false;
	if (traces->wait-- == 0) {
		count = observations(histogram, layout);
		traces->wait = LOOK_EVERY;
		if (count < FEW_OBSERVATIONS)
			traces->outlier_raw = UINT64_MAX;
		else if (native)
			traces->outlier_raw = native_bound(histogram, layout, count / 100);
		else
			traces->outlier_raw = classic_bound(histogram, layout, count / 100);
	}
	return raw > traces->outlier_raw;
}
