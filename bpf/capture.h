/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The core: a call has moved bytes on a socket, tell user space which. Front ends (syscall.h, function.h) gather a
 * struct transfer and call transfer_run. Everything is copied unless user space has said that it knows better: it alone
 * parses, and a message may begin at any byte. What limits the copying: bodies of known length are asked to be skipped,
 * opaque connections to be muted, and a ring that fills up gets the first bytes of each call only, so that bulk goes
 * first.
 *
 * Considered and rejected: copying a fixed prefix of each call (misses pipelined requests and long heads: counts would
 * be wrong without anyone seeing it), sampling, parsing here.
 */
#pragma once

#include "process.h"
#include "small.h"

#define FIRST_STEPS 20 /* I/O vectors of a call that are copied at once; few have more */
#define PASS_ROUNDS 12 /* bodies or HTTP chunks that are passed over in one call */
#define LOOK_BYTES 64  /* copied behind each, to see what comes */
#define LOOK_STEPS 4
#define SKIP_STEPS 64    /* I/O vectors that are passed over to where copying begins */
#define REST_STEPS 8     /* and how many, or chunks, at a time of what follows: the verifier looks at each */
#define REST_ROUNDS 144  /* together more than the 1,024 vectors that a call may have (UIO_MAXIOV) */
#define BULK_BYTES 16384 /* a call of which so much was copied wakes user space: it may want to skip the rest */

static __always_inline int user_vector_next(struct transfer *transfer)
{
	struct iovec vector;
	long error;

	if (!transfer->vector || !transfer->vector_left)
		return -1;
	error = transfer->kernel_vector ? bpf_probe_read_kernel(&vector, sizeof(vector), (void *)transfer->vector) :
					  bpf_probe_read_user(&vector, sizeof(vector), (void *)transfer->vector);
	if (error) {
		count_add(LOST_READ_USER, 1);
		return -1;
	}
	transfer->base = (__u64)vector.iov_base;
	transfer->base_left = smaller(vector.iov_len, 0x7fffffffUL);
	transfer->vector += sizeof(vector);
	transfer->vector_left--;
	return 0;
}

static __always_inline void event_tell(struct scratch *scratch, __u32 full_length)
{
	struct segment_event *event = &scratch->event;
	struct capture *capture = &scratch->capture;
	__u32 filled = capture->filled & (2 * CHUNK_BYTES - 1);

	event->full_length = full_length;
	event->captured_length = filled;
	event->header.length = sizeof(*event) + filled;
	if (!ring_put_segment(event, filled, capture->waiting)) {
		count_add(COUNT_SEGMENTS, 1);
		count_add(COUNT_CAPTURED_BYTES, filled);
	}
	event->position += full_length;
	event->captured_offset = 0;
	capture->told += full_length;
	capture->filled = 0;
}

/* Copies what is left of the current buffer, at most what the event at hand has room for. */
static __always_inline int capture_part(struct scratch *scratch)
{
	struct transfer *transfer = &scratch->transfer;
	struct capture *capture = &scratch->capture;
	__u32 at = capture->filled & (CHUNK_BYTES - 1);
	__u64 part = at_most(smaller(transfer->base_left, smaller(capture->want, capture->limit - at)), CHUNK_BYTES);
	long error;

	error = transfer->kernel_memory ? bpf_probe_read_kernel(scratch->payload + at, part, (void *)transfer->base) :
					  bpf_probe_read_user(scratch->payload + at, part, (void *)transfer->base);
	if (error) {
		count_add(LOST_READ_USER, 1);
		return -1;
	}
	transfer->base += part;
	transfer->base_left -= part;
	capture->want -= part;
	capture->filled += part;
	capture->copied += part;
	return 0;
}

static __always_inline int capture_step(struct scratch *scratch)
{
	if (!scratch->transfer.base_left && user_vector_next(&scratch->transfer))
		return -1;
	return scratch->transfer.base_left ? capture_part(scratch) : 0;
}

