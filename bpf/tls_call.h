/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Calls of TLS libraries: remembered when they begin, told when they return, by what they returned. A thread's calls
 * are a stack (one session may carry another); which of them returns is told by the stack pointer, so that a program
 * that switches stacks cannot give one call's result to another. What was pushed by a call that never returned lies
 * deeper than the call that comes, and is dropped then.
 *
 * Nothing here is per CPU: programs on uprobes may be preempted by each other.
 */
#pragma once

#include "tls_openssl.h"

#define TLS_DEPTH 4
#define TLS_CHUNK_BYTES 16384 /* a record's plaintext at most: RFC 8446 section 5.1 */
#define TLS_CHUNKS 16         /* told of one call; call_bytes_max is below */
#define TLS_SCARCE_BYTES 512

#if defined(__TARGET_ARCH_x86)
#define RETURN_ADDRESS_BYTES 8 /* `ret` has taken it from the stack */
#else
#define RETURN_ADDRESS_BYTES 0
#endif

struct tls_call {
	__u64 session;
	__u64 buffer;
	__u64 size_at; /* where the number of bytes is written, 0 when it is returned */
	__u64 entered_ns;
	__u64 stack;
	__u32 direction;
	__u32 library; /* enum tls_library */
	__u64 tls_id;  /* of the session, when the call's place in its stream was taken at its beginning; else 0 */
	__u32 start;   /* and that place */
	__u32 has_tail;
	__u8 tail[TLS_TAIL_BYTES]; /* of the ciphertext that it has given to its BIO */
};

enum tls_library {
	TLS_LIBRARY_OPENSSL,
	TLS_LIBRARY_BORING, /* OpenSSL's names, objects of which nothing is known */
	TLS_LIBRARY_GNUTLS, /* its sessions do not tell their descriptor */
	TLS_LIBRARY_GO,
};

/* A thread's calls, and how far the telling of the one that has returned is. It is the thread's own because a per-CPU
 * one could be preempted, and in a map because the verifier follows what is on the stack through every turn of a loop.
 */
