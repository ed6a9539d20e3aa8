/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Selection: which processes and which ports are observed. With no selection configured this costs one comparison; with
 * one it costs one lookup. Membership in a cgroup is decided here, at a process's first call; pid and executable are
 * decided by user space, which writes their bits into `processes`.
 */
#pragma once

#include "maps.h"

static __always_inline __u64 cgroup_ancestor_id(struct cgroup *cgroup, __u32 level)
{
	struct cgroup *ancestor = NULL;
	__u64 id = 0;

	if (bpf_core_field_exists(((struct cgroup___since_6_1 *)0)->ancestors)) {
		__u32 offset = bpf_core_field_offset(struct cgroup___since_6_1, ancestors);

		if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
					  (void *)cgroup + offset + level * sizeof(ancestor)))
			return 0;
		return BPF_CORE_READ(ancestor, kn, id);
	}
	if (bpf_probe_read_kernel(&id, sizeof(id),
				  (void *)cgroup + bpf_core_field_offset(struct cgroup___until_6_0, ancestor_ids) +
					  level * sizeof(id)))
		return 0;
	return id;
}

static __always_inline bool in_cgroup(struct task_struct *task, __u64 id, __u32 level, __s32 controller)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = NULL;
	struct cgroup *cgroup = NULL;

	if (controller < 0) {
		cgroup = BPF_CORE_READ(set, dfl_cgrp);
	} else {
		if (bpf_probe_read_kernel(&state, sizeof(state),
					  (void *)set + bpf_core_field_offset(struct css_set, subsys) +
						  (controller & 31) * sizeof(state)))
			return false;
		cgroup = BPF_CORE_READ(state, cgroup);
	}
	if (!cgroup || (__u32)BPF_CORE_READ(cgroup, level) < level)
		return false;
	return cgroup_ancestor_id(cgroup, level) == id;
}

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
