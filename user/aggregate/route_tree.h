/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes that one service was seen to serve, as a tree of path segments. A position with more names than a limit
 * collapses into {id}, and what was below its names is learned anew. Bounded: when a segment finds no room the rest of
 * its path is told as "**", which is counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/route_path.h"

#define ROUTE_LEARNED_DEPTH 10     /* deeper paths end in "**" */
#define ROUTE_TREE_SEGMENTS 2048   /* of one service */
#define ROUTE_TOTAL_SEGMENTS 16384 /* of all: 0.8 MB with names of ten bytes, 4 MB at worst */

struct route_segment;

/* What all trees share. */
struct route_limits {
	size_t values_limit; /* names at one position */
	size_t segments;     /* now in all trees */
	uint64_t collapsed;  /* positions that became {id} */
	uint64_t cut;        /* paths whose rest found no room */
};

struct route_tree {
	struct route_segment *root; /* owned; NULL before the first path */
	size_t segments;
};

void route_tree_done(struct route_tree *tree, struct route_limits *limits);

/* The route of a path; its length, or 0 when the path was never learned and `teach` is false. */
size_t route_tree_find(struct route_tree *tree, struct route_limits *limits, const struct route_path *path, bool teach,
		       char out[ROUTE_MAX + 1]);

/* Lets segments go that no path touched for idle_ns, counted from the first call after the last touch.
 * True when the tree is empty now. */
bool route_tree_expire(struct route_tree *tree, struct route_limits *limits, uint64_t now_ns, uint64_t idle_ns);
