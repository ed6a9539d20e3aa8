/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of processes: fork, exec, exit, and moves between cgroups. Exec tells the file name, the arguments and the
 * beginning of the environment, so that a process that lives for milliseconds has its name when its exchanges arrive.
 */
#pragma once

#include "select.h"

/* Since 6.2; called where perf's events stand in for BTF tracepoints. */
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;

struct exec_scratch {
	struct exec_event event;
	__u8 text[2 * EXEC_ARGUMENTS_BYTES + EXEC_ENVIRONMENT_BYTES];
};

/* Whose call, or exec, is told: the first may be inside of the second no more than the other way around, but exec's
 * program may be preempted on some kernels. */
enum exec_slot {
	EXEC_SLOT_CALL,
	EXEC_SLOT_EXEC,
	EXEC_SLOTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EXEC_SLOTS);
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

static __always_inline void exec_tell(struct exec_scratch *scratch, __u32 type, const char *filename)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct exec_event *event = &scratch->event;
	long length = filename ? bpf_probe_read_kernel_str(scratch->text, EXEC_FILENAME_BYTES, filename) : 0;
	__u32 at;

	event->filename_length = length > 0 && length <= EXEC_FILENAME_BYTES ? length - 1 : 0;
	at = event->filename_length & (EXEC_FILENAME_BYTES - 1);
	event->arguments_length = copy_range(scratch->text + at, BPF_CORE_READ(mm, arg_start),
					     BPF_CORE_READ(mm, arg_end), EXEC_ARGUMENTS_BYTES);
	at += event->arguments_length;
	at &= 2 * EXEC_ARGUMENTS_BYTES - 1;
	event->environment_length = copy_range(scratch->text + at, BPF_CORE_READ(mm, env_start),
					       BPF_CORE_READ(mm, env_end), EXEC_ENVIRONMENT_BYTES);
	at += event->environment_length;
	at &= 2 * EXEC_ENVIRONMENT_BYTES - 1;
	event->header.type = type;
	event->header.length = sizeof(*event) + at;
	event->time_ns = bpf_ktime_get_ns();
	event->tgid = bpf_get_current_pid_tgid() >> 32;
	/* Woken at once where user space has to decide about the executable, or to hook its TLS library. */
	ring_put(scratch, sizeof(*event) + at,
		 type == EVENT_EXEC && (verdict_required & VERDICT_EXE || wake_at_exec) ? ring_wakeup_bytes : 0);
}

static __always_inline void verdict_put(__u32 tgid, __u8 verdict)
{
	if (bpf_map_update_elem(&processes, &tgid, &verdict, BPF_ANY))
		count_add(LOST_PROCESSES_FULL, 1);
	verdicts_changed();
}

/* The current process moves its first bytes: who is it? Processes that were executed or forked since the agent came
 * have been told. Not static: the verifier looks at it once. */
__noinline int process_sighted(void)
{
	__u32 slot = EXEC_SLOT_CALL;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u8 *known = bpf_map_lookup_elem(&processes, &tgid);
	struct exec_scratch *scratch;

	if (known && *known & VERDICT_TOLD)
		return 0;
	verdict_put(tgid, (known ? *known : 0) | VERDICT_TOLD);
	scratch = bpf_map_lookup_elem(&exec_scratches, &slot);
	if (scratch)
		exec_tell(scratch, EVENT_SIGHT, NULL);
	return 0;
}

static __always_inline void on_exec(const char *filename)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 slot = EXEC_SLOT_EXEC;
	struct exec_scratch *scratch;
	__u8 verdict = VERDICT_TOLD;

	if (tgid == agent_tgid)
		return;
	if (verdict_required) {
		__u8 *known = bpf_map_lookup_elem(&processes, &tgid);

		verdict |= known ? *known & VERDICT_PID : 0;
		if (verdict_required & VERDICT_EXE)
			verdict |= VERDICT_EXE_PENDING;
		if (!verdict_passes(verdict_learn(tgid, verdict)))
			return;
	} else {
		verdict_put(tgid, verdict);
	}
	scratch = bpf_map_lookup_elem(&exec_scratches, &slot);
	if (scratch)
		exec_tell(scratch, EVENT_EXEC, filename);
}

/* The process that a thread belongs to, for hooks that tell a number alone; 0 when it is gone. */
static __always_inline __u32 tgid_of_thread(__u32 thread)
{
	struct task_struct *task = bpf_task_from_pid(thread);
	__u32 tgid;

	if (!task)
		return 0;
	tgid = task->tgid;
	bpf_task_release(task);
	return tgid;
}

static __always_inline void on_fork(__u32 parent_tgid, __u32 child_tgid)
{
	struct process_event event = { .parent_tgid = parent_tgid };
	__u8 *verdict;
	bool selected;

	selected = process_selected(event.parent_tgid);
	verdict = bpf_map_lookup_elem(&processes, &event.parent_tgid);
	/* The child's cgroup may be another one (CLONE_INTO_CGROUP): it is looked at when the child makes a call. A
	 * child is known by its parent, once that is told. */
	if (verdict && *verdict & ~(VERDICT_CGROUP | VERDICT_CGROUP_KNOWN))
		verdict_put(child_tgid, *verdict & ~(VERDICT_CGROUP | VERDICT_CGROUP_KNOWN));
	if (!selected)
		return;
	event.header.type = EVENT_FORK;
	event.header.length = sizeof(event);
	event.time_ns = bpf_ktime_get_ns();
	event.tgid = child_tgid;
	ring_put(&event, sizeof(event), 0);
}

static __always_inline void on_exit(struct task_struct *task)
{
	struct process_event event = {};
	__u8 *verdict;
	bool passes;

	/* live counts the threads that have not begun to exit; the last one has taken itself off before this
	 * tracepoint. */
	if (BPF_CORE_READ(task, signal, live.counter))
		return;
	event.tgid = BPF_CORE_READ(task, tgid);
	verdict = bpf_map_lookup_elem(&processes, &event.tgid);
	passes = !verdict_required || (verdict && verdict_passes(*verdict));
	if (verdict) {
		bpf_map_delete_elem(&processes, &event.tgid);
		verdicts_changed();
	}
	if (!passes || event.tgid == agent_tgid)
		return;
	event.header.type = EVENT_EXIT;
	event.header.length = sizeof(event);
	event.time_ns = bpf_ktime_get_ns();
	ring_put(&event, sizeof(event), 0);
}

/* A process has been moved: what was known of its cgroup is no longer true. */
static __always_inline void on_cgroup_attach(__u32 tgid)
{
	__u8 *verdict = bpf_map_lookup_elem(&processes, &tgid);

	if (!verdict)
		return;
	*verdict &= ~(VERDICT_CGROUP | VERDICT_CGROUP_KNOWN);
	verdicts_changed();
}
