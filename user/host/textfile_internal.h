/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two files of the textfile collector: textfile.c finds and reads files, textfile_tell.c makes families of
 * their lines.
 */
#pragma once

#include "host/internal.h"
#include "host/prom_text.h"

#define TEXTFILE_BUCKETS_MAX 512

/* What a `# TYPE` line of the file at hand said. */
struct textfile_type {
	struct span name, help;
	enum prom_type type;
	bool typed, helped, has_samples;
};

/* The histogram at hand: its lines come one after the other. */
struct textfile_histogram {
	struct span name; /* of the family; no length: there is none */
	const struct sheet_labels *labels;
	double bounds[TEXTFILE_BUCKETS_MAX];
	uint64_t cumulative[TEXTFILE_BUCKETS_MAX];
	uint32_t count;
	double sum;
};

struct textfile_state {
	char **files; /* owned, as are the paths */
	size_t file_count, file_capacity;
	bool failed;
	struct textfile_type *types; /* owned */
	size_t type_count, type_capacity;
	struct textfile_histogram *histogram; /* owned; NULL until one was met */
	struct prom_line line;
};

/* -EINVAL when the file is not the text format, or has what cannot be told: timestamps. */
MUST_CHECK int textfile_check(struct textfile_state *state, struct span text);
/* Of a text that was checked. */
MUST_CHECK int textfile_tell(struct host *host, struct textfile_state *state, struct span text, const char *path);