/* Passes over `skip` bytes of the call's buffers. Not static: the verifier looks at it once. */
__noinline int capture_skip(void)
{
	struct scratch *scratch = scratch_get();
	__u32 passed;

	if (!scratch)
		return -1;
	for (int step = 0; step < SKIP_STEPS && scratch->capture.skip; step++) {
		if (!scratch->transfer.base_left && user_vector_next(&scratch->transfer))
			break;
		passed = smaller(scratch->capture.skip, scratch->transfer.base_left);
		scratch->transfer.base += passed;
		scratch->transfer.base_left -= passed;
		scratch->capture.skip -= passed;
	}
	/* What cannot be reached is told by length. */
	if (scratch->capture.skip)
		scratch->capture.want = 0;
	return 0;
}

/* Copies until the event at hand is full, or nothing more is wanted, or it cannot go on: then nothing is wanted any
 * more. */
static __always_inline void capture_first(struct scratch *scratch)
{
	struct capture *capture = &scratch->capture;

	for (int step = 0; step < FIRST_STEPS && capture->want && capture->filled < capture->limit; step++) {
		if (capture_step(scratch))
			capture->want = 0;
	}
}

/* Not static, as above. */
__noinline int capture_look(void)
{
	struct scratch *scratch = scratch_get();

	if (!scratch)
		return -1;
	for (int step = 0; step < LOOK_STEPS && scratch->capture.want && scratch->capture.filled < LOOK_BYTES; step++)
		if (capture_step(scratch))
			return -1;
	return 0;
}

/* What follows the first chunk, or the first vectors. Negative when it cannot go on. Not static, as above. */
__noinline int capture_rest(void)
{
	struct scratch *scratch = scratch_get();

	if (!scratch)
		return -1;
	for (int step = 0; step < REST_STEPS && scratch->capture.want; step++) {
		if (scratch->capture.filled >= CHUNK_BYTES)
			event_tell(scratch, scratch->event.captured_offset + CHUNK_BYTES);
		if (capture_step(scratch))
			return -1;
	}
	return 0;
}

/* How much of the call is copied: all of it, up to the configured maximum and what the ring can take. */
static __always_inline __u32 capture_wanted(const struct transfer *transfer, __u64 waiting, __u32 offset)
{
	__u32 rest = transfer->length - offset, limit = scarce_limit(waiting, rest);

	if (!transfer->base && !transfer->vector)
		return 0;
	if (rest > limit) {
		count_add(COUNT_SCARCE_CALLS, 1);
		return limit;
	}
	if (rest > call_bytes_max)
		count_add(COUNT_TRUNCATED_CALLS, 1);
	return smaller(rest, call_bytes_max);
}

/* What user space would ask for, a moment sooner. */
static __always_inline void skip_body(struct scratch *scratch, __u32 position)
{
	__u32 direction = scratch->transfer.direction;
	struct connection_key key = { .sock = (__u64)scratch->transfer.sock };
	struct request_value request = { .conn_id = scratch->event.conn_id };

	request.skip[FLOW_RECEIVE] = direction == FLOW_RECEIVE;
	request.skip[FLOW_SEND] = direction == FLOW_SEND;
	request.skip_until[FLOW_RECEIVE] = position;
	request.skip_until[FLOW_SEND] = position;
	if (!bpf_map_update_elem(&requests, &key, &request, BPF_NOEXIST)) {
		__sync_fetch_and_add(&request_count, 1);
		recent_end(recent_slot(key.sock));
	}
}

/* The event at hand holds the beginning of what is left of the call: leaves out what follows as far as it is sure to be
 * body. 1 when that ended inside the call, and there may be more. Not static, as above. */
__noinline int body_pass_over(void)
{
	struct scratch *scratch = scratch_get();
	__u32 begin, end, filled, left;

	if (!scratch)
		return 0;
	end = hint_chunk_end();
	if (!end)
		end = hint_message_end();
	filled = scratch->capture.filled;
	if (end <= filled)
		return 0;
	begin = scratch->event.captured_offset;
	left = scratch->transfer.length - scratch->capture.told - begin;
	if (end >= filled + scratch->capture.want) {
		scratch->capture.want = 0;
		if (end > left)
			skip_body(scratch, scratch->event.position + begin + end);
		return 0;
	}
	scratch->capture.skip = end - filled;
	scratch->capture.want -= end - filled;
	event_tell(scratch, begin + end);
	capture_skip();
	return 1;
}

