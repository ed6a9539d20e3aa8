/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracepoint front end of kernels that tell what a socket has moved (sock_send_length and sock_recv_length, 6.3;
 * sendfile and splice go through them since 6.5): it runs at calls on sockets, and no other system call of the host
 * pays for it. sys_exit, which syscall.h is for, makes every call of every process take the kernel's slow way out.
 *
 * A tracepoint names the socket, not where the bytes are: that is read from the call's registers, as at sys_exit. The
 * socket has to be the one that the call's descriptor stands for: the kernel has sockets of its own (NFS), which move
 * bytes inside of calls on files.
 *
 * Two calls are not as at sys_exit. recvmmsg and sendmmsg are told message by message: which one it is, is remembered
 * for the thread. What a splice takes out of a TCP socket is seen by tcp_rcv_space_adjust, which tells how far the
 * socket has been read and not how much that was: stream/ knows from where. A splice out of a unix socket is seen by no
 * tracepoint but sys_exit: load/ attaches splice_exit once a unix connection turns out to be of interest.
 */
#pragma once

#include "syscall.h"

#define MESSAGES_MAX 1024 /* of one recvmmsg or sendmmsg (UIO_MAXIOV) */
#define MESSAGES_UNSURE 0xffffffffU
#define VECTORS_MAX 1024

/* The recvmmsg or sendmmsg that a thread is in. */
struct messages_call {
	__u64 messages;
	__u32 next; /* MESSAGES_UNSURE: which message is next cannot be told */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, struct messages_call);
} messages_calls SEC(".maps");

/* One was seen: until then `messages_calls` is not looked at. */
__u32 messages_seen = 0;

static __always_inline void messages_forget(void)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();

	if (messages_seen)
		bpf_map_delete_elem(&messages_calls, &thread);
}

struct vector_sum {
	__u64 vector;
	__u64 bytes;
};

static long vector_add(__u64 index, struct vector_sum *sum)
{
	struct iovec vector;

	if (bpf_probe_read_user(&vector, sizeof(vector), (void *)(sum->vector + index * sizeof(vector))))
		return 1;
	sum->bytes += vector.iov_len;
	return 0;
}

/* sendmmsg ends after a message that was sent in part. */
static __always_inline bool message_is_short(const struct user_msghdr *message, __u32 sent)
{
	struct vector_sum sum = { .vector = (__u64)message->msg_iov };

	bpf_loop(smaller(message->msg_iovlen, (unsigned long)VECTORS_MAX), vector_add, &sum, 0);
	return sum.bytes != sent;
}

/* The message that has just been moved. 0 when it was found: its vector is in the transfer. */
static __always_inline int message_locate(struct transfer *transfer, const struct call *call)
{
	__u32 thread = (__u32)call->pid_tgid;
	__u32 count = smaller(call->arguments.third, (__u64)MESSAGES_MAX);
	struct messages_call *found = bpf_map_lookup_elem(&messages_calls, &thread);
	struct messages_call now = { .messages = call->arguments.second };
	struct mmsghdr message;

	if (found && found->messages == now.messages)
		now.next = found->next;
	if (now.next >= count ||
	    bpf_probe_read_user(&message, sizeof(message), (void *)(now.messages + now.next * sizeof(message)))) {
		count_add(LOST_READ_USER, 1);
		return -1;
	}
	transfer->vector = (__u64)message.msg_hdr.msg_iov;
	transfer->vector_left = smaller(message.msg_hdr.msg_iovlen, 1024UL);
	/* A time limit may end a recvmmsg after any of its messages. */
	now.next = transfer->direction == FLOW_RECEIVE && call->arguments.fifth ? MESSAGES_UNSURE : now.next + 1;
	messages_seen = 1;
	if (now.next == count ||
	    (transfer->direction == FLOW_SEND && message_is_short(&message.msg_hdr, transfer->length)))
		bpf_map_delete_elem(&messages_calls, &thread);
	else
		bpf_map_update_elem(&messages_calls, &thread, &now, BPF_ANY);
	return 0;
}

/* Where the registers of a task's call are, from its stack: the same for all tasks of a kernel. 0: not known yet. */
__u64 registers_at = 0;

/* As bpf_task_pt_regs, without the call, which costs as much as all that is read there. Only where kernel_read is a
 * load, as on all kernels that have these tracepoints. */
static __always_inline struct pt_regs *registers_of(struct task_struct *task)
{
	__u64 stack = kernel_read_word((void *)task + bpf_core_field_offset(struct task_struct, stack)), distance;

	if (!registers_at) {
		/* Verifiers take a pointer from a pointer alone, before 6.13 or so. */
		distance = (__u64)bpf_task_pt_regs(task) - (__u64)task;
		barrier_var(distance);
		registers_at = distance + bpf_get_current_task() - stack;
	}
	return bpf_rdonly_cast((void *)(stack + registers_at), bpf_core_type_id_kernel(struct pt_regs));
}

