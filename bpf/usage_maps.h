/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of the usage programs and their read-only configuration. Records are made where a cgroup gets its first
 * thread, in the context of a process; hooks that run under the scheduler's locks only look up, because an allocation
 * may wake a thread up. All maps grow with what they hold.
 */
#pragma once

#include "cgroup.h"
#include "usage.h"

/* Set by load before the programs are loaded. */
const volatile __s32 hierarchy = -1; /* index in css_set.subsys; -1: the v2 tree */
const volatile __u64 started_ns = 0; /* CLOCK_MONOTONIC: threads younger than this are counted from their birth */
const volatile bool have_task_storage = true;
const volatile __u32 selected_cgroup_count = 0;
const volatile struct selected_cgroup selected_cgroups[SELECT_CGROUPS_MAX] = {};
/* v1: the block controller has a tree of its own, with ids of its own. The selection, there. */
const volatile bool blocks_apart = false;
const volatile struct selected_cgroup selected_blocks[SELECT_CGROUPS_MAX] = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64); /* the cgroup's id */
	__type(value, struct cpu_usage);
} cpu_usages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64); /* the cgroup's id */
	__type(value, struct event_usage);
} event_usages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct detail_key);
	__type(value, struct detail_value);
} details SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64); /* the cgroup's id */
	__type(value, struct cgroup_name);
} cgroup_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_account);
} task_storage SEC(".maps");

/* In place of task_storage, which tracing programs may use since 5.13. COMPAT(kernel 5.12) */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64); /* address of the task_struct */
	__type(value, struct task_account);
} task_accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, USAGE_LOSS_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} usage_losses SEC(".maps");

static const struct cpu_usage no_cpu_usage = {};
static const struct task_account no_account = {};
static const struct event_usage no_event_usage = {};
static const struct detail_value no_detail = {};
static const struct cgroup_name no_name = {};

static __always_inline void count_loss(__u32 loss)
{
	__u64 *value = bpf_map_lookup_elem(&usage_losses, &loss);

	if (value)
		(*value)++;
}

/* NULL is a cgroup that is not selected; else it is counted as lost. */
static __always_inline struct event_usage *events_of(__u64 cgroup)
{
	struct event_usage *events = bpf_map_lookup_elem(&event_usages, &cgroup);

	if (!events && !selected_cgroup_count)
		count_loss(USAGE_LOST_CGROUP);
	return events;
}

/* NULL when there is no room, which is counted. Not for hooks under the scheduler's locks. */
static __always_inline struct detail_value *detail_of(struct detail_key *key)
{
	struct detail_value *detail = bpf_map_lookup_elem(&details, key);

	if (detail)
		return detail;
	bpf_map_update_elem(&details, key, &no_detail, BPF_NOEXIST);
	detail = bpf_map_lookup_elem(&details, key);
	if (!detail)
		count_loss(USAGE_LOST_DETAIL);
	return detail;
}

static __always_inline void add_latency(struct latency_value *latency, __u64 ns)
{
	__sync_fetch_and_add(&latency->sum_ns, ns);
	__sync_fetch_and_add(&latency->counts[latency_bucket(ns) & (LATENCY_BUCKETS - 1)], 1);
}

/* By plain loads, which the verifier allows along the types of a tracepoint's arguments. */
static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct cgroup_subsys_state **state;

	if (hierarchy < 0)
		return set->dfl_cgrp;
	state = (void *)set + bpf_core_field_offset(struct css_set, subsys) + hierarchy * sizeof(*state);
	return (*state)->cgroup;
}

static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	return task_cgroup(task)->kn->id;
}

/* The same for a pointer that the verifier knows nothing about. */
static __always_inline __u64 task_cgroup_id_read(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = NULL;

	if (hierarchy < 0)
		return BPF_CORE_READ(set, dfl_cgrp, kn, id);
	if (bpf_probe_read_kernel(&state, sizeof(state),
				  (void *)set + bpf_core_field_offset(struct css_set, subsys) +
					  hierarchy * sizeof(state)))
		return 0;
	return BPF_CORE_READ(state, cgroup, kn, id);
}

static __noinline bool task_selected(struct task_struct *task)
{
	for (__u32 i = 0; i < SELECT_CGROUPS_MAX; i++) {
		if (i >= selected_cgroup_count)
			break;
		if (in_cgroup(task, selected_cgroups[i].id, selected_cgroups[i].level, selected_cgroups[i].controller))
			return true;
	}
	return !selected_cgroup_count;
}

static __always_inline struct task_account *account_of(struct task_struct *task)
{
	__u64 key = (__u64)task;

	if (have_task_storage)
		return bpf_task_storage_get(&task_storage, task, NULL, 0);
	return bpf_map_lookup_elem(&task_accounts, &key);
}

static __always_inline struct task_account *account_make(struct task_struct *task)
{
	__u64 key = (__u64)task;

	if (have_task_storage)
		return bpf_task_storage_get(&task_storage, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	bpf_map_update_elem(&task_accounts, &key, &no_account, BPF_NOEXIST);
	return bpf_map_lookup_elem(&task_accounts, &key);
}

static __always_inline void account_forget(struct task_struct *task)
{
	__u64 key = (__u64)task;

	if (have_task_storage)
		bpf_task_storage_delete(&task_storage, task);
	else
		bpf_map_delete_elem(&task_accounts, &key);
}
