/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The function front ends: fexit and kprobes on the TCP and unix-stream send and receive functions. They see every way
 * into a socket (io_uring, sendfile and splice included). When the function returns its msg_iter has been advanced by
 * the bytes moved, so their start is found by walking back: no entry hook in the fentry backend.
 *
 * kretprobes exist in a fixed number per function (maxactive), and a call that sleeps holds one: on a server with many
 * blocked readers most returns would be lost. So the kprobe backend has return probes only where calls do not usually
 * sleep: sending, and the copying of one skb from a unix socket. A TCP receive is told at tcp_cleanup_rbuf, which
 * tcp_recvmsg and tcp_read_sock call when they are done.
 */
#pragma once

#include "capture.h"

#define WALK_BACK_STEPS 256 /* I/O vectors of one call that are walked back over */
#define MESSAGE_WAITALL 0x100

const volatile bool receive_has_nonblock = false;

enum iter_place {
	ITER_PLACE_NONE, /* pages, pipes: told by length */
	ITER_PLACE_BUFFER,
	ITER_PLACE_USER_VECTOR,
	ITER_PLACE_KERNEL_VECTOR,
};

static __always_inline enum iter_place iter_place(struct iov_iter *iter)
{
	__u32 type;

	if (bpf_core_field_exists(((struct iov_iter___until_5_13 *)0)->type))
		type = kernel_read((struct iov_iter___until_5_13 *)iter, type) & ~1U;
	else
		type = kernel_read(iter, iter_type);
	if (bpf_core_enum_value_exists(enum iter_type___ubuf, ITER_UBUF___ubuf) &&
	    type == bpf_core_enum_value(enum iter_type___ubuf, ITER_UBUF___ubuf))
		return ITER_PLACE_BUFFER;
	if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return ITER_PLACE_USER_VECTOR;
	if (type == bpf_core_enum_value(enum iter_type, ITER_KVEC))
		return ITER_PLACE_KERNEL_VECTOR;
	return ITER_PLACE_NONE;
}

static __always_inline __u64 iter_vector(struct iov_iter *iter)
{
	if (bpf_core_field_exists(((struct iov_iter___since_6_4 *)0)->__iov))
		return (__u64)kernel_read((struct iov_iter___since_6_4 *)iter, __iov);
	return (__u64)kernel_read((struct iov_iter___until_6_3 *)iter, iov);
}

/* Finds where the bytes just moved begin: `vector` is the iovec in which they end, `offset` the bytes used of it. */
static __always_inline void walk_back(struct transfer *transfer, __u64 vector, __u64 offset)
{
	__u64 missing = transfer->length;
	struct iovec current;

	for (int step = 0; step < WALK_BACK_STEPS; step++) {
		if (offset >= missing) {
			if (bpf_probe_read_kernel(&current, sizeof(current), (void *)vector))
				return;
			transfer->base = (__u64)current.iov_base + offset - missing;
			transfer->base_left = smaller(current.iov_len - (offset - missing), 0x7fffffffUL);
			transfer->vector = vector + sizeof(current);
			transfer->vector_left = step;
			return;
		}
		missing -= offset;
		vector -= sizeof(current);
		if (bpf_probe_read_kernel(&current, sizeof(current), (void *)vector))
			return;
		offset = current.iov_len;
	}
	count_add(COUNT_TRUNCATED_CALLS, 1);
}

static __always_inline void locate_message(struct transfer *transfer, struct msghdr *message)
{
	struct iov_iter *iter = &message->msg_iter;
	enum iter_place place = iter_place(iter);
	__u64 offset;

	if (place == ITER_PLACE_NONE)
		return;
	offset = kernel_read(iter, iov_offset);
	if (place == ITER_PLACE_BUFFER) {
		transfer->base = (__u64)kernel_read((struct iov_iter___ubuf *)iter, ubuf) + offset - transfer->length;
		transfer->base_left = transfer->length;
		return;
	}
	transfer->kernel_vector = true;
	transfer->kernel_memory = place == ITER_PLACE_KERNEL_VECTOR;
	walk_back(transfer, iter_vector(iter), offset);
}

