/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which cgroup a task is in: the v2 tree's, or that of a v1 controller, and whether that lies in a given subtree.
 */
#pragma once

#include "events.h"
#include "kernel.h"

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

static __always_inline bool cgroup_is_below(struct cgroup *cgroup, __u64 id, __u32 level)
{
	return cgroup && (__u32)BPF_CORE_READ(cgroup, level) >= level && cgroup_ancestor_id(cgroup, level) == id;
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
	return cgroup_is_below(cgroup, id, level);
}
