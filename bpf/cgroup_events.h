/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Births and deaths of cgroups, as the kernel side tells them. Included on both sides, like events.h.
 */
#ifndef SONDE_CGROUP_EVENTS_H
#define SONDE_CGROUP_EVENTS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum cgroup_event_type {
	CGROUP_BORN = 1,
	CGROUP_DIED,
};

/* Which of the last figures could be read. */
enum cgroup_last_known {
	CGROUP_LAST_CPU = 1,
	CGROUP_LAST_MEMORY = 2,
};

#define CGROUP_PATH_BYTES 4096

/* `path_length` bytes of path follow, without a NUL. */
struct cgroup_event {
	__u32 type;
	__u32 length; /* of the whole event */
	__u64 id;     /* kernfs id */
	__u64 time_ns;
	__u64 cpu_ns; /* last figures, of a death: those that `known` names */
	__u64 user_ns;
	__u64 system_ns;
	__u64 memory_peak_pages;
	__u64 oom_kills;
	__u32 hierarchy; /* as /proc/PID/cgroup numbers it; 0: v2 */
	__u32 known;
	__u32 path_length;
	__u32 reserved;
};
_Static_assert(sizeof(struct cgroup_event) == 80, "cgroup_event");

#endif
