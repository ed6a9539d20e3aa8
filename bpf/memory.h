/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads that stall for memory, and those that are killed for it. A reclaim begins and ends in the thread that needs
 * the memory. Its start is kept in a map of fixed size: memory is what is missing then.
 */
#pragma once

#include "usage_maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* pid and tgid */
	__type(value, __u64);
} reclaim_starts SEC(".maps");

/* Until 6.8 the tracepoint names the victim by its pid alone: it is looked at when it exits. COMPAT(kernel 6.8) */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u8);
} victims SEC(".maps");

static __always_inline void on_reclaim_begin(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 now_ns = bpf_ktime_get_ns();

	if (bpf_map_update_elem(&reclaim_starts, &thread, &now_ns, BPF_ANY))
		count_loss(USAGE_LOST_RECLAIM);
}

static __always_inline void on_reclaim_end(enum reclaim_scope scope)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *start_ns = bpf_map_lookup_elem(&reclaim_starts, &thread);
	struct event_usage *events;

	if (!start_ns)
		return; /* began before the start, or was counted as lost */
	events = events_of(task_cgroup_id_read((struct task_struct *)bpf_get_current_task()));
	if (events) {
		__sync_fetch_and_add(&events->reclaims[scope], 1);
		__sync_fetch_and_add(&events->reclaim_ns[scope], bpf_ktime_get_ns() - *start_ns);
	}
	bpf_map_delete_elem(&reclaim_starts, &thread);
}

static __always_inline void on_oom_kill(struct task_struct *victim)
{
	struct detail_key key = { .cgroup = task_cgroup_id_read(victim), .kind = DETAIL_OOM_KILL };
	struct detail_value *detail;

	if (!bpf_map_lookup_elem(&event_usages, &key.cgroup))
		return; /* not selected */
	bpf_probe_read_kernel_str(key.name, sizeof(key.name), victim->comm);
	detail = detail_of(&key);
	if (detail)
		__sync_fetch_and_add(&detail->latency.counts[0], 1);
}
