/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For load/preempt.c, loaded at the start and let go again: a program that takes some milliseconds, at the return of
 * a function and on a tracepoint, so that it can be seen whether the kernel lets another thread on its processor
 * meanwhile.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "perf_depth.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SPIN_NS 3000000ULL
#define SPIN_ROUNDS 1024 /* copies, of some microseconds each; the verifier follows every one */
#define SPIN_BYTES 65536

/* The thread that asks: the programs are for it alone. */
__u32 spin_thread = 0;
__u64 spin_begin_ns = 0;
__u64 spin_end_ns = 0;
__u64 spin_steps_ns = 0; /* the bits of all times between two looks at the clock: the highest is the longest's */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[2 * SPIN_BYTES]);
} memory SEC(".maps");

static __always_inline void spin(void)
{
	__u32 only = 0;
	__u8 *bytes = bpf_map_lookup_elem(&memory, &only);
	__u64 begin = bpf_ktime_get_ns(), end = begin, now, steps = 0;

	for (int i = 0; bytes && i < SPIN_ROUNDS && end - begin < SPIN_NS; i++) {
		bpf_probe_read_kernel(bytes, SPIN_BYTES, bytes + SPIN_BYTES);
		now = bpf_ktime_get_ns();
		steps |= now - end;
		end = now;
	}
	spin_steps_ns = steps;
	spin_begin_ns = begin;
	spin_end_ns = end;
}

/* A function that the kernel has for such ends: it is called when user space runs the program. */
SEC("fexit/bpf_fentry_test1")
int BPF_PROG(spin_function, int argument, int result)
{
	if ((__u32)bpf_get_current_pid_tgid() == spin_thread)
		spin();
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(spin_exit, struct pt_regs *regs, long result)
{
	if ((__u32)bpf_get_current_pid_tgid() == spin_thread)
		spin();
	return 0;
}

int perf_depth_seen = 0;

/* Only to be loaded: can it be asked? */
SEC("tp_btf/sys_exit")
int BPF_PROG(ask_perf_depth, struct pt_regs *regs, long result)
{
	perf_depth_seen = perf_depth();
	return 0;
}