struct tls_thread {
	__u32 depth;
	__u32 length; /* of the call that is told */
	__u32 told;
	__u32 skip;  /* bytes that are not needed, at its beginning */
	__u32 limit; /* bytes that are copied, for now */
	__u32 reserved;
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

static __always_inline void tls_call_lost(__u64 session)
{
	count_add(LOST_TLS_CALL, 1);
	tls_session_end(session);
}

static __always_inline void tls_call_push(struct tls_thread *thread, const struct tls_call *call)
{
	__u32 depth = thread->depth;

	for (int i = 0; i < TLS_DEPTH && depth; i++) {
		struct tls_call *last = &thread->calls[(depth - 1) & (TLS_DEPTH - 1)];

		if (last->stack > call->stack)
			break;
		tls_call_lost(last->session);
		depth--;
	}
	if (depth >= TLS_DEPTH) {
		tls_call_lost(call->session);
		return;
	}
	thread->calls[depth & (TLS_DEPTH - 1)] = *call;
	thread->depth = depth + 1;
}

/* `buffer` is 0 where the plaintext is not in the process's memory. */
static __always_inline void on_tls_call_of(struct pt_regs *regs, enum tls_library library, __u32 direction,
					   __u64 buffer, __u64 size_at)
{
	struct tls_thread *thread;
	struct tls_call call = {
		.session = PT_REGS_PARM1(regs),
		.buffer = buffer,
		.size_at = size_at,
		.stack = PT_REGS_SP(regs),
		.direction = direction,
		.library = library,
	};

	if (!process_selected(bpf_get_current_pid_tgid() >> 32))
		return;
	call.entered_ns = bpf_ktime_get_ns();
	thread = tls_thread_of();
	if (thread)
		tls_call_push(thread, &call);
	else
		tls_call_lost(call.session);
}

static __always_inline void on_tls_call(struct pt_regs *regs, enum tls_library library, __u32 direction, bool extended)
{
	on_tls_call_of(regs, library, direction, PT_REGS_PARM2(regs), extended ? PT_REGS_PARM4(regs) : 0);
}

/* Takes the call that returns with this stack pointer; its depth, or negative: not one that is known. */
static __always_inline int tls_call_pop(struct tls_thread *thread, __u64 stack, struct tls_call *ret_call)
{
	__u32 depth = thread->depth;

	for (int i = 0; i < TLS_DEPTH && depth; i++) {
		struct tls_call *last = &thread->calls[--depth & (TLS_DEPTH - 1)];

		if (last->stack + RETURN_ADDRESS_BYTES != stack)
			continue;
		*ret_call = *last;
		thread->depth = depth;
		return depth;
	}
	return -1;
}

/* The kernel wants to know at compile time how much is reserved: few sizes, so that little is wasted. */
#define PLAIN_PUT(NAME, ROOM)                                                                                      \
	__noinline int NAME(__u32 length)                                                                          \
	{                                                                                                          \
		struct tls_thread *thread = tls_thread_known();                                                    \
		struct plain_event *event;                                                                         \
                                                                                                                   \
		if (!thread)                                                                                       \
			return -1;                                                                                 \
		event = bpf_ringbuf_reserve(&events, sizeof(*event) + (ROOM), 0);                                  \
		if (!event)                                                                                        \
			return -1;                                                                                 \
		__builtin_memcpy(event, &thread->event, sizeof(*event));                                           \
		barrier_var(length);                                                                               \
		if (length > (ROOM) || bpf_probe_read_user((void *)(event + 1), length, (void *)thread->buffer)) { \
			count_add(LOST_READ_USER, 1);                                                              \
			event->captured_length = 0;                                                                \
			event->captured_offset = 0;                                                                \
		}                                                                                                  \
		bpf_ringbuf_submit(event, ring_flags(thread->waiting));                                            \
		return 0;                                                                                          \
	}

PLAIN_PUT(plain_put_small, 512)
PLAIN_PUT(plain_put_middle, 4096)
PLAIN_PUT(plain_put_large, TLS_CHUNK_BYTES)

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
	if (part <= 512)
		error = plain_put_small(part);
	else
		error = part <= 4096 ? plain_put_middle(part) : plain_put_large(part);
	count_add(error ? LOST_RING_FULL : COUNT_SEGMENTS, 1);
	count_add(COUNT_CAPTURED_BYTES, error ? 0 : part);
	thread->buffer += part;
	thread->told += event->full_length;
	event->position += event->full_length;
	thread->skip = 0;
	return thread->told < thread->length;
}

/* What user space asked for. True: nothing of the call is needed. */
static __always_inline bool tls_request_silences(struct tls_session_value *session, const struct plain_event *event,
						 __u32 length, __u32 *ret_skip)
{
	struct request_value *request = bpf_map_lookup_elem(&tls_requests, &session->tls_id);
	__u32 direction = event->direction & 1;
	__u32 end = event->position + length;

	if (!request)
		return false;
	if (request->mute) {
		count_add(COUNT_SILENT_SEGMENTS, 1);
		session->silent[direction] += length;
		return true;
	}
	if (!request->skip[direction])
		return false;
	if ((__s32)(end - request->skip_until[direction]) < 0) {
		count_add(COUNT_SILENT_SEGMENTS, 1);
		return true;
	}
	if ((__s32)(request->skip_until[direction] - event->position) > 0)
		*ret_skip = request->skip_until[direction] - event->position;
	request->skip[direction] = 0;
	if (!request->skip[direction ^ 1])
		bpf_map_delete_elem(&tls_requests, &session->tls_id);
	return false;
}

/* Tells the call: in chunks, what is skipped or beyond the maximum by length. */
static __always_inline void plain_tell(struct tls_thread *thread)
{
	__u32 wanted = thread->length - thread->skip;

	thread->told = 0;
	thread->waiting = ring_waiting();
	thread->limit = call_bytes_max;
	if (thread->waiting >= ring_scarce_bytes && wanted > TLS_SCARCE_BYTES) {
		thread->limit = TLS_SCARCE_BYTES;
		count_add(COUNT_SCARCE_CALLS, 1);
	} else if (wanted > call_bytes_max) {
		count_add(COUNT_TRUNCATED_CALLS, 1);
	}
	for (int i = 0; i < TLS_CHUNKS; i++)
		if (!plain_step(i + 1 == TLS_CHUNKS))
			break;
}

