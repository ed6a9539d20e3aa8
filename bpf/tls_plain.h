/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered of a thread's calls of TLS libraries, and the telling of one: its plaintext is copied from the
 * process into the ring, in chunks.
 *
 * A page of the process may be away just then: the kernel takes it to move it, to share it or to learn who uses it, and
 * a program that must not sleep is refused. Where the kernel has programs on uprobes that may sleep (6.1), the page is
 * brought as the process itself would bring it, while nothing of the ring is held; elsewhere the bytes are counted as
 * lost.
 */
#pragma once

#include "tls_openssl.h"

#define TLS_DEPTH 4
#define TLS_CHUNK_BYTES 16384 /* a record's plaintext at most: RFC 8446 section 5.1 */
#define TLS_CHUNKS 16         /* told of one call; call_bytes_max is below */
#define TLS_PAGE_BYTES 4096   /* or a multiple of it */
#define PLAIN_ABSENT 1

const volatile bool may_sleep = false;

struct tls_call {
	__u64 session;
	__u64 buffer;
	__u64 size_at; /* where the number of bytes is written, 0 when it is returned; of a record: see tls_aead.h */
	__u64 entered_ns;
	__u64 stack;
	__u32 direction;
	__u32 library; /* enum tls_library */
	__u64 tls_id;  /* of the session, when the call's place in its stream was taken at its beginning; else 0 */
	__u32 start;   /* and that place; of a record (tls_aead.h): its length */
	__u32 has_tail;
	__u8 tail[TLS_TAIL_BYTES]; /* of the ciphertext that it has given to its BIO */
};

/* A thread's calls, and how far the telling of the one that has returned is. It is the thread's own because a per-CPU
 * one could be preempted, and in a map because the verifier follows what is on the stack through every turn of a loop.
 */
struct tls_thread {
	__u32 depth;
	__u32 length; /* of the call that is told */
	__u32 told;
	__u32 skip;    /* bytes that are not needed, at its beginning */
	__u32 limit;   /* bytes that are copied, for now */
	__u32 brought; /* the pages of the chunk at hand */
	__u64 waiting;
	__u64 buffer;
	struct plain_event event;
	struct tls_call calls[TLS_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tls_thread);
} tls_threads SEC(".maps");

/* What a thread begins with: it would be much of the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tls_thread);
} tls_fresh SEC(".maps");

static __always_inline struct tls_thread *tls_thread_known(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&tls_threads, &id);
}

static __always_inline struct tls_thread *tls_thread_of(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct tls_thread *found = bpf_map_lookup_elem(&tls_threads, &id);
	struct tls_thread *fresh;
	__u32 zero = 0;

	if (found)
		return found;
	fresh = bpf_map_lookup_elem(&tls_fresh, &zero);
	if (!fresh || bpf_map_update_elem(&tls_threads, &id, fresh, BPF_NOEXIST))
		return NULL;
	return bpf_map_lookup_elem(&tls_threads, &id);
}

/* Reads what the library itself has just read or written. */
static __always_inline bool read_used(void *target, __u32 size, __u64 address)
{
	return !bpf_probe_read_user(target, size, (void *)address) ||
	       (may_sleep && !bpf_copy_from_user(target, size, (void *)address));
}

/* Has the kernel bring the pages that the chunk is on, if they are the process's. */
static __always_inline void pages_bring(__u64 address, __u32 length)
{
	__u32 at = 0;
	__u8 byte;

	for (int i = 0; i < TLS_CHUNK_BYTES / TLS_PAGE_BYTES + 1; i++) {
		(void)bpf_copy_from_user(&byte, sizeof(byte), (void *)(address + at));
		if (at + 1 >= length)
			break;
		at = at + TLS_PAGE_BYTES < length ? at + TLS_PAGE_BYTES : length - 1;
	}
}

/* The pages were brought: while the record waits in the ring nobody reads on, and nothing is waited for. */
static __always_inline long plain_copy(void *target, __u32 length, const struct tls_thread *thread)
{
	if (may_sleep && thread->brought)
		return bpf_copy_from_user(target, length, (void *)thread->buffer);
	return bpf_probe_read_user(target, length, (void *)thread->buffer);
}

