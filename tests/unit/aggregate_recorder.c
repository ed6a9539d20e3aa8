/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes down a walk. Everything is copied, because pointers are borrowed for the call.
 */
#include "aggregate_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void family_begin(void *ctx, const struct metric_family *family)
{
	struct recorder *recorder = ctx;
	size_t i = recorder->family_count++;

	assert_false(recorder->inside);
	assert_true(i < sizeof(recorder->families) / sizeof(recorder->families[0]));
	assert_int_equal(recorder_family(recorder, family->name), -1); /* once in a walk */
	assert_true(strlen(family->help) > 0);
	snprintf(recorder->families[i].name, sizeof(recorder->families[i].name), "%s", family->name);
	snprintf(recorder->families[i].unit, sizeof(recorder->families[i].unit), "%s", family->unit);
	recorder->families[i].type = family->type;
	recorder->inside = 1;
}

static void family_end(void *ctx)
{
	struct recorder *recorder = ctx;

	assert_true(recorder->inside);
	recorder->inside = 0;
}

static struct record *record_new(struct recorder *recorder, const struct metric_label *labels, size_t label_count)
{
	size_t family = recorder->family_count - 1, used;

	assert_true(recorder->inside);
	recorder->families[family].samples++;
	if (recorder->count == recorder->capacity) {
		recorder->capacity = recorder->capacity ? recorder->capacity * 2 : 64;
		recorder->records = realloc(recorder->records, recorder->capacity * sizeof(*recorder->records));
		assert_non_null(recorder->records);
	}
	struct record *record = &recorder->records[recorder->count++];

	memset(record, 0, sizeof(*record));
	snprintf(record->name, sizeof(record->name), "%s", recorder->families[family].name);
	used = (size_t)snprintf(record->key, sizeof(record->key), "%s{", record->name);
	for (size_t i = 0; i < label_count; i++) {
		if (!labels[i].value[0])
			continue;
		used += (size_t)snprintf(record->key + used, sizeof(record->key) - used, "%s%s=\"%s\"",
					 record->key[used - 1] == '{' ? "" : ",", labels[i].name, labels[i].value);
		assert_true(used < sizeof(record->key) - 1);
	}
	record->key[used] = '}';
	for (size_t i = 0; i + 1 < recorder->count; i++) /* no label set twice */
		if (strcmp(recorder->records[i].key, record->key) == 0)
			fail_msg("twice: %s", record->key);
	return record;
}

static void sample(void *ctx, const struct metric_label *labels, size_t label_count, double value)
{
	record_new(ctx, labels, label_count)->value = value;
}

static void histogram(void *ctx, const struct metric_label *labels, size_t label_count,
		      const struct metric_histogram *told)
{
	struct record *record = record_new(ctx, labels, label_count);
	uint64_t total = 0;

	assert_true(told->bound_count + 1 <= sizeof(record->buckets) / sizeof(record->buckets[0]));
	record->count = told->count;
	record->sum = told->sum;
	record->bucket_count = told->bound_count + 1;
	for (uint32_t i = 0; i <= told->bound_count; i++) {
		record->buckets[i] = told->counts[i];
		total += told->counts[i];
	}
	assert_int_equal(total, told->count);
	record->has_native = told->native != NULL;
	if (!told->native)
		return;
	record->native_schema = told->native->schema;
	record->native_offset = told->native->offset;
	record->native_buckets = told->native->count;
	record->native_zero = told->native->zero_count;
	record->native_total = told->native->zero_count;
	for (uint32_t i = 0; i < told->native->count; i++)
		record->native_total += told->native->counts[i];
	assert_int_equal(record->native_total, told->count); /* both faces agree */
}

void recorder_walk(struct recorder *recorder, struct aggregate *aggregate)
{
	recorder_walk_source(recorder, aggregate_source(aggregate));
}

void recorder_walk_source(struct recorder *recorder, struct snapshot_source source)
{
	struct metric_visitor visitor = {
		.ctx = recorder,
		.family_begin = family_begin,
		.sample = sample,
		.histogram = histogram,
		.family_end = family_end,
	};

	memset(recorder, 0, sizeof(*recorder));
	source.visit(source.ctx, &visitor);
	assert_false(recorder->inside);
}

void recorder_done(struct recorder *recorder)
{
	free(recorder->records);
	memset(recorder, 0, sizeof(*recorder));
}

const struct record *recorder_find(const struct recorder *recorder, const char *key)
{
	for (size_t i = 0; i < recorder->count; i++)
		if (strcmp(recorder->records[i].key, key) == 0)
			return &recorder->records[i];
	return NULL;
}

const struct record *recorder_get(const struct recorder *recorder, const char *key)
{
	const struct record *record = recorder_find(recorder, key);

	if (!record) {
		for (size_t i = 0; i < recorder->count; i++)
			print_error("there is %s\n", recorder->records[i].key);
		fail_msg("there is no %s", key);
	}
	return record;
}

double recorder_value(const struct recorder *recorder, const char *key)
{
	return recorder_get(recorder, key)->value;
}

double recorder_total(const struct recorder *recorder, const char *name)
{
	double total = 0;

	for (size_t i = 0; i < recorder->count; i++)
		if (strcmp(recorder->records[i].name, name) == 0)
			total += recorder->records[i].value + (double)recorder->records[i].count;
	return total;
}

size_t recorder_series(const struct recorder *recorder, const char *name)
{
	int family = recorder_family(recorder, name);

	return family < 0 ? 0 : recorder->families[family].samples;
}

int recorder_family(const struct recorder *recorder, const char *name)
{
	for (size_t i = 0; i < recorder->family_count; i++)
		if (strcmp(recorder->families[i].name, name) == 0)
			return (int)i;
	return -1;
}
