/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TLS whose own functions cannot be hooked, but those can by which it encrypts: the AEAD interface of AWS-LC
 * (include/openssl/aead.h, older than its fork from BoringSSL), which is the default of rustls. One call is one record;
 * that it is a record of TLS, and which, is told by the additional data: {type, version, length} in TLS 1.3, whose type
 * is the last byte of the plaintext that is not 0 (RFC 8446 sections 5.2, 5.4), and {sequence number, type, version,
 * length} in TLS 1.2 (RFC 5246 section 6.2.3.3). Anything else, and any record but one of application data, is left
 * alone: nothing of handshakes, tickets or keys is told.
 *
 * Of a tls_call `start` is the length of the plaintext, with the type inside of it if it is there; `size_at` is the
 * address of the ciphertext's end where it is sealed, and says whether the type is inside where it is opened.
 *
 * A context is one direction of one session; user space makes one stream of two (user/stream/tls_half.c). What is
 * sealed is mostly sealed in place: it is told at the entry, and the end of its ciphertext at the return, until its
 * connection is known. What is opened has crossed the socket before: its end is read at the entry.
 */
#pragma once

#include "tls_call.h"

#define AEAD_TAG_BYTES TLS_TAIL_BYTES /* of all ciphers but those of CCM_8, which nobody has in these libraries */
#define AEAD_STACK_WORDS 7
#define TLS_APPLICATION_DATA 23
#define TLS_LEGACY_VERSION 0x0303 /* TLS 1.2's own, and what TLS 1.3 says */
#define TLS_PADDING_MAX 512       /* zeroes behind a record's type that are looked through */
#define TLS_FRAGMENT_MAX (16384 + 256)

#if defined(__TARGET_ARCH_x86)
#define AEAD_ARGUMENT_6(regs) ((regs)->r9)
#define AEAD_ARGUMENT_7(regs, words) ((words)[0])
#define AEAD_ARGUMENT_8(regs, words) ((words)[1])
#define AEAD_ON_STACK(words) ((words) + 2)
#else
#define AEAD_ARGUMENT_6(regs) (((struct user_pt_regs *)(regs))->regs[5])
#define AEAD_ARGUMENT_7(regs, words) (((struct user_pt_regs *)(regs))->regs[6])
#define AEAD_ARGUMENT_8(regs, words) (((struct user_pt_regs *)(regs))->regs[7])
#define AEAD_ON_STACK(words) (words)
#endif

struct aead_arguments {
	__u64 input;
	__u64 output;
	__u64 tag; /* address of the ciphertext's last bytes: of a seal, when it has returned */
	__u64 additional;
	__u64 additional_length;
	__u64 length; /* of the plaintext at input or output, with the type inside where it is there */
	__u64 extra;  /* address of the type where it is given apart; 0: it is not */
};

/* What tells whether a call is a record of TLS. A page that is away is brought; where that is not possible the call is
 * lost, and counted, whatever it was. */
static __always_inline bool aead_sees(void *target, __u32 size, __u64 address, __u64 session)
{
	if (read_used(target, size, address))
		return true;
	tls_call_lost(session);
	return false;
}

/* From the ninth on arguments are on the stack for all. The verifier lets nobody choose between addresses of registers.
 */
static __always_inline bool aead_read(struct pt_regs *regs, enum aead_form form, struct aead_arguments *ret)
{
	__u64 second = PT_REGS_PARM2(regs), third = PT_REGS_PARM3(regs), fifth = PT_REGS_PARM5(regs);
	__u64 sixth = AEAD_ARGUMENT_6(regs), words[AEAD_STACK_WORDS], *rest = AEAD_ON_STACK(words);

	barrier_var(second);
	barrier_var(third);
	barrier_var(fifth);
	barrier_var(sixth);
	if (!aead_sees(words, sizeof(words), PT_REGS_SP(regs) + RETURN_ADDRESS_BYTES, PT_REGS_PARM1(regs)))
		return false;
	*ret = (struct aead_arguments){ .input = AEAD_ARGUMENT_7(regs, words),
					.output = second,
					.additional = rest[0],
					.additional_length = rest[1],
					.length = AEAD_ARGUMENT_8(regs, words) };
	if (form == AEAD_OPEN_GATHER) {
		ret->tag = ret->input;
		ret->input = fifth;
		if (ret->length != AEAD_TAG_BYTES)
			return false;
		ret->length = sixth;
	} else if (form == AEAD_OPEN) {
		if (ret->length < AEAD_TAG_BYTES)
			return false;
		ret->length -= AEAD_TAG_BYTES;
		ret->tag = ret->input + ret->length;
	} else if (form == AEAD_SEAL) {
		ret->tag = second + ret->length;
	} else {
		ret->input = ret->length;
		ret->length = rest[0];
		ret->tag = third + rest[2];
		ret->additional = rest[3];
		ret->additional_length = rest[4];
		if (rest[2] > 1)
			return false;
		ret->extra = rest[2] ? rest[1] : 0;
	}
	return true;
}

