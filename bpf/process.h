/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of processes: fork, exec, exit, and moves between cgroups. Exec tells the file name, the arguments and the
 * beginning of the environment, so that a process that lives for milliseconds has its name when its exchanges arrive.
 */
#pragma once

#include "select.h"

struct exec_scratch {
	struct exec_event event;
	__u8 text[2 * (EXEC_FILENAME_BYTES + EXEC_ARGUMENTS_BYTES + EXEC_ENVIRONMENT_BYTES)];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} exec_scratches SEC(".maps");

/* Copies [start, end) of the current process's memory, at most `limit` bytes; returns how many. */
static __always_inline __u32 copy_range(__u8 *target, __u64 start, __u64 end, __u32 limit)
{
	__u32 length = end - start < limit ? end - start : limit;

	if (length > limit || bpf_probe_read_user(target, length, (void *)start))
		return 0;
	return length;
}

static __always_inline void exec_tell(struct exec_scratch *scratch, struct task_struct *task, const char *filename)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct exec_event *event = &scratch->event;
	__u32 at;
	long length = bpf_probe_read_kernel_str(scratch->text, EXEC_FILENAME_BYTES, filename);

	event->filename_length = length > 0 && length <= EXEC_FILENAME_BYTES ? length - 1 : 0;
	at = event->filename_length & (EXEC_FILENAME_BYTES - 1);
	event->arguments_length = copy_range(scratch->text + at, BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end),
					     EXEC_ARGUMENTS_BYTES);
	at += event->arguments_length;
	at &= 2 * EXEC_ARGUMENTS_BYTES - 1;
	event->environment_length = copy_range(scratch->text + at, BPF_CORE_READ(mm, env_start),
					       BPF_CORE_READ(mm, env_end), EXEC_ENVIRONMENT_BYTES);
	at += event->environment_length;
	at &= 2 * EXEC_ENVIRONMENT_BYTES - 1;
	event->header.type = EVENT_EXEC;
	event->header.length = sizeof(*event) + at;
	event->time_ns = bpf_ktime_get_ns();
	event->tgid = bpf_get_current_pid_tgid() >> 32;
	/* Woken at once where user space has to decide about the executable. */
	ring_put(scratch, sizeof(*event) + at, verdict_required & VERDICT_EXE ? ring_wakeup_bytes : 0);
}

static __always_inline void on_exec(struct task_struct *task, const char *filename)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct exec_scratch *scratch;
	__u32 zero = 0;

	if (verdict_required) {
		__u8 *known = bpf_map_lookup_elem(&processes, &tgid);
		__u8 verdict = known ? *known & VERDICT_PID : 0;

		if (verdict_required & VERDICT_EXE)
			verdict |= VERDICT_EXE_PENDING;
		if (!verdict_passes(verdict_learn(tgid, verdict)))
			return;
	}
	if (tgid == agent_tgid)
		return;
	scratch = bpf_map_lookup_elem(&exec_scratches, &zero);
	if (scratch)
		exec_tell(scratch, task, filename);
}

static __always_inline void on_fork(struct task_struct *parent, struct task_struct *child)
{
	struct process_event event = {};
	__u32 child_tgid = BPF_CORE_READ(child, tgid);

	if (child_tgid != (__u32)BPF_CORE_READ(child, pid))
		return; /* a thread */
	event.parent_tgid = BPF_CORE_READ(parent, tgid);
	if (event.parent_tgid == agent_tgid)
		return;
	if (verdict_required) {
		bool selected = process_selected(event.parent_tgid);
		__u8 *verdict = bpf_map_lookup_elem(&processes, &event.parent_tgid);
		__u8 inherited = verdict ? *verdict & ~(VERDICT_CGROUP | VERDICT_CGROUP_KNOWN) : 0;

		/* The child's cgroup may be another one (CLONE_INTO_CGROUP): it is looked at when the child makes a call. */
		if (inherited && bpf_map_update_elem(&processes, &child_tgid, &inherited, BPF_ANY))
			count_add(LOST_PROCESSES_FULL, 1);
		if (!selected)
			return;
	}
	event.header.type = EVENT_FORK;
	event.header.length = sizeof(event);
	event.time_ns = bpf_ktime_get_ns();
	event.tgid = child_tgid;
	ring_put(&event, sizeof(event), 0);
}

static __always_inline void on_exit(struct task_struct *task)
{
	struct process_event event = {};

	/* live counts the threads that have not begun to exit; the last one has taken itself off before this tracepoint. */
	if (BPF_CORE_READ(task, signal, live.counter))
		return;
	event.tgid = BPF_CORE_READ(task, tgid);
	if (verdict_required) {
		__u8 *verdict = bpf_map_lookup_elem(&processes, &event.tgid);
		bool passes = verdict && verdict_passes(*verdict);

		if (verdict)
			bpf_map_delete_elem(&processes, &event.tgid);
		if (!passes)
			return;
	}
	if (event.tgid == agent_tgid)
		return;
	event.header.type = EVENT_EXIT;
	event.header.length = sizeof(event);
	event.time_ns = bpf_ktime_get_ns();
	ring_put(&event, sizeof(event), 0);
}

/* A process has been moved: what was known of its cgroup is no longer true. */
static __always_inline void on_cgroup_attach(struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u8 *verdict = bpf_map_lookup_elem(&processes, &tgid);

	if (verdict)
		*verdict &= ~(VERDICT_CGROUP | VERDICT_CGROUP_KNOWN);
}
