/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an InfiniBand port counts, by folder and file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct infiniband_counter {
	const char *file, *name; /* of the metric, which is a counter; with `divide` a gauge */
	uint32_t multiply, divide;
};

#define INFINIBAND_FOLDERS 3

struct infiniband_folder {
	const char *name;
	const struct infiniband_counter *counters;
	size_t count;
};

extern const struct infiniband_folder infiniband_folders[INFINIBAND_FOLDERS];
