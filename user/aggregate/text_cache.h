/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small direct-mapped memory of the last answers: which interned id these bytes led to. It saves the
 * steady state from templating the same path and validating the same Host again. Every slot holds a use of its id, so
 * an answer stays valid until the next put into the same cache. Fixed size; a colliding put replaces.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "aggregate/intern.h"
#include "base/cleanup.h"

#define TEXT_CACHE_BYTES 115 /* longer texts are never found again: a slot is two cache lines */

struct text_cache_slot {
	uint32_t context; /* what else the answer depends on */
	uint32_t id;
	uint16_t extra; /* a second part of the answer */
	uint16_t length;
	uint8_t findable;
	char bytes[TEXT_CACHE_BYTES];
};

struct text_cache {
	struct text_cache_slot *slots; /* owned */
	size_t slot_count;             /* a power of two */
	struct intern *intern;         /* borrowed */
};

struct text_cache_key {
	const char *bytes;
	size_t length;
	uint32_t context;
	size_t slot; /* filled by text_cache_find */
};

/* slot_count must be a power of two. -ENOMEM. */
MUST_CHECK int text_cache_init(struct text_cache *cache, size_t slot_count, struct intern *intern);
void text_cache_done(struct text_cache *cache);
/* Forgets everything and gives the ids back. Takes a cache that was never initialised (zeroed). */
void text_cache_flush(struct text_cache *cache);

/* NULL when not there; then key->slot is ready for a put. */
const struct text_cache_slot *text_cache_find(const struct text_cache *cache, struct text_cache_key *key);
/* Keeps `id` in use without remembering the answer. Takes over the caller's use. */
struct text_cache_slot *text_cache_hold(struct text_cache *cache, const struct text_cache_key *key, uint32_t id);
/* Takes over the caller's use of `id`. */
void text_cache_put(struct text_cache *cache, const struct text_cache_key *key, uint32_t id, uint16_t extra);
