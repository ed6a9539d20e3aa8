/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points of the capture programs: about ten lines each, guard, gather, call. load/ loads the programs of one
 * backend and the ones that all backends share; what each does is in the headers.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>

#include "ask.h"
#include "function.h"
#include "kernel.h"
#include "lifecycle.h"
#include "process.h"
#include "socket_entry.h"
#include "syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* All backends: connections end, processes come and go. */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sock, int old_state, int new_state)
{
	on_tcp_state(sock, old_state, new_state);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy, struct sock *sock)
{
	on_tcp_destroy(sock);
	return 0;
}

/* Each twice. An interrupt that comes while a program runs may end another connection, and the kernel does not run a
 * program inside of itself. It can have interrupted one of two, never both: the other one tells. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_twin, struct sock *sock, int old_state, int new_state)
{
	on_tcp_state(sock, old_state, new_state);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy_twin, struct sock *sock)
{
	on_tcp_destroy(sock);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *binary)
{
	on_exec(BPF_CORE_READ(binary, filename));
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = child->tgid;

	if (tgid == (__u32)child->pid) /* else a thread */
		on_fork(parent->tgid, tgid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	on_exit(task);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_attach, struct cgroup *cgroup, const char *path, struct task_struct *task, bool threadgroup)
{
	on_cgroup_attach(task->tgid);
	return 0;
}

/* The same on perf's events, for kernels that preempt a program on a tracepoint: see call_exit_perf. Perf's programs
 * keep each other out, on one processor: what an interrupt would tell is missed while one of them runs. So these stand
 * beside TCP's own programs, in the twins' place: the one is missed where a task is preempted inside of it, the other
 * in interrupts, and the first to run tells. */

SEC("tp/sock/inet_sock_set_state")
int tcp_state_perf(struct trace_event_raw_inet_sock_set_state *ctx)
{
	on_tcp_state((struct sock *)ctx->skaddr, ctx->oldstate, ctx->newstate);
	return 0;
}

SEC("tp/tcp/tcp_destroy_sock")
int tcp_destroy_perf(struct trace_event_raw_tcp_event_sk *ctx)
{
	on_tcp_destroy((struct sock *)ctx->skaddr);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_beside, struct sock *sock, int old_state, int new_state)
{
	stand_in_for_perf();
	on_tcp_state(sock, old_state, new_state);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy_beside, struct sock *sock)
{
	stand_in_for_perf();
	on_tcp_destroy(sock);
	return 0;
}

SEC("tp/sched/sched_process_exec")
int process_exec_perf(struct trace_event_raw_sched_process_exec *ctx)
{
	/* __data_loc: the name's offset in the event is in the lower half. */
	on_exec((const char *)ctx + (ctx->__data_loc_filename & 0xffff));
	return 0;
}

SEC("tp/sched/sched_process_fork")
int process_fork_perf(struct trace_event_raw_sched_process_fork *ctx)
{
	__u32 child = ctx->child_pid;

	if (tgid_of_thread(child) == child)
		on_fork(bpf_get_current_pid_tgid() >> 32, child);
	return 0;
}

SEC("tp/cgroup/cgroup_attach_task")
int cgroup_attach_perf(struct trace_event_raw_cgroup_migrate *ctx)
{
	__u32 tgid = tgid_of_thread(ctx->pid);

	if (tgid)
		on_cgroup_attach(tgid);
	return 0;
}

SEC("tp/sched/sched_process_exit")
int process_exit_perf(void *ctx)
{
	on_exit((struct task_struct *)bpf_get_current_task());
	return 0;
}

/* Backend tracepoint. */

SEC("tp_btf/sys_exit")
int BPF_PROG(call_exit, struct pt_regs *regs, long result)
{
	on_call_exit(regs, result);
	return 0;
}

/* On 7.2 tracepoints do not disable preemption: while a task is preempted inside of a program, the kernel skips that
 * program on its CPU (program_missed). Programs on perf's events still run without preemption. COMPAT(kernel 6.12) */
