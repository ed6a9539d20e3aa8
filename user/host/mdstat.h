/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/mdstat, array by array. Pure.
 */
#pragma once

#include "host/scan.h"

struct mdstat_array {
	struct span name;
	struct span state; /* active, inactive, or what it is at: recovering, resyncing, checking, reshaping */
	uint64_t total, active, failed, spare; /* disks */
	uint64_t blocks, synced;
};

/* The next array, taken off the text; false at the end, or with *ret_error = -EINVAL. */
bool mdstat_next(struct span *text, struct mdstat_array *ret_array, int *ret_error);
