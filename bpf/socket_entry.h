/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points of the front end that socket.h is: beside those of capture.bpf.c, and like them. Each hook has a second
 * program on perf's events, for kernels that preempt programs on BTF tracepoints: see call_exit_perf.
 */
#pragma once

#include "socket.h"

/* Attached to sock_send_length and to sock_recv_length, which tell the same: verified once. */
SEC("raw_tp/sock_send_length")
int socket_moved(struct bpf_raw_tracepoint_args *ctx)
{
	on_socket_moved((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2]);
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(socket_adjusted, struct sock *sock)
{
	on_space_adjusted(sock);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(splice_exit, struct pt_regs *regs, long result)
{
	on_splice_exit(regs, result);
	return 0;
}

SEC("tp/sock/sock_send_length")
int socket_moved_perf(struct trace_event_raw_sock_msg_length *ctx)
{
	on_socket_moved((struct sock *)ctx->sk, ctx->ret, ctx->flags);
	return 0;
}

SEC("tp/tcp/tcp_rcv_space_adjust")
int socket_adjusted_perf(struct trace_event_raw_tcp_event_sk *ctx)
{
	on_space_adjusted((struct sock *)ctx->skaddr);
	return 0;
}

SEC("tp/raw_syscalls/sys_exit")
int splice_exit_perf(struct trace_event_raw_sys_exit *ctx)
{
	on_splice_exit((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret);
	return 0;
}

/* Run once by user space, while nothing is told yet. */
SEC("iter/unix")
int unix_sockets(struct bpf_iter__unix *ctx)
{
	struct unix_sock *socket = ctx->unix_sk;
	struct sock *sock = (struct sock *)socket;
	struct socket *owner;

	if (!socket || BPF_CORE_READ(sock, __sk_common.skc_state) != TCP_ESTABLISHED ||
	    kernel_read(sock, sk_type) != SOCK_STREAM)
		return 0;
	owner = kernel_read(sock, sk_socket);
	if (owner)
		unix_is_old(sock, BPF_CORE_READ(owner, file, f_inode, i_ino));
	return 0;
}