SEC("tp/raw_syscalls/sys_exit")
int call_exit_perf(struct trace_event_raw_sys_exit *ctx)
{
	on_call_exit((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret);
	return 0;
}

/* Backends fentry and kprobe, for a while after the start. */

SEC("tp_btf/sys_exit")
int BPF_PROG(blocked_exit, struct pt_regs *regs, long result)
{
	on_blocked_exit(regs, result);
	return 0;
}

SEC("tp/raw_syscalls/sys_exit")
int blocked_exit_perf(struct trace_event_raw_sys_exit *ctx)
{
	on_blocked_exit((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()), ctx->ret);
	return 0;
}

/* Run by user space, not attached. */

SEC("raw_tp")
int ask_socket(struct bpf_raw_tracepoint_args *ctx)
{
	return on_socket_asked((struct sock *)ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("raw_tp")
int ask_request(struct bpf_raw_tracepoint_args *ctx)
{
	on_request_asked(ctx->args[0], ctx->args[1], ctx->args[2], ctx->args[3]);
	return 0;
}

SEC("raw_tp")
int ask_verdict(struct bpf_raw_tracepoint_args *ctx)
{
	on_verdict_asked(ctx->args[0], ctx->args[1]);
	return 0;
}

/* Backend fentry. */

SEC("fexit/tcp_sendmsg")
int BPF_PROG(tcp_sendmsg_exit, struct sock *sock, struct msghdr *message, size_t size, int result)
{
	on_message_done(sock, message, FLOW_SEND, 0, result);
	return 0;
}

SEC("fexit/tcp_recvmsg")
int BPF_PROG(tcp_recvmsg_exit, struct sock *sock, struct msghdr *message, size_t size, int flags, int *name_length,
	     int result)
{
	on_message_done(sock, message, FLOW_RECEIVE, flags, result);
	return 0;
}

/* Until 5.18 there was a `nonblock` before the flags (ec095263a965 removed it). COMPAT(kernel 5.18) */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(tcp_recvmsg_5_18_exit, struct sock *sock, struct msghdr *message, size_t size, int nonblock, int flags,
	     int *name_length, int result)
{
	on_message_done(sock, message, FLOW_RECEIVE, flags, result);
	return 0;
}

/* 6.18 has no length of the peer's name any more. COMPAT(kernel 6.12) */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(tcp_recvmsg_four_exit, struct sock *sock, struct msghdr *message, size_t size, int flags, int result)
{
	on_message_done(sock, message, FLOW_RECEIVE, flags, result);
	return 0;
}

SEC("fexit/tcp_sendpage")
int BPF_PROG(tcp_sendpage_exit, struct sock *sock, struct page *page, int offset, size_t size, int flags, int result)
{
	on_pages_done(sock, FLOW_SEND, result);
	return 0;
}

SEC("fexit/tcp_splice_read")
int BPF_PROG(tcp_splice_read_exit, struct socket *socket, loff_t *position, struct pipe_inode_info *pipe, size_t length,
	     unsigned int flags, ssize_t result)
{
	on_pages_done(kernel_read(socket, sk), FLOW_RECEIVE, result);
	return 0;
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(unix_sendmsg_exit, struct socket *socket, struct msghdr *message, size_t size, int result)
{
	on_message_done(kernel_read(socket, sk), message, FLOW_SEND, 0, result);
	return 0;
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(unix_recvmsg_exit, struct socket *socket, struct msghdr *message, size_t size, int flags, int result)
{
	on_message_done(kernel_read(socket, sk), message, FLOW_RECEIVE, flags, result);
	return 0;
}

SEC("fexit/unix_stream_sendpage")
int BPF_PROG(unix_sendpage_exit, struct socket *socket, struct page *page, int offset, size_t size, int flags,
	     ssize_t result)
{
	on_pages_done(kernel_read(socket, sk), FLOW_SEND, result);
	return 0;
}

SEC("fexit/unix_stream_splice_read")
int BPF_PROG(unix_splice_read_exit, struct socket *socket, loff_t *position, struct pipe_inode_info *pipe, size_t size,
	     unsigned int flags, ssize_t result)
{
	on_pages_done(kernel_read(socket, sk), FLOW_RECEIVE, result);
	return 0;
}

SEC("fentry/unix_stream_connect")
int BPF_PROG(unix_connect_entry, struct socket *socket)
{
	on_unix_connected(kernel_read(socket, sk));
	return 0;
}

SEC("fentry/unix_socketpair")
int BPF_PROG(unix_pair_entry, struct socket *one)
{
	on_unix_connected(kernel_read(one, sk));
	return 0;
}

SEC("fentry/unix_release")
int BPF_PROG(unix_release_entry, struct socket *socket)
{
	on_unix_release(kernel_read(socket, sk));
	return 0;
}

/* Backend kprobe. */

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(tcp_sendmsg_call, struct sock *sock, struct msghdr *message)
{
	return call_remember(sock, message, 0, 0);
}

SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(tcp_recvmsg_call, struct sock *sock, struct msghdr *message, size_t size, int fourth, int fifth)
{
	return call_remember(sock, message, receive_has_nonblock ? fifth : fourth, tcp_received_of(sock).copied);
}

SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(tcp_splice_read_call, struct socket *socket)
{
	struct sock *sock = kernel_read(socket, sk);

	return call_remember(sock, NULL, 0, tcp_received_of(sock).copied);
}

SEC("kprobe/tcp_cleanup_rbuf")
int BPF_KPROBE(tcp_copied_call, struct sock *sock)
{
	on_tcp_copied(sock);
	return 0;
}

SEC("kprobe/tcp_sendpage")
int BPF_KPROBE(tcp_sendpage_call, struct sock *sock)
{
	return call_remember(sock, NULL, 0, 0);
}

SEC("kprobe/unix_stream_sendmsg")
int BPF_KPROBE(unix_sendmsg_call, struct socket *socket, struct msghdr *message)
{
	return call_remember(kernel_read(socket, sk), message, 0, 0);
}

SEC("kprobe/unix_stream_read_actor")
int BPF_KPROBE(unix_copy_call, struct sk_buff *skb, int skip, int chunk, struct unix_stream_read_state *state)
{
	return call_remember(kernel_read(kernel_read(state, socket), sk), kernel_read(state, msg),
			     kernel_read(state, flags), 0);
}

SEC("kprobe/unix_stream_splice_actor")
int BPF_KPROBE(unix_splice_call, struct sk_buff *skb, int skip, int chunk, struct unix_stream_read_state *state)
{
	return call_remember(kernel_read(kernel_read(state, socket), sk), NULL, 0, 0);
}

SEC("kprobe/unix_stream_sendpage")
int BPF_KPROBE(unix_sendpage_call, struct socket *socket)
{
	return call_remember(kernel_read(socket, sk), NULL, 0, 0);
}

SEC("kprobe/unix_stream_connect")
int BPF_KPROBE(unix_connect_call, struct socket *socket)
{
	on_unix_connected(kernel_read(socket, sk));
	return 0;
}

SEC("kprobe/unix_socketpair")
int BPF_KPROBE(unix_pair_call, struct socket *one)
{
	on_unix_connected(kernel_read(one, sk));
	return 0;
}

SEC("kprobe/unix_release")
int BPF_KPROBE(unix_release_call, struct socket *socket)
{
	on_unix_release(kernel_read(socket, sk));
	return 0;
}

SEC("kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(tcp_sendmsg_return, long result)
{
	on_remembered_done(FLOW_SEND, (int)result);
	return 0;
}

SEC("kretprobe/tcp_sendpage")
int BPF_KRETPROBE(tcp_sendpage_return, long result)
{
	on_remembered_done(FLOW_SEND, (int)result);
	return 0;
}

SEC("kretprobe/unix_stream_sendmsg")
int BPF_KRETPROBE(unix_sendmsg_return, long result)
{
	on_remembered_done(FLOW_SEND, (int)result);
	return 0;
}

SEC("kretprobe/unix_stream_sendpage")
int BPF_KRETPROBE(unix_sendpage_return, long result)
{
	on_remembered_done(FLOW_SEND, (int)result);
	return 0;
}

SEC("kretprobe/unix_stream_read_actor")
int BPF_KRETPROBE(unix_copy_return, long result)
{
	on_remembered_done(FLOW_RECEIVE, (int)result);
	return 0;
}

SEC("kretprobe/unix_stream_splice_actor")
int BPF_KRETPROBE(unix_splice_return, long result)
{
	on_remembered_done(FLOW_RECEIVE, (int)result);
	return 0;
}
