/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entry points of the usage programs: what each container and service took of the host, aggregated here and read when
 * scraped. An object of its own: it loads or not whatever becomes of the capture programs.
 */
#include "vmlinux.h"

#include "sched.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sched_switch")
int BPF_PROG(switch_done, bool preempt, struct task_struct *previous, struct task_struct *next)
{
	on_switch(previous);
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
