/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metric_visitor that writes down a whole walk, for the tests of aggregate: every sample by family and label set, in
 * the order told. Fails the test on what the contract of snapshot.h forbids.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aggregate/aggregate.h"

#define RECORD_KEY_MAX 768
#define RECORD_NATIVE_MAX 160

struct record {
	char key[RECORD_KEY_MAX]; /* name{label="value",...}, labels in the order told, empty ones left out */
	char name[96];
	double value;   /* of a sample */
	uint64_t count; /* of a histogram */
	double sum;
	uint64_t buckets[16]; /* not cumulative */
	uint32_t bucket_count;
	int has_native;
	int32_t native_schema;
	int32_t native_offset;
	uint32_t native_buckets;
	uint64_t native_total; /* zero bucket included */
	uint64_t native_zero;
};

struct recorder {
	struct record *records; /* owned */
	size_t count;
	size_t capacity;
	struct {
		char name[96];
		char unit[16];
		enum metric_type type;
		size_t samples;
	} families[32];
	size_t family_count;
	int inside;
};

/* Walks the aggregate; the recorder is overwritten and must be given to recorder_done. */
void recorder_walk(struct recorder *recorder, struct aggregate *aggregate);
/* The same over any source. */
void recorder_walk_source(struct recorder *recorder, struct snapshot_source source);
void recorder_done(struct recorder *recorder);

/* NULL when there is no such series. */
const struct record *recorder_find(const struct recorder *recorder, const char *key);
/* Fails the test, and says what there is, when there is no such series. */
const struct record *recorder_get(const struct recorder *recorder, const char *key);
double recorder_value(const struct recorder *recorder, const char *key);
/* Over all series of a family: samples' values, or histograms' counts. */
double recorder_total(const struct recorder *recorder, const char *name);
size_t recorder_series(const struct recorder *recorder, const char *name);
/* -1 when the family was not told. */
int recorder_family(const struct recorder *recorder, const char *name);