/* Is it a record of TLS? Of TLS 1.2: of application data? `ret_inner`: the type is at the end of the plaintext. */
static __always_inline bool aead_is_record(const struct aead_arguments *arguments, __u64 session, bool *ret_inner)
{
	__u32 plain = arguments->length;
	__u8 data[13], type;

	if (arguments->length > TLS_FRAGMENT_MAX)
		return false;
	*ret_inner = false;
	if (arguments->additional_length == 13)
		return !arguments->extra && aead_sees(data, 13, arguments->additional, session) &&
		       data[8] == TLS_APPLICATION_DATA && (data[9] << 8 | data[10]) == TLS_LEGACY_VERSION &&
		       (__u32)(data[11] << 8 | data[12]) == plain;
	if (arguments->additional_length != 5 || !aead_sees(data, 5, arguments->additional, session) ||
	    data[0] != TLS_APPLICATION_DATA || (data[1] << 8 | data[2]) != TLS_LEGACY_VERSION ||
	    (__u32)(data[3] << 8 | data[4]) != plain + !!arguments->extra + AEAD_TAG_BYTES)
		return false;
	*ret_inner = !arguments->extra;
	return *ret_inner ||
	       (aead_sees(&type, sizeof(type), arguments->extra, session) && type == TLS_APPLICATION_DATA);
}

#define INNER_OTHER -1  /* not application data */
#define INNER_UNSURE -2 /* more padding than is looked through, or it cannot be read */

/* Of a plaintext of TLS 1.3: how long it is without type and padding. Not static: the verifier looks at it once. */
__noinline int tls_inner_length(__u64 address, __u32 length)
{
	__u8 type = 0;

	if (!length)
		return INNER_OTHER;
	if (!read_used(&type, sizeof(type), address + length - 1))
		return INNER_UNSURE;
	for (int i = 0; i < TLS_PADDING_MAX; i++) {
		if (!length)
			return INNER_OTHER;
		length--;
		if (bpf_probe_read_user(&type, sizeof(type), (void *)(address + length)))
			return INNER_UNSURE;
		if (type)
			return type == TLS_APPLICATION_DATA ? (int)length : INNER_OTHER;
	}
	return INNER_UNSURE;
}

/* How much plaintext there is to tell of a record; 0: none. */
static __always_inline __u32 aead_plain_length(const struct tls_call *call, bool inner)
{
	int length = inner ? tls_inner_length(call->buffer, call->start) : (int)call->start;

	if (length == INNER_UNSURE)
		tls_call_lost(call->session);
	return length > 0 ? length : 0;
}

static __always_inline bool aead_is_joined(__u64 session)
{
	struct tls_session_key key = tls_key_of(session);
	struct tls_session_value *value = bpf_map_lookup_elem(&tls_sessions, &key);
	struct tls_request_value *request = value ? bpf_map_lookup_elem(&tls_requests, &value->tls_id) : NULL;

	return request && request->joined;
}

static __always_inline void aead_tell(struct tls_thread *thread, const struct tls_call *call, int depth, __u32 length,
				      struct tls_session_value **ret_session)
{
	struct plain_event *event = &thread->event;

	__builtin_memset(event, 0, sizeof(*event));
	event->header.type = EVENT_PLAIN;
	event->direction = call->direction & 1;
	event->channel = TLS_CHANNEL_HALF;
	event->has_tail = call->has_tail;
	__builtin_memcpy(event->tail, call->tail, TLS_TAIL_BYTES);
	*ret_session = tls_session_of(call->session, 0);
	if (*ret_session && !plain_place(thread, *ret_session, call, depth, length))
		plain_tell(thread);
}

