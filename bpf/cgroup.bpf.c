/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The births and deaths of cgroups. A container of milliseconds is gone before anybody looks; at its death the kernel
 * still has its account, which is read here: user space cannot, because the files go with the directory.
 *
 * CPU time is kept per CPU. A per-CPU pointer of the kernel's becomes a CPU's by adding that CPU's offset, and the
 * offset is found by looking: an element of a per-CPU map has such a pointer and, on each CPU, an address. A symbol
 * (__per_cpu_offset, runqueues) would be shorter, but kernels without CONFIG_KALLSYMS_ALL do not resolve them.
 */
#include "kernel.h"

#include "cgroup_events.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CPUS_MAX 1024

/* Until 6.15 base statistics were beside the tree's, in rstat_cpu; 6.16 (f6e9a26e2d48) has rstat_base_cpu.
 * COMPAT(kernel 6.15) */
struct cgroup_rstat_cpu___until_6_15 {
	struct cgroup_base_stat bstat;
	struct cgroup_base_stat last_bstat;
} __attribute__((preserve_access_index));

struct cgroup___until_6_15 {
	struct cgroup_rstat_cpu___until_6_15 *rstat_cpu;
} __attribute__((preserve_access_index));

struct cgroup_rstat_base_cpu___since_6_16 {
	struct cgroup_base_stat bstat;
	struct cgroup_base_stat last_bstat;
} __attribute__((preserve_access_index));

struct cgroup___since_6_16 {
	struct cgroup_rstat_base_cpu___since_6_16 *rstat_base_cpu;
} __attribute__((preserve_access_index));

/* cpuacct counted user and system time apart until 5.16 (dd02d4234c9a, 5.17). COMPAT(kernel 5.16) */
struct cpuacct_usage___until_5_16 {
	u64 usages[2];
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} cgroup_ring SEC(".maps");

struct cgroup_scratch {
	struct cgroup_event event;
	__u8 path[CGROUP_PATH_BYTES];
};

/* cgroup_mutex is held: one birth or death at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_scratch);
} cgroup_scratch SEC(".maps");

__u64 cgroup_lost = 0; /* events that found no room */

const volatile __u32 cpu_count = 1;

struct cpu_offset {
	__u64 offset;
	__u64 known; /* a CPU that is off has run nothing, until it is on and looked at */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CPUS_MAX);
	__type(key, __u32);
	__type(value, struct cpu_offset);
} cpu_offsets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cpu_anchor SEC(".maps");

/* A pointer as a number. The verifier lets no arithmetic be done with some; where they are stored is only memory. */
static __always_inline __u64 address_of(void *pointer)
{
	void *volatile kept = pointer;
	__u64 address = 0;

	if (bpf_probe_read_kernel(&address, sizeof(address), (void *)&kept))
		return 0;
	return address;
}

/* Run once on every CPU (BPF_F_TEST_RUN_ON_CPU). */
SEC("raw_tp")
int cgroup_measure(void *ctx)
{
	__u32 key = 0, cpu = bpf_get_smp_processor_id();
	__u64 *here = bpf_map_lookup_elem(&cpu_anchor, &key), pointer = 0, map = address_of(&cpu_anchor);
	struct cpu_offset *offset = bpf_map_lookup_elem(&cpu_offsets, &cpu);

	if (!here || !offset || !map ||
	    bpf_probe_read_kernel(&pointer, sizeof(pointer),
				  (void *)(map + bpf_core_field_offset(struct bpf_array, pptrs))))
		return 0;
	offset->offset = address_of(here) - pointer;
	offset->known = 1;
	return 1;
}

/* `pointer`, of the kernel's per-CPU memory, on a CPU; 0 when the CPU never was on. */
static __always_inline __u64 on_cpu(__u64 pointer, __u32 cpu)
{
	struct cpu_offset *offset = bpf_map_lookup_elem(&cpu_offsets, &cpu);

	return offset && offset->known && pointer ? pointer + offset->offset : 0;
}

static __always_inline void add_time(struct cgroup_event *event, const struct task_cputime *time, __u64 sign)
{
	event->cpu_ns += sign * time->sum_exec_runtime;
	event->user_ns += sign * time->utime;
	event->system_ns += sign * time->stime;
}

/* What each CPU has counted since the kernel last added it up. */
static __always_inline bool add_unflushed(struct cgroup_event *event, __u64 base, __u32 now_at, __u32 last_at)
{
	for (__u32 cpu = 0; cpu < CPUS_MAX && cpu < cpu_count; cpu++) {
		struct task_cputime now, last;
		__u64 there = on_cpu(base, cpu);

		if (!there)
			continue;
		if (bpf_probe_read_kernel(&now, sizeof(now), (void *)(there + now_at)) ||
		    bpf_probe_read_kernel(&last, sizeof(last), (void *)(there + last_at)))
			return false;
		add_time(event, &now, 1);
		add_time(event, &last, -1);
	}
	return true;
}