/* The kernel wants to know at compile time how much is reserved: few sizes, so that little is wasted. PLAIN_ABSENT:
 * nothing was told, the pages are to be brought first. */
#define PLAIN_PUT(NAME, ROOM)                                                              \
	__noinline int NAME(__u32 length)                                                  \
	{                                                                                  \
		struct tls_thread *thread = tls_thread_known();                            \
		struct plain_event *event;                                                 \
                                                                                           \
		if (!thread)                                                               \
			return -1;                                                         \
		event = thread->waiting < ring_segment_bytes ?                             \
				bpf_ringbuf_reserve(&events, sizeof(*event) + (ROOM), 0) : \
				NULL;                                                      \
		if (!event)                                                                \
			return -1;                                                         \
		__builtin_memcpy(event, &thread->event, sizeof(*event));                   \
		barrier_var(length);                                                       \
		if (length > (ROOM) || plain_copy((void *)(event + 1), length, thread)) {  \
			if (may_sleep && !thread->brought) {                               \
				bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);              \
				return PLAIN_ABSENT;                                       \
			}                                                                  \
			count_add(LOST_READ_USER, 1);                                      \
			event->captured_length = 0;                                        \
			event->captured_offset = 0;                                        \
		}                                                                          \
		bpf_ringbuf_submit(event, ring_flags(thread->waiting));                    \
		return 0;                                                                  \
	}

PLAIN_PUT(plain_put_small, 512)
PLAIN_PUT(plain_put_middle, 4096)
PLAIN_PUT(plain_put_large, TLS_CHUNK_BYTES)

static __always_inline int plain_put(__u32 length)
{
	if (length <= 512)
		return plain_put_small(length);
	return length <= 4096 ? plain_put_middle(length) : plain_put_large(length);
}

/* The next chunk of the call that the thread tells; 1 when there is more. Not static: the verifier looks at it once. */
__noinline int plain_step(__u32 last)
{
	struct tls_thread *thread = tls_thread_known();
	struct plain_event *event;
	__u32 rest, part;
	int error;

	if (!thread)
		return 0;
	event = &thread->event;
	rest = thread->length - thread->told - thread->skip;
	part = rest < thread->limit ? rest : thread->limit;
	if (part > TLS_CHUNK_BYTES)
		part = TLS_CHUNK_BYTES;
	thread->limit -= part;
	thread->buffer += thread->skip;
	event->captured_offset = thread->skip;
	event->captured_length = part;
	event->header.length = sizeof(*event) + part;
	/* The last one says how much there was in all. */
	event->full_length = thread->limit && !last ? thread->skip + part : thread->length - thread->told;
	thread->brought = 0;
	error = plain_put(part);
	if (may_sleep && error == PLAIN_ABSENT) {
		pages_bring(thread->buffer, part);
		thread->brought = 1;
		error = plain_put(part);
	}
	count_add(error ? LOST_RING_FULL : COUNT_SEGMENTS, 1);
	if (error)
		count_lost(event->direction, event->full_length);
	count_add(COUNT_CAPTURED_BYTES, error ? 0 : part);
	thread->buffer += part;
	thread->told += event->full_length;
	event->position += event->full_length;
	thread->skip = 0;
	return thread->told < thread->length;
}

/* Tells the call: in chunks, what is skipped or beyond the maximum by length. */
static __always_inline void plain_tell(struct tls_thread *thread)
{
	__u32 wanted = thread->length - thread->skip;
	__u32 limit;

	thread->told = 0;
	thread->waiting = ring_waiting();
	limit = scarce_limit(thread->waiting, wanted);
	thread->limit = smaller(limit, call_bytes_max);
	if (wanted > limit) {
		count_add(COUNT_SCARCE_CALLS, 1);
	} else if (wanted > call_bytes_max) {
		count_add(COUNT_TRUNCATED_CALLS, 1);
	}
	for (int i = 0; i < TLS_CHUNKS; i++)
		if (!plain_step(i + 1 == TLS_CHUNKS))
			break;
}
