/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a thread has waited in a major page fault. A fault is known for a major one only when it is over: the
 * kernel counts it at its end, in maj_flt of the thread if it had to be read or tried again, else in min_flt. So what
 * was waited inside of it is kept until one of the two grows, which is looked at when the thread leaves its CPU next.
 * A fault may wait several times: for the blocks that say where the page is, then for the page. Times are
 * CLOCK_MONOTONIC's. Included on both sides, like usage.h.
 */
#ifndef SONDE_FAULT_WAIT_H
#define SONDE_FAULT_WAIT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct fault_wait {
	__u64 left_ns;   /* when the thread left its CPU to wait; 0: it is not waiting */
	__u64 waited_ns; /* in a fault that was not over when it was last looked at */
	__u32 major;     /* faults of the thread that were over when it began to wait; they may wrap */
	__u32 minor;
};
_Static_assert(sizeof(struct fault_wait) == 24, "fault_wait");

static inline __attribute__((always_inline)) __u32 fault_wait_is_open(const struct fault_wait *wait)
{
	return (wait->left_ns | wait->waited_ns) != 0;
}

/* The thread leaves its CPU, for whatever reason: how long it has waited in a major fault that is over now. When both
 * kinds have ended since, the one that waited is taken for the major one. */
static inline __attribute__((always_inline)) __u64 fault_wait_settle(struct fault_wait *wait, __u32 major, __u32 minor)
{
	__u64 waited_ns = wait->waited_ns;

	wait->left_ns = 0; /* else its return was missed, and nobody knows when that was */
	if (wait->major == major && wait->minor == minor)
		return 0; /* still the same fault */
	wait->waited_ns = 0;
	return wait->major != major ? waited_ns : 0;
}

/* It leaves its CPU to wait inside of a fault. Settled before. */
static inline __attribute__((always_inline)) void fault_wait_begin(struct fault_wait *wait, __u32 major, __u32 minor,
								   __u64 now_ns)
{
	wait->left_ns = now_ns;
	wait->major = major;
	wait->minor = minor;
}

/* It has a CPU again. */
static inline __attribute__((always_inline)) void fault_wait_end(struct fault_wait *wait, __u64 now_ns)
{
	if (wait->left_ns)
		wait->waited_ns += now_ns - wait->left_ns;
	wait->left_ns = 0;
}

#endif