static __always_inline __s64 tls_call_moved(const struct tls_call *call, long result)
{
	__u64 size = 0;

	if (!call->size_at)
		return (int)result;
	if ((int)result != 1 || !read_user(&size, sizeof(size), call->size_at))
		return 0;
	return size <= 0x7fffffff ? (__s64)size : 0;
}

static __always_inline void go_channel(__u64 session, struct plain_event *event);

/* The call has moved plaintext: whose is it, and where in its stream? */
static __always_inline int plain_fill(struct tls_thread *thread, const struct tls_call *call, int depth, __u32 moved)
{
	struct plain_event *event = &thread->event;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct tls_session_value *session;
	__u32 direction = call->direction & 1;

	__builtin_memset(event, 0, sizeof(*event));
	event->header.type = EVENT_PLAIN;
	event->direction = direction;
	if (call->library == TLS_LIBRARY_OPENSSL)
		ssl_channel(call->session, event);
	else if (call->library == TLS_LIBRARY_GO)
		go_channel(call->session, event);
	if (call->has_tail) {
		event->has_tail = 1;
		__builtin_memcpy(event->tail, call->tail, TLS_TAIL_BYTES);
	}
	session = tls_session_of(call->session, event->conn_id);
	if (!session)
		return -1;
	event->tls_id = session->tls_id;
	event->conn_id = session->conn_id;
	event->session = call->session;
	event->entered_ns = call->entered_ns;
	event->time_ns = bpf_ktime_get_ns();
	event->tgid = pid_tgid >> 32;
	event->tid = (__u32)pid_tgid;
	event->nested = depth > 0;
	event->call_length = moved;
	event->position = call->tls_id == session->tls_id ? call->start : session->position[direction];
	event->peer_position = session->position[direction ^ 1];
	session->position[direction] = event->position + moved;
	thread->buffer = call->buffer;
	thread->length = moved;
	thread->skip = 0;
	count_add(COUNT_BYTES, moved);
	if (tls_request_silences(session, event, moved, &thread->skip))
		return -1;
	if (!call->buffer)
		thread->skip = moved;
	return 0;
}

static __always_inline void on_tls_return(struct pt_regs *regs)
{
	struct tls_thread *thread = tls_thread_known();
	struct tls_call call = {};
	__s64 moved;
	int depth;

	if (!thread)
		return;
	depth = tls_call_pop(thread, PT_REGS_SP(regs), &call);
	if (depth < 0)
		return;
	moved = tls_call_moved(&call, PT_REGS_RC(regs));
	if (moved > 0 && !plain_fill(thread, &call, depth, moved))
		plain_tell(thread);
}

/* The library gives a record to a BIO, inside of a session's call: it is that session's when the BIO is its own. Where
 * that cannot be asked it is taken to be: what is no record's end matches none. */
static __always_inline void on_bio_write(struct pt_regs *regs)
{
	struct tls_thread *thread = tls_thread_known();
	__u64 length = PT_REGS_PARM3(regs);
	struct tls_call *call;

	if (!thread || !thread->depth || length < TLS_TAIL_BYTES || length > 0x7fffffff)
		return;
	call = &thread->calls[(thread->depth - 1) & (TLS_DEPTH - 1)];
	if (call->direction != FLOW_SEND || call->library > TLS_LIBRARY_BORING ||
	    (call->library == TLS_LIBRARY_OPENSSL && !ssl_writes_to(call->session, PT_REGS_PARM1(regs))))
		return;
	call->has_tail = read_user(call->tail, TLS_TAIL_BYTES, PT_REGS_PARM2(regs) + length - TLS_TAIL_BYTES);
}

static __always_inline void on_tls_session_gone(struct pt_regs *regs)
{
	if (process_selected(bpf_get_current_pid_tgid() >> 32))
		tls_session_end(PT_REGS_PARM1(regs));
}
