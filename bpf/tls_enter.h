/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the kernel has sessions of uprobes (6.13), one program is on a function's entry and its return, and says at the
 * entry whether the return is to be hooked: each is a trap of microseconds. It is not for a process that is not
 * observed, and for a write whose outcome the socket tells.
 *
 * Such a write gives OpenSSL at most one record's plaintext, and the session's BIO has the socket's descriptor with
 * nothing between. One record is written whole or the library says "again". The socket is open, in good order, and has
 * room for twice as much: so it will be taken, and it is told at the entry, when its bytes are there to be read. Should
 * the kernel refuse it all the same (no memory for sockets), the program repeats the call, as it must
 * (SSL_write(3)); that is told from the next write by the socket's stream, which has not come as far as a taken record
 * brings it. Not foreseen: a session that fails in that very call, for a reason of the library's own. What it was given
 * is told then, as of an answer that its client did not wait for. The program must be one that may sleep: nobody has
 * read the buffer yet, and it may be a file's.
 */
#pragma once

#include "tls_call.h"

#define TLS_RECORD_BYTES 16384 /* of plaintext: RFC 8446 section 5.1 */
#define TLS_RECORD_ADDS 16     /* at least, in front of the header's 5: RFC 8446 section 5.2, RFC 5288 */
#define SOCKET_SPARE_BYTES 8192
#define SEND_SHUTDOWN 2 /* include/net/sock.h */

static __always_inline bool socket_takes(struct sock *sock, __u32 length)
{
	__u8 state = BPF_CORE_READ(sock, __sk_common.skc_state);
	int room = kernel_read(sock, sk_sndbuf) - kernel_read(sock, sk_wmem_queued);

	if ((state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT) || kernel_read(sock, sk_err) ||
	    kernel_read(sock, sk_shutdown) & SEND_SHUTDOWN)
		return false;
	/* TLS in the kernel: records are made below the socket's call. */
	if (kernel_read((struct inet_connection_sock *)sock, icsk_ulp_ops))
		return false;
	return room > (int)(2 * length + SOCKET_SPARE_BYTES);
}

/* Tells a write that is about to be made. True: its return is not needed. */
static __always_inline bool write_told(struct tls_thread *thread, const struct tls_call *call, __u64 length)
{
	struct tls_session_key key = tls_key_of(call->session);
	struct tls_session_value *session;
	struct sock *sock = NULL;
	__u32 sent;

	if (call->library != TLS_LIBRARY_OPENSSL || call->direction != FLOW_SEND || !call->buffer || !length ||
	    length > TLS_RECORD_BYTES || !may_sleep)
		return false;
	/* One that has moved plaintext is through with its handshake. */
	session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!session)
		return false;
	plain_begin(&thread->event, call, &sock);
	if (!sock || session->conn_id != thread->event.conn_id)
		return false;
	sent = kernel_read((struct tcp_sock *)sock, write_seq);
	if (session->unsure && (__s32)(sent - session->sent_by) < 0)
		return true;
	session->unsure = 0;
	if (!socket_takes(sock, length))
		return false;
	session->unsure = 1;
	session->sent_by = sent + (__u32)length + TLS_RECORD_ADDS;
	if (!plain_place(thread, session, call, thread->depth, length))
		plain_tell(thread);
	return true;
}

static __always_inline __u64 cookie_size_at(struct pt_regs *regs, __u64 cookie)
{
	__u64 fourth = PT_REGS_PARM4(regs), fifth = PT_REGS_PARM5(regs);

	/* The verifier lets nobody choose between addresses of registers. */
	barrier_var(fourth);
	barrier_var(fifth);
	if (!(cookie & TLS_COOKIE_EXTENDED))
		return 0;
	return cookie & TLS_COOKIE_FLAGS ? fifth : fourth;
}

/* 1: the return is not to be hooked. */
static __always_inline int on_tls_enter(struct pt_regs *regs, __u64 cookie)
{
	struct tls_thread *thread;
	struct tls_call call = {
		.session = PT_REGS_PARM1(regs),
		.buffer = cookie & TLS_COOKIE_FILE ? 0 : PT_REGS_PARM2(regs),
		.size_at = cookie_size_at(regs, cookie),
		.stack = PT_REGS_SP(regs),
		.direction = cookie & TLS_COOKIE_SEND ? FLOW_SEND : FLOW_RECEIVE,
		.library = cookie & TLS_COOKIE_LIBRARY,
	};

	if (!process_selected(bpf_get_current_pid_tgid() >> 32))
		return 1;
	call.entered_ns = bpf_ktime_get_ns();
	thread = tls_thread_of();
	if (!thread) {
		tls_call_lost(call.session);
		return 1;
	}
	/* The length of SSL_write is an int. */
	if (write_told(thread, &call, call.size_at ? PT_REGS_PARM3(regs) : (__u32)PT_REGS_PARM3(regs)))
		return 1;
	tls_call_push(thread, &call);
	return 0;
}

static __always_inline int on_tls_function(struct pt_regs *regs)
{
	/* At the entry the function itself is where the thread is. */
	if (bpf_get_func_ip(regs) == PT_REGS_IP(regs))
		return on_tls_enter(regs, bpf_get_attach_cookie(regs));
	on_tls_return(regs, false);
	return 0;
}