static __always_inline void transfer_tell(struct scratch *scratch, __u64 conn_id, struct stream_positions positions,
					  __u32 offset)
{
	struct transfer *transfer = &scratch->transfer;
	struct capture *capture = &scratch->capture;
	__u64 waiting = ring_waiting();

	event_begin(scratch, conn_id, positions, offset);
	*capture = (struct capture){ .skip = offset,
				     .waiting = waiting,
				     .want = capture_wanted(transfer, waiting, offset) };
	/* Of a large call the beginning is looked at before more is copied. */
	capture->limit = capture->want > CHUNK_BYTES ? HINT_HEAD_BYTES : CHUNK_BYTES;
	if (offset)
		capture_skip();
	capture_first(scratch);
	if (capture->filled >= sizeof(__u64) && begins_http(eight_bytes(scratch, 0)))
		http_mark(scratch);
	for (int round = 0; round < PASS_ROUNDS && capture->want && capture->filled >= LOOK_BYTES; round++) {
		if (!body_pass_over())
			break;
		capture->limit = LOOK_BYTES;
		capture_look();
	}
	capture->limit = CHUNK_BYTES;
	for (int round = 0; round < REST_ROUNDS && capture->want; round++)
		if (capture_rest())
			break;
	if (capture->copied >= BULK_BYTES)
		capture->waiting = ring_wakeup_bytes;
	event_tell(scratch, transfer->length - capture->told);
}

static __always_inline bool request_is_over(const struct request_value *request)
{
	return !request->skip[0] && !request->skip[1] && !request->ends && !request->mute;
}

/* Only the end of the call is asked for, as long as the other direction has not moved: the request is about what is
 * being answered, and may come late. */
static __always_inline void request_cuts(struct request_value *request, const struct connection_value *connection,
					 const struct transfer *transfer, __u32 other, __u32 *ret_offset)
{
	__u32 direction = transfer->direction & 1;

	if (connection->family_unix)
		other = connection->unix_position[direction ^ 1];
	if (request->ends_until != other)
		request->ends = 0;
	else if (transfer->length > ENDS_CALL_BYTES)
		*ret_offset = transfer->length - ENDS_BYTES;
}

enum request_answer {
	REQUEST_NONE, /* or it is over */
	REQUEST_STANDS,
	REQUEST_SILENCES, /* nothing is to be told */
};

/* What user space asked for this connection. */
static __always_inline enum request_answer request_of(struct connection_key *key, struct connection_value *connection,
						      const struct transfer *transfer,
						      const struct stream_positions *positions, __u32 *ret_offset)
{
	struct request_value *request = bpf_map_lookup_elem(&requests, key);
	__u32 direction = transfer->direction & 1, position = positions->own;
	__u32 end = position + transfer->length;

	if (!request || request->conn_id != connection->conn_id)
		return REQUEST_NONE;
	if (request->mute) {
		__sync_fetch_and_add(&connection->silent[direction], transfer->length);
		return REQUEST_SILENCES;
	}
	if (request->ends == 1 + direction)
		request_cuts(request, connection, transfer, positions->other, ret_offset);
	if (request->skip[direction]) {
		if ((__s32)(end - request->skip_until[direction]) < 0)
			return REQUEST_SILENCES;
		if ((__s32)(request->skip_until[direction] - position) > 0)
			*ret_offset = request->skip_until[direction] - position;
		request->skip[direction] = 0;
	}
	if (!request_is_over(request))
		return REQUEST_STANDS;
	requests_forget(key);
	return REQUEST_NONE;
}

