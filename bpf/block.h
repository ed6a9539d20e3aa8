/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long block requests took, by cgroup, device and operation. The kernel keeps the time at which a request was made
 * (start_time_ns, what /proc/diskstats adds up): one hook, at the end, suffices. The cgroup is the one that the block
 * layer charges: on v2 that of the writing process, for what the kernel writes back later too.
 */
#pragma once

#include "usage_maps.h"

/* The disk moved from the request to its queue in 5.17 (f3fa33acca9f). COMPAT(kernel 5.16) */
struct request___until_5_16 {
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

struct request_queue___since_5_15 {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

#define REQUEST_OP_MASK 0xff /* REQ_OP_BITS of linux/blk_types.h */

static __always_inline __u32 block_operation(__u32 flags)
{
	__u32 operation = flags & REQUEST_OP_MASK;

	return operation < BLOCK_OTHER ? operation : BLOCK_OTHER; /* REQ_OP_READ 0 to REQ_OP_DISCARD 3 */
}

static __always_inline struct gendisk *request_disk(struct request *request)
{
	struct request_queue *queue;

	if (bpf_core_field_exists(((struct request___until_5_16 *)0)->rq_disk))
		return BPF_CORE_READ((struct request___until_5_16 *)request, rq_disk);
	queue = BPF_CORE_READ(request, q);
	return BPF_CORE_READ((struct request_queue___since_5_15 *)queue, disk);
}

/* Not inline: taken out of the loop, a relocation that the kernel does not have would be met on the way. */
static __noinline bool block_is_below(struct cgroup *cgroup, __u64 id, __u32 level)
{
	return cgroup_is_below(cgroup, id, level);
}

/* `cgroup` is of the tree that the block controller is in. */
static __always_inline bool block_selected(struct cgroup *cgroup, __u64 id)
{
	if (!selected_cgroup_count)
		return true;
	if (!blocks_apart)
		return bpf_map_lookup_elem(&event_usages, &id);
	for (__u32 i = 0; i < SELECT_CGROUPS_MAX; i++) {
		if (i >= selected_cgroup_count)
			break;
		if (selected_blocks[i].id && block_is_below(cgroup, selected_blocks[i].id, selected_blocks[i].level))
			return true;
	}
	return false;
}

static __always_inline void on_request_done(struct request *request, __u32 error, __u32 bytes)
{
	struct detail_key key = { .kind = DETAIL_BLOCK };
	__u64 start_ns = BPF_CORE_READ(request, start_time_ns);
	struct gendisk *disk = request_disk(request);
	struct detail_value *detail;
	struct cgroup *cgroup;

	/* Parts of a request may be done one by one: the last counts. Others than a file system's have no disk. */
	if (bytes < BPF_CORE_READ(request, __data_len) || !disk)
		return;
	cgroup = BPF_CORE_READ(request, bio, bi_blkg, blkcg, css.cgroup);
	key.cgroup = BPF_CORE_READ(cgroup, kn, id);
	if (!block_selected(cgroup, key.cgroup))
		return;
	if (!start_ns) {
		count_loss(USAGE_LOST_REQUEST);
		return;
	}
	key.operation = block_operation(BPF_CORE_READ(request, cmd_flags));
	key.major = BPF_CORE_READ(disk, major);
	key.minor = BPF_CORE_READ(disk, first_minor);
	detail = detail_of(&key);
	if (!detail)
		return;
	add_latency(&detail->latency, bpf_ktime_get_ns() - start_ns);
	if (error)
		__sync_fetch_and_add(&detail->errors, 1);
}
