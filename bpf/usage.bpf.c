/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points of the usage programs: what each container and service took of the host, aggregated here and read when
 * scraped. An object of its own: it loads or not whatever becomes of the capture programs.
 */
#include "vmlinux.h"

#include "block.h"
#include "memory.h"
#include "sched.h"
#include "tcp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sched_switch")
int BPF_PROG(switch_done, bool preempt, struct task_struct *previous, struct task_struct *next)
{
	on_leave(previous);
	on_return(next);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(task_born, struct task_struct *parent, struct task_struct *child)
{
	task_track(child);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(task_moved, struct cgroup *cgroup, const char *path, struct task_struct *task, bool threadgroup)
{
	name_keep(task, cgroup, path);
	task_track(task);
	return 0;
}

/* Where the accounts are in a hash: after the thread's last switch. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(task_freed, struct task_struct *task)
{
	account_forget(task);
	return 0;
}

/* Run by user space at the start, and when threads were missed. */
SEC("iter/task")
int track_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		task_track(task);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int reclaim_begin(void *ctx)
{
	on_reclaim_begin();
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int reclaim_end(void *ctx)
{
	on_reclaim_end(RECLAIM_HOST);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int limit_begin(void *ctx)
{
	on_reclaim_begin();
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int limit_end(void *ctx)
{
	on_reclaim_end(RECLAIM_CGROUP);
	return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(victim_marked, struct task_struct *victim)
{
	on_oom_kill(victim);
	return 0;
}

/* Until 6.8 with the pid alone (72ba14deb40a). COMPAT(kernel 6.8) */
SEC("tp_btf/mark_victim")
int BPF_PROG(victim_named, int pid)
{
	__u32 key = pid;
	__u8 value = 1;

	bpf_map_update_elem(&victims, &key, &value, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(victim_gone, struct task_struct *task)
{
	__u32 pid = task->pid;

	if (bpf_map_lookup_elem(&victims, &pid) && !bpf_map_delete_elem(&victims, &pid))
		on_oom_kill(task);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(request_done, struct request *request, int error, unsigned int bytes)
{
	on_request_done(request, (__u8)error, bytes);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sock_state, const struct sock *sock, int old_state, int new_state)
{
	on_sock_state(sock, old_state, new_state);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit, const struct sock *sock, const struct sk_buff *skb)
{
	struct event_usage *events = events_of_sock(sock);

	if (events)
		__sync_fetch_and_add(&events->retransmits, segments_of(skb));
	return 0;
}

/* Since 6.16 told of those as well that could not be sent. COMPAT(kernel 6.15) */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_error, const struct sock *sock, const struct sk_buff *skb, int error)
{
	struct event_usage *events = error ? NULL : events_of_sock(sock);

	if (events)
		__sync_fetch_and_add(&events->retransmits, segments_of(skb));
	return 0;
}

/* The answer to a SYN, which its listener sends: there is no other socket yet. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(answer_again, const struct sock *listener)
{
	struct event_usage *events = events_of_sock(listener);

	if (events)
		__sync_fetch_and_add(&events->retransmits, 1);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(reset_sent, const struct sock *sock)
{
	struct event_usage *events = events_of_sock(sock);

	if (events)
		__sync_fetch_and_add(&events->resets_sent, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(reset_received, const struct sock *sock)
{
	struct event_usage *events = events_of_sock(sock);

	if (events)
		__sync_fetch_and_add(&events->resets_received, 1);
	return 0;
}

/* Run by user space, not attached: looks at one listening socket. */
SEC("raw_tp")
int listener_asked(struct bpf_raw_tracepoint_args *ctx)
{
	listener_look((const struct sock *)ctx->args[0]);
	return 0;
}

static __always_inline const struct sock *tcp_of_file(struct file *file)
{
	const struct sock *sock = file ? sock_of_file(file) : NULL;

	return sock && BPF_CORE_READ(sock, sk_protocol) == PROTOCOL_TCP ? sock : NULL;
}

/* Run by user space at the start: the sockets that are there already. */
SEC("iter/task_file")
int find_sockets(struct bpf_iter__task_file *ctx)
{
	const struct sock *sock = tcp_of_file(ctx->file);
	struct task_struct *task = ctx->task;

	if (!sock || !task)
		return 0;
	sock_found(sock, task);
	if (BPF_CORE_READ(sock, __sk_common.skc_state) == TCP_LISTEN)
		listener_begin(sock);
	return 0;
}

/* Run by user space once a minute. A byte for each file, so that it can stop after as many as it has room for. */
SEC("iter/task_file")
int look_at_connections(struct bpf_iter__task_file *ctx)
{
	const struct sock *sock = tcp_of_file(ctx->file);
	struct task_struct *task = ctx->task;
	__u8 byte = 0;

	if (sock && task) {
		sock_found(sock, task);
		connection_look(sock);
	}
	if (ctx->file)
		bpf_seq_write(ctx->meta->seq, &byte, sizeof(byte));
	return 0;
}