/* True: its return is needed, for the end of its ciphertext. */
static __always_inline bool aead_seal_told(struct tls_thread *thread, struct tls_call *call, bool inner)
{
	__u32 length = aead_plain_length(call, inner);
	struct tls_session_value *session;

	if (!length)
		return false;
	aead_tell(thread, call, 0, length, &session);
	if (!session)
		return false;
	call->tls_id = session->tls_id;
	return !aead_is_joined(call->session);
}

/* A record inside of a call that tells it itself: an SSL_read of the same library, or another form of the function,
 * which has the same context. With another one that call has not returned, and never will. */
static __always_inline bool aead_is_inside(struct tls_thread *thread, const struct tls_call *call)
{
	const struct tls_call *outer = &thread->calls[0];

	if (!thread->depth || outer->stack <= call->stack)
		return false;
	if (outer->library != TLS_LIBRARY_AEAD || outer->session == call->session)
		return true;
	tls_call_lost(outer->session);
	thread->depth = 0;
	return false;
}

/* 1: the return is not to be hooked. */
static __always_inline int on_aead_enter(struct pt_regs *regs, enum aead_form form)
{
	struct aead_arguments arguments;
	struct tls_thread *thread;
	struct tls_call call = {
		.session = PT_REGS_PARM1(regs),
		.stack = PT_REGS_SP(regs),
		.direction = form == AEAD_SEAL || form == AEAD_SEAL_SCATTER ? FLOW_SEND : FLOW_RECEIVE,
		.library = TLS_LIBRARY_AEAD,
	};
	bool inner;

	if (!process_selected(bpf_get_current_pid_tgid() >> 32) || !aead_read(regs, form, &arguments) ||
	    !aead_is_record(&arguments, call.session, &inner))
		return 1;
	call.start = arguments.length;
	call.entered_ns = bpf_ktime_get_ns();
	thread = tls_thread_of();
	if (!thread) {
		tls_call_lost(call.session);
		return 1;
	}
	if (aead_is_inside(thread, &call))
		return 1;
	call.buffer = call.direction == FLOW_SEND ? arguments.input : arguments.output;
	call.size_at = call.direction == FLOW_SEND ? arguments.tag : inner;
	if (call.direction == FLOW_SEND) {
		if (!aead_seal_told(thread, &call, inner))
			return 1;
	} else if (!aead_is_joined(call.session)) {
		call.has_tail = read_used(call.tail, TLS_TAIL_BYTES, arguments.tag);
	}
	tls_call_push(thread, &call);
	return 0;
}

/* Not inlined: it has stack of its own. */
static __noinline int aead_tail(__u64 tls_id, __u64 address)
{
	struct plain_tail_event event = {};

	event.header.type = EVENT_PLAIN_TAIL;
	event.header.length = sizeof(event);
	event.tls_id = tls_id;
	if (read_used(event.tail, TLS_TAIL_BYTES, address))
		ring_put(&event, sizeof(event), 0);
	return 0;
}

/* What is still to be told when the function has returned. */
static __always_inline __u32 aead_moved(const struct tls_call *call, int result)
{
	if (result != 1)
		return 0;
	if (call->direction == FLOW_RECEIVE)
		return aead_plain_length(call, call->size_at != 0);
	aead_tail(call->tls_id, call->size_at);
	return 0;
}

/* As on_tls_return, of these functions alone. */
static __always_inline void on_aead_return(struct pt_regs *regs)
{
	struct tls_thread *thread = tls_thread_known();
	struct tls_session_value *session;
	struct tls_call call = {};
	__u32 length = 0;
	int depth = -1;

	if (thread)
		depth = tls_call_pop(thread, PT_REGS_SP(regs), &call);
	if (depth >= 0)
		length = aead_moved(&call, PT_REGS_RC(regs));
	if (length)
		aead_tell(thread, &call, depth, length, &session);
}

static __always_inline int on_aead_function(struct pt_regs *regs)
{
	if (bpf_get_func_ip(regs) != PT_REGS_IP(regs)) {
		on_aead_return(regs);
		return 0;
	}
	return on_aead_enter(regs, bpf_get_attach_cookie(regs));
}
