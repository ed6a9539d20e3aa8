/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Selection: which processes and which ports are observed. With no selection configured this costs one comparison; with
 * one it costs one lookup. Membership in a cgroup is decided here, at a process's first call; pid and executable are
 * decided by user space, which writes their bits into `processes`.
 */
#pragma once

#include "cgroup.h"
#include "recent.h"

static __noinline __u8 verdict_compute(__u8 verdict)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	verdict |= VERDICT_CGROUP_KNOWN;
	for (__u32 i = 0; i < SELECT_CGROUPS_MAX; i++) {
		if (i >= selected_cgroup_count)
			break;
		if (in_cgroup(task, selected_cgroups[i].id, selected_cgroups[i].level, selected_cgroups[i].controller))
			verdict |= VERDICT_CGROUP;
	}
	return verdict;
}

static __noinline __u8 verdict_learn(__u32 tgid, __u8 known)
{
	__u8 verdict = verdict_compute(known & ~VERDICT_CGROUP);

	if (bpf_map_update_elem(&processes, &tgid, &verdict, BPF_ANY))
		count_add(LOST_PROCESSES_FULL, 1);
	verdicts_changed();
	return verdict;
}

static __always_inline bool verdict_passes(__u8 verdict)
{
	if (verdict & VERDICT_EXE_PENDING)
		verdict |= VERDICT_EXE;
	return (verdict & verdict_required) == verdict_required;
}

/* Is the current process observed? */
static __always_inline bool process_selected(__u32 tgid)
{
	__u8 *verdict;

	if (tgid == agent_tgid)
		return false;
	if (!verdict_required)
		return true;
	verdict = bpf_map_lookup_elem(&processes, &tgid);
	if (verdict && (*verdict & VERDICT_CGROUP_KNOWN))
		return verdict_passes(*verdict);
	return verdict_passes(verdict_learn(tgid, verdict ? *verdict : 0));
}

/* The same, for the path that every call takes. */
static __always_inline bool process_selected_recently(struct recent *recent, __u32 tgid)
{
	struct recent_verdict *verdict = &recent->verdicts[tgid & (RECENT_VERDICTS - 1)];
	__u64 generation = verdict_generation;

	if (!verdict_required)
		return tgid != agent_tgid;
	if (verdict->tgid != tgid || verdict->generation != generation) {
		verdict->selected = process_selected(tgid);
		verdict->generation = generation;
		verdict->tgid = tgid;
	}
	return verdict->selected;
}

/* Are a connection's ports (host order) observed? */
static __always_inline bool ports_pass(__u16 local, __u16 remote)
{
	__u8 *local_rule, *remote_rule;
	__u8 rules;

	if (!ports_ruled)
		return true;
	local_rule = bpf_map_lookup_elem(&ports, &local);
	remote_rule = bpf_map_lookup_elem(&ports, &remote);
	rules = (local_rule ? *local_rule : 0) | (remote_rule ? *remote_rule : 0);
	if (rules & PORT_IGNORED)
		return false;
	return !ports_selected || (rules & PORT_SELECTED);
}