/* The descriptor that a call names its socket by. Of splice it is the one that is written to: what is read from is not
 * told by these tracepoints. */
static __always_inline __u32 call_descriptor(__u8 kind, const struct call_arguments *arguments)
{
	return kind == CALL_SPLICE ? arguments->third : arguments->first;
}

/* The current task's call, when it may be one on a stream socket and is of an observed process; its kind, or CALL_NONE.
 */
static __always_inline __u8 call_current(struct scratch *scratch, struct sock *sock, struct call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs;
	__u64 number;

	call->task = task;
	call->pid_tgid = pid_tgid_of(task);
	if (kernel_read(sock, sk_type) != SOCK_STREAM ||
	    !process_selected_recently(&scratch->recent, call->pid_tgid >> 32))
		return CALL_NONE;
	regs = registers_of(task);
	number = call_number(regs);
	if (call_is_compat(task)) {
		count_add(LOST_COMPAT_SYSCALL, 1);
		return CALL_NONE;
	}
	call->arguments = call_arguments_of(regs);
	call->goroutine = tell_goroutines ? goroutine_of(regs) : 0;
	return number < CALL_NUMBERS ? call_kinds[number] : CALL_NONE;
}

/* A socket's sendmsg or recvmsg has returned `result`: which of them, the call tells. */
static __always_inline void on_socket_moved(struct sock *sock, int result, int flags)
{
	struct transfer *transfer;
	struct scratch *scratch;
	struct call call = {};
	__u32 direction;
	__u64 inode = 0;
	__u8 kind;

	if (result < 0) {
		messages_forget();
		return;
	}
	scratch = scratch_get();
	if (!scratch)
		return;
	kind = call_current(scratch, sock, &call);
	direction = call_receives(kind) ? FLOW_RECEIVE : FLOW_SEND;
	if (direction == FLOW_RECEIVE ? flags & (MESSAGE_PEEK | MESSAGE_OOB | MESSAGE_ERRQUEUE) : !result)
		return;
	if (kind == CALL_NONE || sock_of_descriptor(call.task, call_descriptor(kind, &call.arguments), &inode) != sock)
		return;
	/* Nothing was asked for: not an end of stream. */
	if (!result && kind == CALL_RECVFROM && !call.arguments.third)
		return;
	transfer = &scratch->transfer;
	*transfer = (struct transfer){
		.sock = sock,
		.inode = inode,
		.pid_tgid = call.pid_tgid,
		.goroutine = call.goroutine,
		.direction = direction,
		.length = result,
	};
	if (kind != CALL_RECVMMSG && kind != CALL_SENDMMSG)
		locate_bytes(transfer, kind, &call.arguments);
	else if (message_locate(transfer, &call) || flags & MESSAGE_TRUNC)
		transfer->vector = 0;
	transfer_run();
}

/* A TCP socket has been read up to copied_seq: by a splice? */
static __always_inline void on_space_adjusted(struct sock *sock)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 number = call_number(registers_of(task));
	struct scratch *scratch;
	struct call call = {};
	__u64 inode = 0;

	if (number >= CALL_NUMBERS || call_kinds[number] != CALL_SPLICE)
		return;
	scratch = scratch_get();
	if (!scratch || call_current(scratch, sock, &call) != CALL_SPLICE ||
	    sock_of_descriptor(call.task, call.arguments.first, &inode) != sock)
		return;
	scratch->transfer =
		(struct transfer){ .sock = sock, .pid_tgid = call.pid_tgid, .direction = FLOW_RECEIVE, .reached = 1 };
	length_run();
}

/* sys_exit, for splices out of unix sockets alone. */
static __always_inline void on_splice_exit(struct pt_regs *regs, long result)
{
	__u64 number = call_number(regs);
	struct scratch *scratch;
	struct call call;
	__u64 inode = 0;
	struct sock *sock;

	if (result <= 0 || result > 0x7fffffffL || number >= CALL_NUMBERS || call_kinds[number] != CALL_SPLICE)
		return;
	scratch = scratch_get();
	call.task = (struct task_struct *)bpf_get_current_task();
	call.pid_tgid = pid_tgid_of(call.task);
	if (!scratch || !process_selected_recently(&scratch->recent, call.pid_tgid >> 32) || call_is_compat(call.task))
		return;
	sock = sock_of_descriptor(call.task, call_arguments_of(regs).first, &inode);
	if (!sock || kernel_read(sock, __sk_common.skc_family) != AF_UNIX)
		return;
	scratch->transfer = (struct transfer){
		.sock = sock, .inode = inode, .pid_tgid = call.pid_tgid, .direction = FLOW_RECEIVE, .length = result
	};
	length_run();
}
