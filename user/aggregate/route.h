/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_route from a path: configured patterns first, then what was learned from the service's own answers. Sits between
 * the exchange's path and the series' key. Knows services only by their interned id. Keeps no path, only segments.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/intern.h"
#include "aggregate/route_pattern.h"
#include "aggregate/route_tree.h"
#include "base/cleanup.h"
#include "base/hash_table.h"

#define ROUTE_SERVICES_MAX 4096

struct routes {
	struct route_patterns patterns;
	struct hash_table trees;
	struct route_limits limits;
	struct intern *intern; /* borrowed */
	uint64_t seed;
};

/* Patterns are copied. -ENOMEM; -EINVAL with the malformed pattern's index. */
MUST_CHECK int routes_init(struct routes *routes, const char *const *patterns, size_t pattern_count,
			   size_t values_limit, struct intern *intern, uint64_t seed, size_t *ret_bad_pattern);
/* Before the interned strings go. */
void routes_done(struct routes *routes);

/* Writes the route of a server's exchange, NUL-terminated, and returns its length; 0 when there is none.
 * Without `teach` only what is known already is told, and nothing is learned. */
size_t routes_find(struct routes *routes, uint32_t service, struct text path, bool teach, char out[ROUTE_MAX + 1]);

/* Whether a response of this status says that the path names something. Scanners would fill the tree otherwise. */
bool routes_status_teaches(uint16_t status);

/* Lets segments go that were not used for idle_ns, and the trees of services that have none left. */
void routes_expire(struct routes *routes, uint64_t now_ns, uint64_t idle_ns);
