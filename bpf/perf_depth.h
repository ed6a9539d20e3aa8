/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How deep this processor is in perf's and kprobes' programs, or in a system call on a map: where that is not 0, the
 * kernel skips the next one of them (kernel/trace/bpf_trace.c, trace_call_bpf). A kernel whose kallsyms leave out data
 * (CONFIG_KALLSYMS_ALL) refuses a program that asks: load/preempt.c finds out.
 */
#pragma once

#include <bpf/bpf_helpers.h>

extern const int bpf_prog_active __ksym __weak;

static __always_inline int perf_depth(void)
{
	const int *active = &bpf_prog_active ? bpf_this_cpu_ptr(&bpf_prog_active) : NULL;

	return active ? *active : 0;
}
