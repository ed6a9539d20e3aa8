/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of last answers. The slot is chosen by length and both ends of the text alone: whoever makes texts collide
 * on purpose gains nothing but the slow path for himself. A text that is too long to be compared again still takes its
 * slot, because the slot is what keeps the id in use while the caller works with it.
 */
#include "aggregate/text_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct text_cache_slot) == 128, "two cache lines");

static inline uint64_t word_at(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static size_t slot_choose(const struct text_cache *cache, const struct text_cache_key *key)
{
	uint64_t first = 0, last = 0;

	if (key->length >= sizeof(first)) {
		first = word_at(key->bytes);
		last = word_at(key->bytes + key->length - sizeof(last));
	} else {
		for (size_t i = 0; i < key->length; i++)
			first = first << 8 | (uint8_t)key->bytes[i];
	}
	/* Fibonacci hashing: the upper bits of the products are the well mixed ones. */
	uint64_t mixed = (first ^ key->context) * UINT64_C(0x9e3779b97f4a7c15) + key->length;

	mixed = (mixed ^ mixed >> 32 ^ last) * UINT64_C(0x9e3779b97f4a7c15);
	return mixed >> 40 & (cache->slot_count - 1);
}

/* As memcmp() == 0, without the call: these texts are short. */
static inline bool bytes_equal(const char *a, const char *b, size_t length)
{
	const size_t word = sizeof(uint64_t);

	if (length >= word) {
		for (size_t i = 0; i + word < length; i += word)
			if (word_at(a + i) != word_at(b + i))
				return false;
		return word_at(a + length - word) == word_at(b + length - word); /* may overlap the one before */
	}
	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

int text_cache_init(struct text_cache *cache, size_t slot_count, struct intern *intern)
{
	struct text_cache_slot *slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	*cache = (struct text_cache){ .slots = slots, .slot_count = slot_count, .intern = intern };
	return 0;
}

void text_cache_flush(struct text_cache *cache)
{
	for (size_t i = 0; i < cache->slot_count; i++) {
		intern_release(cache->intern, cache->slots[i].id);
		cache->slots[i].id = INTERN_EMPTY;
		cache->slots[i].findable = 0;
	}
}

void text_cache_done(struct text_cache *cache)
{
	text_cache_flush(cache);
	free(cache->slots);
	*cache = (struct text_cache){ 0 };
}

const struct text_cache_slot *text_cache_find(const struct text_cache *cache, struct text_cache_key *key)
{
	key->slot = slot_choose(cache, key);
	const struct text_cache_slot *slot = &cache->slots[key->slot];

	if (slot->findable && slot->context == key->context && slot->length == key->length &&
	    bytes_equal(slot->bytes, key->bytes, key->length))
		return slot;
	return NULL;
}

struct text_cache_slot *text_cache_hold(struct text_cache *cache, const struct text_cache_key *key, uint32_t id)
{
	struct text_cache_slot *slot = &cache->slots[key->slot];

	intern_release(cache->intern, slot->id);
	slot->id = id;
	slot->findable = 0;
	return slot;
}

void text_cache_put(struct text_cache *cache, const struct text_cache_key *key, uint32_t id, uint16_t extra)
{
	struct text_cache_slot *slot = text_cache_hold(cache, key, id);

	if (key->length > sizeof(slot->bytes))
		return;
	slot->findable = 1;
	slot->extra = extra;
	slot->context = key->context;
	slot->length = (uint16_t)key->length;
	memcpy(slot->bytes, key->bytes, key->length);
}
