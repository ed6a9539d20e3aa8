/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time that threads wait for pages: is one that leaves its CPU, or has it again, inside of a page fault and waiting
 * for a read? The kernel marks a thread that waits for I/O (in_iowait) from before it sleeps until it runs again, so of
 * other switches this costs one bit, and no fault pays anything for having no wait. That it is inside of a fault the
 * kernel marks as well:
 *
 * - in_lru_fault (6.1, ec1c86b25f4b, CONFIG_LRU_GEN): any fault, but in mappings that are read in order or at random
 *   by madvise, and files that are not to be used again.
 * - in_user_fault (4.19, 29ef680ae7c2, CONFIG_MEMCG; since 6.11, 1419ff984aad, CONFIG_MEMCG_V1): a fault of user mode.
 * - the registers that user mode left (bpf_task_pt_regs, 5.15, dd6e10fbd9fb): an exception is in no system call
 *   (orig_ax is -1 on x86-64, syscallno on arm64). Interrupts too; they do not wait for I/O.
 *
 * So faults of user mode are seen wherever one of the last two is, those inside of system calls with the first. Without
 * it a system call that waits would look like a fault if its thread had one afterwards that did not wait, as with
 * compressed swap: they are left out.
 *
 * Considered: hooks at both ends of handle_mm_fault, which run at every minor fault, and exceptions:page_fault_user,
 * which has no end; the kernel stack, whose walk would cost more than all else at each wait for a disk.
 */
#pragma once

#include "fault_wait.h"
#include "kernel.h"

/* COMPAT(kernel 6.0) */
struct task_struct___with_lru_fault {
	unsigned int in_lru_fault : 1;
} __attribute__((preserve_access_index));

struct task_struct___with_user_fault {
	unsigned int in_user_fault : 1;
} __attribute__((preserve_access_index));

/* For a task of a tracepoint's arguments: by plain loads. */
static __always_inline bool is_in_fault(struct task_struct *task)
{
	struct task_struct___with_lru_fault *any = (void *)task;
	struct task_struct___with_user_fault *user = (void *)task;
	struct pt_regs *regs;

	if (bpf_core_field_exists(any->in_lru_fault) && BPF_CORE_READ_BITFIELD(any, in_lru_fault))
		return true;
	if (bpf_core_field_exists(user->in_user_fault))
		return BPF_CORE_READ_BITFIELD(user, in_user_fault);
	/* COMPAT(kernel 5.14) */
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return false;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	return (__s32)call_number(regs) == CALL_NUMBER_NONE;
}

static __always_inline bool waits_in_fault(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait) && is_in_fault(task);
}