/* The function hooks see this thread's calls: its call was not asleep when they were attached. */
static __always_inline void not_blocked(void)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();

	if (blocked_count && !bpf_map_delete_elem(&blocked_calls, &thread))
		__sync_fetch_and_add(&blocked_count, -1);
}

/* Of the system call that the thread is in. The helper is there since 5.15. */
static __always_inline __u32 goroutine_now(void)
{
	struct pt_regs *regs;

	if (!tell_goroutines || !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return goroutine_of(regs);
}

static __always_inline void on_message_done(struct sock *sock, struct msghdr *message, __u32 direction, int flags,
					    long result)
{
	struct scratch *scratch = scratch_get();
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	not_blocked();
	if (!scratch || result < 0 || (!result && direction == FLOW_SEND))
		return;
	if (flags & (MESSAGE_PEEK | MESSAGE_OOB | MESSAGE_ERRQUEUE))
		return;
	if (!process_selected_recently(&scratch->recent, pid_tgid >> 32))
		return;
	scratch->transfer = (struct transfer){
		.sock = sock,
		.pid_tgid = pid_tgid,
		.goroutine = goroutine_now(),
		.direction = direction,
		.length = result,
	};
	if (result && message && !(flags & MESSAGE_TRUNC && direction == FLOW_RECEIVE))
		locate_message(&scratch->transfer, message);
	transfer_run();
}

static __always_inline void on_pages_done(struct sock *sock, __u32 direction, long result)
{
	if (result > 0)
		on_message_done(sock, NULL, direction, 0, result);
}

static __always_inline void on_unix_release(struct sock *sock)
{
	struct connection_key key = { .sock = (__u64)sock };
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);

	if (connection && connection->family_unix)
		unix_close(&key, connection);
}

/* What the kprobe backend knows of a thread's call between its entry and its end. */
struct call_in_flight {
	struct sock *sock;
	struct msghdr *message;
	__u32 flags;
	__u32 copied_seq; /* TCP receives: what has been told already */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct call_in_flight);
} calls_in_flight SEC(".maps");

static __always_inline int call_remember(struct sock *sock, struct msghdr *message, __u32 flags, __u32 copied_seq)
{
	struct call_in_flight call = { .sock = sock, .message = message, .flags = flags, .copied_seq = copied_seq };
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_in_flight *found;

	if (!process_selected(thread >> 32))
		return 0;
	/* A call that ends at a return probe takes its entry with it (TCP receives have a position, and end elsewhere).
	 */
	found = bpf_map_lookup_elem(&calls_in_flight, &thread);
	if (found && !found->copied_seq)
		count_add(LOST_RETURN, 1);
	if (bpf_map_update_elem(&calls_in_flight, &thread, &call, BPF_ANY))
		count_add(LOST_IN_FLIGHT, 1);
	return 0;
}

static __always_inline void on_remembered_done(__u32 direction, long result)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_in_flight *found = bpf_map_lookup_elem(&calls_in_flight, &thread);
	struct call_in_flight call;

	if (!found)
		return;
	call = *found;
	bpf_map_delete_elem(&calls_in_flight, &thread);
	on_message_done(call.sock, call.message, direction, call.flags, result);
}

/* tcp_recvmsg has copied, and has moved copied_seq; it calls once, or more often with MSG_WAITALL. */
static __always_inline void on_tcp_copied(struct sock *sock)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_in_flight *found = bpf_map_lookup_elem(&calls_in_flight, &thread);
	struct call_in_flight call;
	__u32 copied;

	if (!found || found->sock != sock)
		return;
	call = *found;
	copied = tcp_received_of(sock).copied - call.copied_seq;
	if (!copied)
		return;
	found->copied_seq += copied;
	if (!(call.flags & MESSAGE_WAITALL))
		bpf_map_delete_elem(&calls_in_flight, &thread);
	if (copied <= 0x7fffffffU)
		on_message_done(sock, call.message, FLOW_RECEIVE, call.flags, copied);
}