/* v2: what was added up, and what was not yet. */
static __always_inline bool read_cpu_unified(struct cgroup_event *event, struct cgroup *cgroup)
{
	struct cgroup___since_6_16 *new = (void *)cgroup;
	struct cgroup___until_6_15 *old = (void *)cgroup;
	struct task_cputime flushed;

	if (bpf_core_read(&flushed, sizeof(flushed), &cgroup->bstat.cputime))
		return false;
	add_time(event, &flushed, 1);
	if (bpf_core_field_exists(new->rstat_base_cpu))
		return add_unflushed(event, (__u64)BPF_CORE_READ(new, rstat_base_cpu),
				     bpf_core_field_offset(struct cgroup_rstat_base_cpu___since_6_16, bstat),
				     bpf_core_field_offset(struct cgroup_rstat_base_cpu___since_6_16, last_bstat));
	return add_unflushed(event, (__u64)BPF_CORE_READ(old, rstat_cpu),
			     bpf_core_field_offset(struct cgroup_rstat_cpu___until_6_15, bstat),
			     bpf_core_field_offset(struct cgroup_rstat_cpu___until_6_15, last_bstat));
}

static __always_inline struct cgroup_subsys_state *state_of(struct cgroup *cgroup, __u32 index)
{
	struct cgroup_subsys_state *state = NULL;

	if (bpf_probe_read_kernel(&state, sizeof(state),
				  (void *)cgroup + bpf_core_field_offset(struct cgroup, subsys) +
					  (index & 31) * sizeof(state)))
		return NULL;
	return state;
}

/* v1: cpuacct's sums per CPU, time by mode beside them. A controller's state begins with its css. */
static __always_inline bool read_cpuacct(struct cgroup_event *event, struct cpuacct *account)
{
	__u64 usage = (__u64)BPF_CORE_READ(account, cpuusage), modes = (__u64)BPF_CORE_READ(account, cpustat);
	bool apart = bpf_core_type_exists(struct cpuacct_usage___until_5_16);

	for (__u32 cpu = 0; cpu < CPUS_MAX && cpu < cpu_count; cpu++) {
		__u64 used[2] = {}, mode[CPUTIME_IRQ + 1] = {};
		__u64 there = on_cpu(usage, cpu);

		if (!there)
			continue;
		if (bpf_probe_read_kernel(&used[0], sizeof(used[0]), (void *)there) ||
		    (apart && bpf_probe_read_kernel(&used[1], sizeof(used[1]), (void *)(there + sizeof(used[0])))) ||
		    bpf_probe_read_kernel(mode, sizeof(mode), (void *)on_cpu(modes, cpu)))
			return false;
		event->cpu_ns += used[0] + used[1];
		event->user_ns += mode[CPUTIME_USER] + mode[CPUTIME_NICE];
		event->system_ns += mode[CPUTIME_SYSTEM] + mode[CPUTIME_IRQ] + mode[CPUTIME_SOFTIRQ];
	}
	return true;
}

static __always_inline void read_memory(struct cgroup_event *event, struct mem_cgroup *memory)
{
	__u32 index = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL);
	__s64 kills = 0;

	event->memory_peak_pages = BPF_CORE_READ(memory, memory.watermark);
	if (!bpf_probe_read_kernel(&kills, sizeof(kills),
				   (void *)memory + bpf_core_field_offset(struct mem_cgroup, memory_events) +
					   (index & 31) * sizeof(kills)))
		event->oom_kills = kills;
	event->known |= CGROUP_LAST_MEMORY;
}

static __always_inline void read_last(struct cgroup_event *event, struct cgroup *cgroup)
{
	struct cgroup_subsys_state *account = NULL, *memory = NULL;
	bool known = false;

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, cpuacct_cgrp_id))
		account = state_of(cgroup, bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id));
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		memory = state_of(cgroup, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if (!event->hierarchy)
		known = read_cpu_unified(event, cgroup);
	else if (account)
		known = read_cpuacct(event, (struct cpuacct *)account);
	if (known)
		event->known |= CGROUP_LAST_CPU;
	if (memory)
		read_memory(event, (struct mem_cgroup *)memory);
}

static __always_inline void tell(struct cgroup *cgroup, const char *path, __u32 type)
{
	__u32 key = 0;
	struct cgroup_scratch *scratch = bpf_map_lookup_elem(&cgroup_scratch, &key);
	struct cgroup_event *event;
	long length;
	__u32 size;

	if (!scratch)
		return;
	event = &scratch->event;
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->id = BPF_CORE_READ(cgroup, kn, id);
	event->time_ns = bpf_ktime_get_ns();
	event->hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	if (type == CGROUP_DIED)
		read_last(event, cgroup);
	length = bpf_probe_read_kernel_str(scratch->path, sizeof(scratch->path), path);
	event->path_length = length > 0 ? length - 1 : 0;
	size = sizeof(*event) + (event->path_length & (CGROUP_PATH_BYTES - 1));
	event->length = size;
	if (bpf_ringbuf_output(&cgroup_ring, scratch, size, 0))
		__sync_fetch_and_add(&cgroup_lost, 1);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_born, struct cgroup *cgroup, const char *path)
{
	tell(cgroup, path, CGROUP_BORN);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_died, struct cgroup *cgroup, const char *path)
{
	tell(cgroup, path, CGROUP_DIED);
	return 0;
}
