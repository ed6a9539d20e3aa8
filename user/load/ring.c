/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads records where the kernel wrote them. The consumer position is given back in steps, not per record: each store
 * to it takes the cache line away from the producers.
 */
#include "load/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define RELEASE_BYTES 65536

int ring_open(struct ring *ring, int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer, *producer;

	ring->straight = malloc(RING_RECORD_MAX);
	if (!ring->straight)
		return -ENOMEM;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	ring->consumer_page = consumer;
	producer = mmap(NULL, page + size, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED)
		return -errno;
	ring->producer_page = producer;
	ring->data = (const uint8_t *)producer + page;
	ring->size = size;
	return 0;
}

void ring_close(struct ring *ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (ring->consumer_page)
		munmap(ring->consumer_page, page);
	if (ring->producer_page)
		munmap(ring->producer_page, page + ring->size);
	free(ring->straight);
	*ring = (struct ring){ 0 };
}

static const uint8_t *record_at(const struct ring *ring, uint64_t position, size_t length)
{
	size_t at = position & (ring->size - 1);
	size_t head = ring->size - at;

	if (length <= head)
		return ring->data + at;
	if (length > RING_RECORD_MAX || !ring->straight || !ring->data)
		return NULL;
	memcpy(ring->straight, ring->data + at, head);
	memcpy(ring->straight + head, ring->data, length - head);
	return ring->straight;
}

size_t ring_drain(struct ring *ring, void (*handle)(void *ctx, const uint8_t *record, size_t length), void *ctx)
{
	_Atomic uint64_t *consumer = ring->consumer_page;
	_Atomic uint64_t *producer = ring->producer_page;
	uint64_t position = atomic_load_explicit(consumer, memory_order_relaxed);
	uint64_t released = position;
	uint64_t end = atomic_load_explicit(producer, memory_order_acquire);
	size_t count = 0;

	while (position < end) {
		_Atomic uint32_t *header = (_Atomic uint32_t *)(ring->data + (position & (ring->size - 1)));
		uint32_t word = atomic_load_explicit(header, memory_order_acquire);
		size_t length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		const uint8_t *record;

		if (word & BPF_RINGBUF_BUSY_BIT)
			break;
		record = word & BPF_RINGBUF_DISCARD_BIT ? NULL : record_at(ring, position + BPF_RINGBUF_HDR_SZ, length);
		if (record) {
			handle(ctx, record, length);
			count++;
		}
		position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~(uint64_t)7;
		if (position - released >= RELEASE_BYTES) {
			atomic_store_explicit(consumer, position, memory_order_release);
			released = position;
		}
		if (position >= end)
			end = atomic_load_explicit(producer, memory_order_acquire);
	}
	if (position != released)
		atomic_store_explicit(consumer, position, memory_order_release);
	return count;
}
