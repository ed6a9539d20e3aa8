/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map from ids to numbers, by linear probing. What is removed leaves no mark: those behind it move up, as far as
 * their own places allow (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R).
 */
#include "base/id_map.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash_table.h"

#define FIRST_PLACES 64

void id_map_init(struct id_map *map, size_t limit)
{
	*map = (struct id_map){ .limit = limit };
}

void id_map_done(struct id_map *map)
{
	if (!map)
		return;
	free(map->places);
	*map = (struct id_map){ .limit = map->limit };
}

static size_t home_of(const struct id_map *map, uint64_t id)
{
	return (size_t)hash_u64(id, 0) & (map->size - 1);
}

static size_t next_to(const struct id_map *map, size_t at)
{
	return (at + 1) & (map->size - 1);
}

/* Where it is, or the free place where it would be. There is one. */
static size_t place_of(const struct id_map *map, uint64_t id)
{
	size_t at = home_of(map, id);

	while (map->places[at].id && map->places[at].id != id)
		at = next_to(map, at);
	return at;
}

static int grow(struct id_map *map)
{
	struct id_map grown = *map;

	grown.size = map->size ? 2 * map->size : FIRST_PLACES;
	grown.places = calloc(grown.size, sizeof(*grown.places));
	if (!grown.places)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++) {
		if (map->places[i].id)
			grown.places[place_of(&grown, map->places[i].id)] = map->places[i];
	}
	free(map->places);
	*map = grown;
	return 0;
}

int id_map_insert(struct id_map *map, uint64_t id, uint64_t number)
{
	size_t at;

	if (!id)
		return -EINVAL;
	if (map->count > 0 && map->places[place_of(map, id)].id)
		return -EEXIST;
	if (map->count >= map->limit)
		return -ENOSPC;
	if (map->count >= map->size - map->size / 8) {
		int error = grow(map);

		if (error)
			return error;
	}
	at = place_of(map, id);
	map->places[at] = (struct id_place){ id, number };
	map->count++;
	return 0;
}

bool id_map_find(const struct id_map *map, uint64_t id, uint64_t *ret_number)
{
	size_t at;

	if (map->count == 0 || !id)
		return false;
	at = place_of(map, id);
	if (!map->places[at].id)
		return false;
	*ret_number = map->places[at].number;
	return true;
}

/* Frees a place: what stands behind it and may stand there moves up, and so on. */
static void close_up(struct id_map *map, size_t hole)
{
	for (size_t at = next_to(map, hole); map->places[at].id; at = next_to(map, at)) {
		size_t home = home_of(map, map->places[at].id);

		/* Its own place lies behind the hole: it stays. */
		if (((at - home) & (map->size - 1)) < ((at - hole) & (map->size - 1)))
			continue;
		map->places[hole] = map->places[at];
		hole = at;
	}
	map->places[hole] = (struct id_place){};
}

bool id_map_remove(struct id_map *map, uint64_t id)
{
	size_t at;

	if (map->count == 0 || !id)
		return false;
	at = place_of(map, id);
	if (!map->places[at].id)
		return false;
	if (--map->count == 0)
		id_map_done(map);
	else
		close_up(map, at);
	return true;
}
