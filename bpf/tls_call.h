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

#include "tls_plain.h"

#if defined(__TARGET_ARCH_x86)
#define RETURN_ADDRESS_BYTES 8 /* `ret` has taken it from the stack */
#else
#define RETURN_ADDRESS_BYTES 0
#endif

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

/* What user space asked for. True: nothing of the call is needed. */
static __always_inline bool tls_request_silences(struct tls_session_value *session, const struct plain_event *event,
						 __u32 length, __u32 *ret_skip)
{
	struct tls_request_value *request = bpf_map_lookup_elem(&tls_requests, &session->tls_id);
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
	if (!request->skip[direction ^ 1] && !request->joined)
		bpf_map_delete_elem(&tls_requests, &session->tls_id);
	return false;
}

static __always_inline __s64 tls_call_moved(const struct tls_call *call, long result)
{
	__u64 size = 0;

	if (!call->size_at)
		return (int)result;
	if ((int)result != 1)
		return 0;
	if (!read_used(&size, sizeof(size), call->size_at)) {
		tls_call_lost(call->session);
		return 0;
	}
	return size <= 0x7fffffff ? (__s64)size : 0;
}

static __always_inline void go_channel(__u64 session, struct plain_event *event);

/* The call moves plaintext: through what? `ret_sock` as ssl_channel. */
static __always_inline void plain_begin(struct plain_event *event, const struct tls_call *call, struct sock **ret_sock)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->header.type = EVENT_PLAIN;
	event->direction = call->direction & 1;
	if (call->library == TLS_LIBRARY_OPENSSL)
		ssl_channel(call->session, event, ret_sock);
	else if (call->library == TLS_LIBRARY_GO)
		go_channel(call->session, event);
	else if (call->library == TLS_LIBRARY_AEAD)
		event->channel = TLS_CHANNEL_HALF;
	if (call->has_tail) {
		event->has_tail = 1;
		__builtin_memcpy(event->tail, call->tail, TLS_TAIL_BYTES);
	}
}

/* Whose is it, and where in its stream? Negative: nothing is to be told. */
static __always_inline int plain_place(struct tls_thread *thread, struct tls_session_value *session,
				       const struct tls_call *call, int depth, __u32 moved)
{
	struct plain_event *event = &thread->event;
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 direction = call->direction & 1;

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

static __always_inline int plain_fill(struct tls_thread *thread, const struct tls_call *call, int depth, __u32 moved)
{
	struct tls_session_value *session;
	struct sock *sock = NULL;

	plain_begin(&thread->event, call, &sock);
	session = tls_session_of(call->session, thread->event.conn_id);
	return session ? plain_place(thread, session, call, depth, moved) : -1;
}

static __always_inline __u32 aead_moved(const struct tls_call *call, int result);

/* `records`: the program is on the returns of both kinds of functions; tls_aead.h has the other kind. */
static __always_inline void on_tls_return(struct pt_regs *regs, bool records)
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
	if (records && call.library == TLS_LIBRARY_AEAD)
		moved = aead_moved(&call, PT_REGS_RC(regs));
	else
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
