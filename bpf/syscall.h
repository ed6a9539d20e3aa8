/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracepoint front end of kernels that socket.h is not for: sys_exit alone. At exit the registers still hold the
 * call's number and arguments (x86-64: all but ax, which orig_ax keeps; arm64: all but x0, which orig_x0 keeps), so
 * there is no entry hook and no per-thread map. The socket is found by its descriptor in the process's file table. Does
 * not see io_uring; sees of sendfile and splice the length.
 */
#pragma once

#include "capture.h"
#include "descriptor.h"

#define MMSG_MAX 16     /* messages of one recvmmsg or sendmmsg that are copied */
#define MMSG_SUM_MAX 64 /* and whose length is counted */

struct call_arguments {
	__u64 first, second, third, fourth, fifth;
};

#if defined(__TARGET_ARCH_x86)
static __always_inline struct call_arguments call_arguments_of(struct pt_regs *regs)
{
	return (struct call_arguments){ regs->di, regs->si, regs->dx, regs->r10, regs->r8 };
}
static __always_inline bool call_is_compat(struct task_struct *task)
{
	return kernel_read(task, thread_info.status) & X86_TS_COMPAT;
}
#elif defined(__TARGET_ARCH_arm64)
static __always_inline struct call_arguments call_arguments_of(struct pt_regs *regs)
{
	return (struct call_arguments){ regs->orig_x0, regs->regs[1], regs->regs[2], regs->regs[3], regs->regs[4] };
}
static __always_inline bool call_is_compat(struct task_struct *task)
{
	return kernel_read(task, thread_info.flags) & ARM64_TIF_32BIT;
}
#else
#error "sonde supports x86-64 and arm64"
#endif

static __always_inline bool call_connects(__u8 kind)
{
	return kind == CALL_CONNECT || kind == CALL_SOCKETPAIR;
}

static __always_inline bool call_receives(__u8 kind)
{
	return kind == CALL_READ || kind == CALL_READV || kind == CALL_RECVFROM || kind == CALL_RECVMSG ||
	       kind == CALL_RECVMMSG;
}

static __always_inline int message_vector(struct transfer *transfer, __u64 message)
{
	struct user_msghdr header;

	if (bpf_probe_read_user(&header, sizeof(header), (void *)message)) {
		count_add(LOST_READ_USER, 1);
		return -1;
	}
	transfer->vector = (__u64)header.msg_iov;
	transfer->vector_left = smaller(header.msg_iovlen, 1024UL);
	return 0;
}

/* One message of recvmmsg or sendmmsg: adds its length to what is still to be told, or tells it. Negative when it
 * cannot be read. Not static: the verifier looks at it once, not for each message. */
__noinline int message_run(__u64 address, __u32 tell)
{
	struct scratch *scratch = scratch_get();
	struct transfer *transfer;
	struct mmsghdr message;

	if (!scratch || bpf_probe_read_user(&message, sizeof(message), (void *)address))
		return -1;
	transfer = &scratch->transfer;
	if (!tell) {
		transfer->after += message.msg_len;
		return 0;
	}
	transfer->vector = (__u64)message.msg_hdr.msg_iov;
	transfer->vector_left = smaller(message.msg_hdr.msg_iovlen, 1024UL);
	transfer->base = 0;
	transfer->base_left = 0;
	transfer->length = message.msg_len;
	transfer->after -= message.msg_len;
	if (transfer->length)
		transfer_run();
	return 0;
}

/* recvmmsg and sendmmsg return a number of messages; each has its own length, and the socket's sequence number is
 * already past all of them. What lies beyond MMSG_MAX is told by length. */
static __always_inline void on_messages(struct transfer *transfer, __u64 messages, __u32 count)
{
	for (__u32 i = 0; i < MMSG_SUM_MAX && i < count; i++) {
		if (message_run(messages + i * sizeof(struct mmsghdr), 0)) {
			count_add(LOST_READ_USER, 1);
			return;
		}
	}
	for (__u32 i = 0; i < MMSG_MAX && i < count; i++)
		if (message_run(messages + i * sizeof(struct mmsghdr), 1))
			return;
	if (!transfer->after)
		return;
	count_add(COUNT_TRUNCATED_CALLS, 1);
	transfer->length = transfer->after;
	transfer->after = 0;
	transfer->vector = 0;
	transfer->base = 0;
	transfer_run();
}

/* Where the bytes of this call lie in the process's memory. Nowhere: they are told by length. */
static __always_inline void locate_bytes(struct transfer *transfer, __u8 kind, const struct call_arguments *arguments)
{
	switch (kind) {
	case CALL_READ:
	case CALL_WRITE:
	case CALL_SENDTO:
		transfer->base = arguments->second;
		transfer->base_left = transfer->length;
		return;
	case CALL_RECVFROM:
		if (arguments->fourth & MESSAGE_TRUNC)
			return;
		transfer->base = arguments->second;
		transfer->base_left = transfer->length;
		return;
	case CALL_READV:
	case CALL_WRITEV:
		transfer->vector = arguments->second;
		transfer->vector_left = smaller(arguments->third, 1024UL);
		return;
	case CALL_RECVMSG:
		if (!(arguments->third & MESSAGE_TRUNC))
			message_vector(transfer, arguments->second);
		return;
	case CALL_SENDMSG:
		message_vector(transfer, arguments->second);
		return;
	}
}