static __always_inline struct connection_value *connection_of(struct connection_key *key, struct transfer *transfer)
{
	struct connection_value *connection = bpf_map_lookup_elem(&connections, key);

	/* A unix socket whose end no hook saw, and another one at its address since. */
	if (connection && connection->family_unix && transfer->inode && connection->inode != transfer->inode) {
		unix_close(key, connection);
		connection = NULL;
	}
	if (connection && !connection->family_unix && tcp_ports_differ(connection->tcp_ports, transfer->sock)) {
		struct end_event end = {};

		connection_close(key, connection, &end);
		connection = NULL;
	}
	if (!connection && transfer->length)
		connection = connection_new(transfer);
	return connection;
}

static __always_inline struct stream_positions positions_of(struct connection_value *connection,
							    const struct transfer *transfer)
{
	struct stream_positions positions = {};

	if (!connection->family_unix)
		return tcp_positions(transfer);
	positions.own = connection->unix_position[transfer->direction & 1];
	connection->unix_position[transfer->direction & 1] = positions.own + transfer->length;
	return positions;
}

/* The connection of the transfer at hand, its positions, and what of it is told already; 0 when nothing is to be told.
 */
static __always_inline __u64 transfer_connection(struct scratch *scratch, struct stream_positions *ret_positions,
						 __u32 *ret_offset)
{
	struct transfer *transfer = &scratch->transfer;
	struct connection_key key = { .sock = (__u64)transfer->sock };
	__u32 generation = ended_generations[recent_slot(key.sock)];
	struct connection_value *connection = connection_of(&key, transfer);
	enum request_answer asked = REQUEST_NONE;

	if (!connection || connection->state != CONNECTION_OBSERVED)
		return 0;
	if (!transfer->length && !connection->family_unix && !transfer->reached)
		return 0;
	*ret_positions = positions_of(connection, transfer);
	count_add(COUNT_BYTES, transfer->length);
	if (request_count)
		asked = request_of(&key, connection, transfer, ret_positions, ret_offset);
	if (asked == REQUEST_SILENCES) {
		count_add(COUNT_SILENT_SEGMENTS, 1);
		return 0;
	}
	if (!connection->announced) {
		process_sighted();
		connection_announce(scratch, connection, ret_positions->own, ret_positions->other);
		if (!connection->announced) {
			connection_cut(connection, transfer);
			return 0;
		}
	}
	if (!connection->family_unix && asked == REQUEST_NONE)
		recent_put(&scratch->recent, key.sock, connection, generation);
	return connection->conn_id;
}

/* The same for a transfer of which no byte can be copied: a small part of what transfer_run is to the verifier. */
__noinline int length_run(void)
{
	struct scratch *scratch = scratch_get();
	struct stream_positions positions = {};
	__u32 offset = 0;
	__u64 conn_id;

	if (!scratch)
		return 0;
	if (!capture_enabled) {
		unix_is_old(scratch->transfer.sock, scratch->transfer.inode);
		return 0;
	}
	conn_id = transfer_connection(scratch, &positions, &offset);
	if (!conn_id)
		return 0;
	event_begin(scratch, conn_id, positions, 0);
	scratch->capture = (struct capture){ .waiting = ring_waiting() };
	event_tell(scratch, scratch->transfer.length);
	return 0;
}

/* Tells the transfer that a front end has put into the scratch. Not static: the verifier looks at it once. */
__noinline int transfer_run(void)
{
	struct scratch *scratch = scratch_get();
	struct stream_positions positions = {};
	struct transfer *transfer;
	__u64 conn_id = 0;
	__u32 offset = 0;

	if (!scratch)
		return 0;
	transfer = &scratch->transfer;
	if (!capture_enabled) {
		unix_is_old(transfer->sock, transfer->inode);
		return 0;
	}
	if (transfer->length)
		conn_id = recent_find(&scratch->recent, (__u64)transfer->sock);
	if (conn_id) {
		positions = tcp_positions(transfer);
		count_add(COUNT_BYTES, transfer->length);
	} else {
		conn_id = transfer_connection(scratch, &positions, &offset);
	}
	if (conn_id && (offset || !small_tell(scratch, conn_id, positions)))
		transfer_tell(scratch, conn_id, positions, offset);
	return 0;
}
