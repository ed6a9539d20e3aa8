/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the kernel side reads the kernel: one macro for fields, and the flavours of structures that changed between
 * releases, each with the commit and the version it is for. vmlinux.h comes first, everything else after.
 *
 * kernel_read(pointer, field): where bpf_rdonly_cast exists (6.2) the load is one instruction that the JIT guards
 * against faults; elsewhere it is a call of bpf_probe_read_kernel, some ten times dearer. load/ finds out by looking
 * for the function in the kernel's BTF; the branch not taken is removed by the verifier.
 */
#pragma once

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 00170000
#define S_IFSOCK 0140000
#define ERROR_PIPE 32
#define ERROR_CONNRESET 104
#define ERROR_TIMEDOUT 110

#define MESSAGE_OOB 0x1
#define MESSAGE_PEEK 0x2
#define MESSAGE_TRUNC 0x20
#define MESSAGE_ERRQUEUE 0x2000

const volatile bool have_rdonly_cast = false;

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

#define kernel_read(pointer, field)                                                                          \
	({                                                                                                   \
		typeof(pointer) _from = (pointer);                                                           \
		typeof(_from->field) _value;                                                                 \
		if (have_rdonly_cast)                                                                        \
			_value = ((typeof(pointer))bpf_rdonly_cast((const void *)_from,                      \
								   bpf_core_type_id_kernel(typeof(*_from)))) \
					 ->field;                                                            \
		else if (bpf_core_read(&_value, sizeof(_value), &_from->field))                              \
			__builtin_memset(&_value, 0, sizeof(_value));                                        \
		_value;                                                                                      \
	})

/* The pointer at a kernel address. */
static __always_inline void *kernel_read_pointer(const void *address)
{
	/* A structure that begins with a pointer lends its type. */
	return kernel_read((struct list_head *)address, next);
}

/* The word at a kernel address, which to the verifier is no pointer. */
static __always_inline __u64 kernel_read_word(const void *address)
{
	/* As above, of a structure that begins with a number. */
	return (__u64)kernel_read((struct timespec64 *)address, tv_sec);
}

/* A size of which the verifier knows that it is at most `limit`, a constant; 0 in place of one that is more. What is
 * compared here is the register that is used afterwards: the compiler would compare a copy, which verifiers before 6.5,
 * and later ones among many copies, do not know for the same. */
#define at_most(size, limit)                                                              \
	({                                                                                \
		__u64 _size = (size);                                                     \
		asm volatile("if %0 <= %1 goto +1\n\t%0 = 0" : "+r"(_size) : "i"(limit)); \
		_size;                                                                    \
	})

/* As bpf_get_current_pid_tgid, without the call where that is the dearer way. */
static __always_inline __u64 pid_tgid_of(struct task_struct *task)
{
	if (have_rdonly_cast)
		return (__u64)kernel_read(task, tgid) << 32 | (__u32)kernel_read(task, pid);
	return bpf_get_current_pid_tgid();
}

/* Where Go keeps the running goroutine's address (src/cmd/compile/abi-internal.md; 1.17 on for amd64), of the system
 * call that the thread is in. What is kept of it names one goroutine of a process: an object of more than 256 bytes
 * lies at a multiple of 32 (src/runtime/sizeclasses.go), in a heap that grows upward from one address. */
#if defined(__TARGET_ARCH_x86)
#define goroutine_of(regs) ((__u32)((regs)->r14 >> 5))
#else
#define goroutine_of(regs) ((__u32)((regs)->regs[28] >> 5))
#endif

/* Of the system call that the registers of user mode are of; CALL_NUMBER_NONE: an exception or an interrupt. */
#if defined(__TARGET_ARCH_x86)
#define call_number(regs) ((__u64)(regs)->orig_ax)
#else
#define call_number(regs) ((__u64)(__u32)(regs)->syscallno)
#endif
#define CALL_NUMBER_NONE (-1)

/* Up to 6.0 a cgroup names its ancestors by id: ancestor_ids[level]. 6.1 (7f203bc89eb6) keeps pointers:
 * ancestors[level]. COMPAT(kernel 6.0) */
struct cgroup___until_6_0 {
	u64 ancestor_ids[0];
} __attribute__((preserve_access_index));

struct cgroup___since_6_1 {
	struct cgroup *ancestors[0];
} __attribute__((preserve_access_index));

/* iov_iter: `type` carried kind and direction in one word until 5.13 (8cd54c1c8480, 5.14: iter_type); `iov` became
 * `__iov` in 6.4 (de4f5fed3f23), which also lets ITER_UBUF (6.0, fcb14cb1bdac) share its place. COMPAT(kernel 6.3) */
struct iov_iter___until_5_13 {
	unsigned int type;
} __attribute__((preserve_access_index));

struct iov_iter___until_6_3 {
	const struct iovec *iov;
} __attribute__((preserve_access_index));

struct iov_iter___since_6_4 {
	const struct iovec *__iov;
} __attribute__((preserve_access_index));

struct iov_iter___ubuf {
	void *ubuf;
} __attribute__((preserve_access_index));

enum iter_type___ubuf {
	ITER_UBUF___ubuf = 0x7f,
};

/* 32-bit tasks on x86-64 set TS_COMPAT in thread_info.status while in a system call; arm64 sets TIF_32BIT in flags. */
#define X86_TS_COMPAT 0x0002
#define ARM64_TIF_32BIT (1 << 22)