static __always_inline __u64 receive_flags(__u8 kind, const struct call_arguments *arguments)
{
	if (kind == CALL_RECVFROM || kind == CALL_RECVMMSG)
		return arguments->fourth;
	return kind == CALL_RECVMSG ? arguments->third : 0;
}

/* Who makes which call; it has passed the checks of on_call_exit. */
struct call {
	struct task_struct *task;
	__u64 pid_tgid;
	__u32 goroutine;
	long result;
	struct call_arguments arguments;
};

static __always_inline void on_call_of(struct scratch *scratch, __u8 kind, __u32 direction, const struct call *call)
{
	struct sock *sock;
	__u64 inode = 0;

	if (receive_flags(kind, &call->arguments) & (MESSAGE_PEEK | MESSAGE_OOB | MESSAGE_ERRQUEUE))
		return;
	sock = sock_of_descriptor(call->task, call->arguments.first, &inode);
	if (!sock)
		return;
	scratch->transfer = (struct transfer){
		.sock = sock,
		.inode = inode,
		.pid_tgid = call->pid_tgid,
		.goroutine = call->goroutine,
		.direction = direction,
		.length = call->result,
	};
	if (kind == CALL_RECVMMSG || kind == CALL_SENDMMSG) {
		on_messages(&scratch->transfer, call->arguments.second, call->result);
		return;
	}
	locate_bytes(&scratch->transfer, kind, &call->arguments);
	transfer_run();
}

/* Either end of a splice may be a socket. */
static __always_inline void on_splice(const struct call *call)
{
	__u64 inode = 0;
	struct sock *sock = sock_of_descriptor(call->task, call->arguments.first, &inode);
	__u32 direction = sock ? FLOW_RECEIVE : FLOW_SEND;
	struct scratch *scratch = scratch_get();

	if (!sock)
		sock = sock_of_descriptor(call->task, call->arguments.third, &inode);
	if (!sock || !scratch)
		return;
	scratch->transfer = (struct transfer){
		.sock = sock, .inode = inode, .pid_tgid = call->pid_tgid, .direction = direction, .length = call->result
	};
	transfer_run();
}

static __always_inline void on_connecting(struct task_struct *task, __u8 kind, const struct call_arguments *arguments)
{
	int descriptor = arguments->first;
	__u64 inode;

	if (kind == CALL_SOCKETPAIR &&
	    bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)arguments->fourth)) {
		count_add(LOST_READ_USER, 1);
		return;
	}
	on_unix_connected(sock_of_descriptor(task, descriptor, &inode));
}

static __always_inline void on_call_exit(struct pt_regs *regs, long result)
{
	__u64 number = call_number(regs);
	struct scratch *scratch;
	struct call call;
	__u32 direction;
	__u8 kind;

	if (result < 0 || number >= CALL_NUMBERS)
		return;
	kind = call_kinds[number];
	if (kind == CALL_NONE)
		return;
	direction = call_receives(kind) ? FLOW_RECEIVE : FLOW_SEND;
	scratch = scratch_get();
	call.task = (struct task_struct *)bpf_get_current_task();
	call.pid_tgid = pid_tgid_of(call.task);
	/* Who connects need not be selected: the other end may be. */
	if (!scratch || (!call_connects(kind) && !process_selected_recently(&scratch->recent, call.pid_tgid >> 32)))
		return;
	if (!result && !call_receives(kind) && !call_connects(kind))
		return;
	if (!result && kind == CALL_RECVMMSG)
		return;
	if (call_is_compat(call.task)) {
		count_add(LOST_COMPAT_SYSCALL, 1);
		return;
	}
	call.arguments = call_arguments_of(regs);
	call.goroutine = tell_goroutines ? goroutine_of(regs) : 0;
	call.result = result;
	if (result > 0x7fffffffL)
		return;
	/* Nothing was asked for: not an end of stream. */
	if (!result && (kind == CALL_READ || kind == CALL_RECVFROM) && !call.arguments.third)
		return;
	if (call_connects(kind))
		on_connecting(call.task, kind, &call.arguments);
	else if (kind == CALL_SPLICE)
		on_splice(&call);
	else
		on_call_of(scratch, kind, direction, &call);
}

/* The bridge of the function backends: a call that was asleep when they were attached returns, once. */
static __always_inline void on_blocked_exit(struct pt_regs *regs, long result)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();

	if (!blocked_count || bpf_map_delete_elem(&blocked_calls, &thread))
		return;
	__sync_fetch_and_add(&blocked_count, -1);
	on_call_exit(regs, result);
}
