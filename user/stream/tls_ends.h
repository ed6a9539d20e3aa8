/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of records' ciphertext that are remembered for a moment, with what they belong to: bounded, the oldest give way.
 * Four places for each end, so that hundreds of connections that speak at once do not drive out each other's. Pure.
 */
#pragma once

#include <stdint.h>

#include "model/plain.h"

#define TLS_ENDS 4096 /* a power of two */

struct tls_end {
	uint64_t owner; /* 0: free */
	uint32_t put_as;
	uint8_t bytes[PLAIN_TAIL_BYTES];
};

/* Zeroed is right. */
struct tls_ends {
	struct tls_end places[TLS_ENDS];
	uint32_t count; /* of all that were put */
};

void tls_ends_put(struct tls_ends *ends, const uint8_t *bytes, uint64_t owner);
/* Whose it is; it is forgotten then. 0: it is not remembered. */
uint64_t tls_ends_take(struct tls_ends *ends, const uint8_t *bytes);
