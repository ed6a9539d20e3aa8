/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands without answer, oldest first: 12 bytes for each, and what those of one call of the kernel share only once,
 * because pipelines have tens of thousands of them. Both rings begin inside of the state: a connection that waits for
 * each reply allocates nothing.
 */
#include <errno.h>
#include <string.h>

#include "proto/redis_internal.h"

void redis_ring_init(struct redis_ring *ring)
{
	*ring = (struct redis_ring){ .call_size = REDIS_FIRST_CALLS, .batch_size = REDIS_FIRST_BATCHES };
	ring->calls = ring->first_calls;
	ring->batches = ring->first_batches;
}

static void shrink(struct redis_ring *ring)
{
	ring->call_head = ring->batch_head = 0;
	if (ring->calls != ring->first_calls)
		free(ring->calls);
	if (ring->batches != ring->first_batches)
		free(ring->batches);
	ring->calls = ring->first_calls;
	ring->batches = ring->first_batches;
	ring->call_size = REDIS_FIRST_CALLS;
	ring->batch_size = REDIS_FIRST_BATCHES;
}

void redis_ring_free(struct redis_ring *ring)
{
	ring->call_count = ring->batch_count = 0;
	shrink(ring);
}

size_t redis_ring_memory(const struct redis_ring *ring)
{
	return (ring->calls == ring->first_calls ? 0 : ring->call_size * sizeof(*ring->calls)) +
	       (ring->batches == ring->first_batches ? 0 : ring->batch_size * sizeof(*ring->batches));
}

static int grow_calls(struct redis_ring *ring)
{
	size_t size = 2 * (size_t)ring->call_size, front = ring->call_size - ring->call_head;
	struct redis_call *calls = size > 0 ? malloc(size * sizeof(*calls)) : NULL;

	if (!calls)
		return -ENOMEM;
	memcpy(calls, ring->calls + ring->call_head, front * sizeof(*calls));
	memcpy(calls + front, ring->calls, ring->call_head * sizeof(*calls));
	if (ring->calls != ring->first_calls)
		free(ring->calls);
	ring->calls = calls;
	ring->call_size = (uint32_t)size;
	ring->call_head = 0;
	return 0;
}

static int grow_batches(struct redis_ring *ring)
{
	size_t size = 2 * (size_t)ring->batch_size, front = ring->batch_size - ring->batch_head;
	struct redis_batch *batches = size > 0 ? malloc(size * sizeof(*batches)) : NULL;

	if (!batches)
		return -ENOMEM;
	memcpy(batches, ring->batches + ring->batch_head, front * sizeof(*batches));
	memcpy(batches + front, ring->batches, ring->batch_head * sizeof(*batches));
	if (ring->batches != ring->first_batches)
		free(ring->batches);
	ring->batches = batches;
	ring->batch_size = (uint32_t)size;
	ring->batch_head = 0;
	return 0;
}

static struct redis_batch *last_batch(struct redis_ring *ring)
{
	return &ring->batches[(ring->batch_head + ring->batch_count - 1) & (ring->batch_size - 1)];
}

static bool same_batch(const struct redis_batch *a, const struct redis_batch *b)
{
	return a->first_ns == b->first_ns && a->last_ns == b->last_ns && a->peer_position == b->peer_position &&
	       a->unseen == b->unseen && a->tid == b->tid && a->tgid == b->tgid && a->goroutine == b->goroutine;
}

int redis_ring_push(struct redis_ring *ring, const struct redis_call *call, const struct redis_batch *batch)
{
	bool joins = ring->batch_count > 0 && same_batch(last_batch(ring), batch);
	int error = 0;

	if (ring->call_count >= REDIS_OPEN_MAX)
		return -ENOBUFS;
	if (ring->call_count == ring->call_size)
		error = grow_calls(ring);
	if (!error && !joins && ring->batch_count == ring->batch_size)
		error = grow_batches(ring);
	if (error)
		return error;
	if (!joins) {
		ring->batch_count++;
		*last_batch(ring) = *batch;
		last_batch(ring)->count = 0;
	}
	last_batch(ring)->count++;
	ring->calls[(ring->call_head + ring->call_count) & (ring->call_size - 1)] = *call;
	if (!joins)
		ring->calls[(ring->call_head + ring->call_count) & (ring->call_size - 1)].flags |= CALL_FIRST;
	ring->call_count++;
	return 0;
}

void redis_ring_pop(struct redis_ring *ring)
{
	struct redis_batch *batch = redis_first_batch(ring);

	ring->call_head = (ring->call_head + 1) & (ring->call_size - 1);
	ring->call_count--;
	if (--batch->count == 0) {
		ring->batch_head = (ring->batch_head + 1) & (ring->batch_size - 1);
		ring->batch_count--;
	}
	if (ring->call_count == 0)
		shrink(ring);
}
