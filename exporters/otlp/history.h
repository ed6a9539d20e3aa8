/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was told of each series the last time: deltas are against it. Bounded: a series that finds no room is not told
 * until there is some, which is counted.
 */
#pragma once

#include <stdint.h>

#include "base/hash_table.h"

struct past {
	struct hash_node node;
	uint64_t key[2];
	uint64_t seen; /* number of the walk that told it last */
	uint64_t told_ns;
	double value; /* of a number, or a histogram's sum */
	uint64_t count;
	uint64_t zero_count;
	int32_t schema;
	int32_t offset;
	uint32_t length;  /* of counts */
	uint64_t *counts; /* owned */
};

struct metric_history;

struct metric_history *metric_history_new(void);
void metric_history_free(struct metric_history *history);
/* The series' past; a new one with nothing in it, told_ns 0. NULL without room. */
struct past *metric_history_get(struct metric_history *history, uint64_t key_high, uint64_t key_low);
/* A walk begins, and ends: what it did not meet is forgotten. */
void metric_history_begin(struct metric_history *history);
void metric_history_end(struct metric_history *history);
