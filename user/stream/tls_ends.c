/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tag, or the last block of a ciphertext, is as good as random: any part of it is a hash.
 */
#include "stream/tls_ends.h"

#include <string.h>

#define WAYS 4

static struct tls_end *bucket_of(struct tls_ends *ends, const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return &ends->places[word % (TLS_ENDS / WAYS) * WAYS];
}

void tls_ends_put(struct tls_ends *ends, const uint8_t *bytes, uint64_t owner)
{
	struct tls_end *bucket = bucket_of(ends, bytes), *chosen = bucket;

	for (int i = 1; i < WAYS && chosen->owner; i++)
		if (!bucket[i].owner || ends->count - bucket[i].put_as > ends->count - chosen->put_as)
			chosen = &bucket[i];
	chosen->owner = owner;
	chosen->put_as = ends->count++;
	memcpy(chosen->bytes, bytes, sizeof(chosen->bytes));
}

uint64_t tls_ends_take(struct tls_ends *ends, const uint8_t *bytes)
{
	struct tls_end *bucket = bucket_of(ends, bytes);

	for (int i = 0; i < WAYS; i++) {
		uint64_t owner = bucket[i].owner;

		if (!owner || memcmp(bucket[i].bytes, bytes, sizeof(bucket[i].bytes)))
			continue;
		bucket[i].owner = 0;
		return owner;
	}
	return 0;
}
