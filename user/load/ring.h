/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver's end of a BPF ring buffer. libbpf's own maps the data twice, and mapped ring pages count as resident:
 * this one maps them once and straightens the rare record that wraps around. The layout is the kernel's
 * (kernel/bpf/ringbuf.c): a consumer page, a producer page, the data; each record an 8-byte header {length with two
 * flag bits, offset} and payload.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct ring {
	void *consumer_page;
	void *producer_page; /* and, behind it, the data */
	const uint8_t *data;
	size_t size;       /* of the data: a power of two */
	uint8_t *straight; /* a wrapped record's copy; owned */
};

#define RING_RECORD_MAX 32768

/* `fd` is the map's; it stays the caller's. */
MUST_CHECK int ring_open(struct ring *ring, int fd, size_t size);
/* Takes a zeroed ring. */
void ring_close(struct ring *ring);

/* Calls `handle` for each record that is complete, in order; returns how many. */
size_t ring_drain(struct ring *ring, void (*handle)(void *ctx, const uint8_t *record, size_t length), void *ctx);
