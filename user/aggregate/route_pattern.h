/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configured route templates, such as "/users/{id}/orders". They come before anything learned, and the first that
 * matches wins. Compiled once, at start. `*` as the last segment stands for the rest of the path.
 */
#pragma once

#include <stddef.h>

#include "aggregate/route_path.h"
#include "base/cleanup.h"

#define ROUTE_PATTERNS_MAX 1024

struct route_pattern;

struct route_patterns {
	struct route_pattern *items; /* owned */
	size_t count;
};

/* Copies the texts. -EINVAL with the index of the malformed pattern in *ret_bad (ROUTE_PATTERNS_MAX when there are more
 * than that); -ENOMEM. A pattern is made of whole segments: literal text, {name}, and a last `*` for the rest. */
MUST_CHECK int route_patterns_init(struct route_patterns *patterns, const char *const *texts, size_t count,
				   size_t *ret_bad);
void route_patterns_done(struct route_patterns *patterns);

/* The text of the first pattern that matches, or NULL. Valid as long as the patterns. */
const char *route_patterns_match(const struct route_patterns *patterns, const struct route_path *path);
