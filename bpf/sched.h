/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPU time, run-queue latency, waits in page faults, involuntary switches and migrations of each cgroup.
 *
 * The kernel keeps an account of every thread (sum_exec_runtime, sched_info.run_delay, nivcsw, nr_migrations) and has
 * brought it up to date when it tells sched_switch of a thread that leaves its CPU. So one hook suffices, no clock is
 * read, and nothing is remembered at a wake-up: what has been added since the thread last left is added to its cgroup.
 * Only waits in page faults take a clock: at their two ends (fault.h).
 * run_delay grows where a waiting thread moves to another CPU as well, which the time of a wake-up would not tell.
 * A run of the hook that the kernel skips loses nothing: the next one adds both.
 *
 * Considered: sched_wakeup and a time stamp for each thread. Two more hooks and a clock, three times the cost; and
 * an entry must be made under the scheduler's locks, where memory cannot be had safely.
 */
#pragma once

#include "fault.h"
#include "usage_maps.h"

static __always_inline void account_read(struct task_struct *task, struct task_account *account)
{
	account->run_ns = task->se.sum_exec_runtime;
	account->wait_ns = task->sched_info.run_delay;
	account->involuntary = task->nivcsw;
	account->migrations = task->se.nr_migrations;
}

/* A cgroup has its first thread. */
static __always_inline void record_make(__u64 id)
{
	if (!bpf_map_lookup_elem(&cpu_usages, &id))
		bpf_map_update_elem(&cpu_usages, &id, &no_cpu_usage, BPF_NOEXIST);
	if (!bpf_map_lookup_elem(&event_usages, &id))
		bpf_map_update_elem(&event_usages, &id, &no_event_usage, BPF_NOEXIST);
	if (!bpf_map_lookup_elem(&cpu_usages, &id) || !bpf_map_lookup_elem(&event_usages, &id))
		count_loss(USAGE_LOST_CGROUP);
}

/* A thread that is new to sonde, or to the selection. Its past counts when all of it was after the start. */
static __always_inline void task_track(struct task_struct *task)
{
	__u64 id = task_cgroup_id(task);
	struct task_account *account;
	bool known;

	if (!task_selected(task)) {
		if (account_of(task))
			account_forget(task);
		return;
	}
	record_make(id);
	known = account_of(task);
	account = account_make(task);
	if (!account)
		count_loss(USAGE_LOST_TASK);
	else if (selected_cgroup_count || (!known && task->start_time < started_ns))
		account_read(task, account);
}

/* Keeps the path of a cgroup that is about to have its first record. Best effort: without room the path is looked for
 * in the file system, like those of cgroups that were there before. A longer path is not kept. */
static __always_inline void name_keep(struct task_struct *task, struct cgroup *cgroup, const char *path)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct cgroup_name *name;
	long length;

	/* A v1 host tells moves in every hierarchy. */
	if (task_cgroup(task) != cgroup || bpf_map_lookup_elem(&cpu_usages, &id) || !task_selected(task))
		return;
	bpf_map_update_elem(&cgroup_names, &id, &no_name, BPF_NOEXIST);
	name = bpf_map_lookup_elem(&cgroup_names, &id);
	if (!name)
		return;
	length = bpf_probe_read_kernel_str(name->path, sizeof(name->path), path);
	if (length <= 1 || length >= CGROUP_NAME_BYTES)
		bpf_map_delete_elem(&cgroup_names, &id);
}

/* To its cgroup what has been added since the last time. */
static __always_inline void account_add(struct task_struct *task, struct task_account *account, struct cpu_usage *usage)
{
	__u32 involuntary = account->involuntary, migrations = account->migrations;
	__u64 run_ns = account->run_ns, wait_ns = account->wait_ns;

	account_read(task, account);
	wait_ns = account->wait_ns - wait_ns;
	usage->run_ns += account->run_ns - run_ns;
	usage->involuntary += account->involuntary - involuntary;
	usage->migrations += account->migrations - migrations;
	usage->wait.sum_ns += wait_ns;
	usage->wait.counts[latency_bucket(wait_ns) & (LATENCY_BUCKETS - 1)]++;
}

static __always_inline void fault_look(struct task_struct *task, struct task_account *account, struct cpu_usage *usage)
{
	if (fault_wait_is_open(&account->fault))
		usage->fault_wait_ns += fault_wait_settle(&account->fault, task->maj_flt, task->min_flt);
	if (waits_in_fault(task))
		fault_wait_begin(&account->fault, task->maj_flt, task->min_flt, bpf_ktime_get_ns());
}

/* `task` leaves its CPU. */
static __always_inline void on_leave(struct task_struct *task)
{
	struct task_account *account;
	struct cpu_usage *usage;
	__u64 id;

	if (!task->pid) /* idle */
		return;
	id = task_cgroup_id(task);
	usage = bpf_map_lookup_elem(&cpu_usages, &id);
	account = account_of(task);
	if (!usage || !account) {
		if (!selected_cgroup_count)
			count_loss(usage ? USAGE_LOST_TASK : USAGE_LOST_CGROUP);
		return;
	}
	account_add(task, account, usage);
	fault_look(task, account, usage);
}

/* `task` gets a CPU. */
static __always_inline void on_return(struct task_struct *task)
{
	struct task_account *account = waits_in_fault(task) ? account_of(task) : NULL;

	if (account)
		fault_wait_end(&account->fault, bpf_ktime_get_ns());
}
