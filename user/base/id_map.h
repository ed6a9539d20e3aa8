/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From ids to numbers, 16 bytes for each place of one array: for what there is much of and nothing else is known of. An
 * id is found where its hash says, or in one of the places behind. Grows by doubling when seven of eight are taken;
 * holds no memory when it is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct id_place {
	uint64_t id; /* 0: free */
	uint64_t number;
};

struct id_map {
	struct id_place *places; /* owned */
	size_t size;             /* a power of two, or 0 */
	size_t count;
	size_t limit; /* count never exceeds this */
};

/* An empty map of at most `limit` ids. Allocates nothing yet. */
void id_map_init(struct id_map *map, size_t limit);
/* Empties it. Takes NULL. */
void id_map_done(struct id_map *map);
/* -EINVAL: id is 0; -EEXIST; -ENOSPC: the limit; -ENOMEM. */
MUST_CHECK int id_map_insert(struct id_map *map, uint64_t id, uint64_t number);
/* False: it is not there. */
bool id_map_find(const struct id_map *map, uint64_t id, uint64_t *ret_number);
/* False: it was not there. */
bool id_map_remove(struct id_map *map, uint64_t id);
