/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The short way, which most calls take: a few buffers that fit one event. All of it is copied at once, or of a response
 * whose head looks like the one before, the head. Whatever does not go smoothly here goes the long way of capture.h,
 * which tells the same.
 */
#pragma once

#include "connection.h"
#include "shape.h"

#define SMALL_BYTES CHUNK_BYTES
#define SMALL_VECTORS 4 /* I/O vectors of a call, read at once */
#define LOOK_BEHIND 4   /* bytes behind a head, to see whether another message follows */

static __always_inline void event_begin(struct scratch *scratch, __u64 conn_id, struct stream_positions positions,
					__u32 offset)
{
	struct transfer *transfer = &scratch->transfer;

	scratch->event = (struct segment_event){
		.header.type = EVENT_SEGMENT,
		.conn_id = conn_id,
		.time_ns = bpf_ktime_get_ns(),
		.tgid = transfer->pid_tgid >> 32,
		.tid = (__u32)transfer->pid_tgid,
		.position = positions.own,
		.peer_position = positions.other,
		.captured_offset = offset,
		.direction = transfer->direction,
		.goroutine = transfer->goroutine,
		.reached = transfer->reached,
	};
}

/* Copies the beginning of one buffer of a small call behind what is there; returns how much. What is done and what is
 * left are in the scratch, as everywhere here: on the stack the verifier would follow all that they can be. */
static __always_inline int small_part(struct capture *capture, __u8 *payload, __u32 part, const void *from)
{
	__u32 at = capture->filled & (CHUNK_BYTES - 1);
	__u64 bytes = at_most(part, CHUNK_BYTES);

	if (!bytes || bpf_probe_read_user(payload + at, bytes, from))
		return -1;
	capture->filled += part;
	capture->want -= part;
	return 0;
}

/* What of the first buffer is copied before the rest is looked at: the head, and a little to see what follows it. */
static __always_inline __u32 small_first(__u32 head, __u32 part)
{
	return head && part > head + LOOK_BEHIND ? head + LOOK_BEHIND : part;
}

static __always_inline bool small_is_head(const struct scratch *scratch, __u32 slot, __u32 head, __u32 copied)
{
	if (copied < head || scratch->transfer.length < head + SHAPE_BODY_MIN)
		return false;
	if (copied != head && looks_like_message(scratch->payload + (head & (CHUNK_BYTES - 1))))
		return false;
	return shape_fits(slot, head, scratch->transfer.length - head);
}

/* The buffers of a small call: the current one, if there is one, and those that its vector names. */
static __always_inline int small_vectors(const struct transfer *transfer, struct iovec *vectors)
{
	__u64 bytes;

	if (transfer->base_left) {
		vectors[0].iov_base = (void *)transfer->base;
		vectors[0].iov_len = transfer->base_left;
		vectors++;
	}
	if (!transfer->vector || transfer->base_left >= transfer->length)
		return 0;
	bytes = at_most(smaller(transfer->vector_left, SMALL_VECTORS) * sizeof(*vectors),
			SMALL_VECTORS * sizeof(*vectors));
	return transfer->kernel_vector ? bpf_probe_read_kernel(vectors, bytes, (void *)transfer->vector) :
					 bpf_probe_read_user(vectors, bytes, (void *)transfer->vector);
}

/* A call of one buffer, or a few, that fits one event: most are. Copies all of it, or the head of a response whose
 * shape is known (`head` bytes, 0 when it is not) and perhaps a little more. */
static __always_inline int small_copy(struct scratch *scratch, __u32 slot, __u32 head)
{
	struct capture *capture = &scratch->capture;
	struct iovec vectors[SMALL_VECTORS + 1] = {};
	__u32 part, begin;

	capture->filled = 0;
	capture->want = scratch->transfer.length;
	if (small_vectors(&scratch->transfer, vectors))
		return -1;
	part = smaller(vectors[0].iov_len, (unsigned long)capture->want);
	begin = small_first(head, part);
	if (!part || small_part(capture, scratch->payload, begin, vectors[0].iov_base))
		return -1;
	if (head && small_is_head(scratch, slot, head, begin))
		return 0;
	if (begin < part && small_part(capture, scratch->payload, part - begin, vectors[0].iov_base + begin))
		return -1;
#pragma unroll
	for (int i = 1; i <= SMALL_VECTORS; i++) {
		part = smaller(vectors[i].iov_len, (unsigned long)capture->want);
		if (part && small_part(capture, scratch->payload, part, vectors[i].iov_base))
			return -1;
	}
	return capture->want ? -1 : 0;
}

/* Responses of one connection are expected to look alike: see shape.h. */
static __always_inline void small_learn(struct scratch *scratch, __u32 slot, struct head_shape *shape)
{
	if (eight_bytes(scratch, 0) != HTTP_1_1)
		return;
	if (shape->length) {
		/* This one did not. */
		shape->length = 0;
		shape->wait = SHAPE_WAIT;
	} else if (!shape->wait) {
		shape_learn(slot);
	} else {
		shape->wait--;
	}
}

/* The short way for a small call. False when it is none, or cannot be read: then nothing is told yet. */
static __always_inline bool small_tell(struct scratch *scratch, __u64 conn_id, struct stream_positions positions)
{
	struct transfer *transfer = &scratch->transfer;
	struct segment_event *event = &scratch->event;
	__u32 slot = recent_slot((__u64)transfer->sock);
	struct recent_connection *known = &scratch->recent.connections[slot];
	bool remembered = known->conn_id == conn_id;
	__u32 length = transfer->length, copied;
	__u64 waiting;

	if (length > SMALL_BYTES || transfer->kernel_memory || (!transfer->base && !transfer->vector))
		return false;
	waiting = recent_waiting(&scratch->recent, sizeof(*event) + length);
	if (length > scarce_limit(waiting, length))
		return false;
	if (small_copy(scratch, slot, remembered ? known->shape.length : 0))
		return false;
	copied = scratch->capture.filled & (2 * CHUNK_BYTES - 1);
	if (!(remembered && known->shape.http) && copied >= sizeof(__u64) && begins_http(eight_bytes(scratch, 0)) &&
	    http_mark(scratch) && remembered)
		known->shape.http = 1;
	event_begin(scratch, conn_id, positions, 0);
	event->full_length = length;
	event->captured_length = copied;
	event->header.length = sizeof(*event) + copied;
	if (!ring_put_segment(event, copied, waiting)) {
		struct counts *counts = counts_get();

		if (counts) {
			counts->value[COUNT_SEGMENTS]++;
			counts->value[COUNT_CAPTURED_BYTES] += copied;
		}
	}
	if (remembered && copied == length)
		small_learn(scratch, slot, &known->shape);
	return true;
}
