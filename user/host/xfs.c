/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xfs: /sys/fs/xfs/DEVICE/stats/stats (fs/xfs/xfs_stats.c, xfs_stats_format): a line for each group, its name and its
 * counters, which have 32 bits and begin anew. Of the groups those that node_exporter tells.
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define VALUES_MAX 8
#define FIGURE(name, help) FAMILY("node_xfs_" name "_total", METRIC_COUNTER, "", help)

static const struct group {
	const char *name;
	size_t least, most; /* values */
	struct metric_family families[VALUES_MAX];
} groups[] = {
	{ "extent_alloc",
	  4,
	  4,
	  { FIGURE("extent_allocation_extents_allocated", "Extents allocated."),
	    FIGURE("extent_allocation_blocks_allocated", "Blocks allocated."),
	    FIGURE("extent_allocation_extents_freed", "Extents freed."),
	    FIGURE("extent_allocation_blocks_freed", "Blocks freed.") } },
	{ "abt",
	  4,
	  4,
	  { FIGURE("allocation_btree_lookups", "Lookups in the allocation B-trees."),
	    FIGURE("allocation_btree_compares", "Comparisons in the allocation B-trees."),
	    FIGURE("allocation_btree_records_inserted", "Records put into the allocation B-trees."),
	    FIGURE("allocation_btree_records_deleted", "Records taken out of the allocation B-trees.") } },
	{ "blk_map",
	  7,
	  7,
	  { FIGURE("block_mapping_reads", "Block maps asked for to read."),
	    FIGURE("block_mapping_writes", "Block maps asked for to write."),
	    FIGURE("block_mapping_unmaps", "Block maps removed."),
	    FIGURE("block_mapping_extent_list_insertions", "Extents put into a file's list."),
	    FIGURE("block_mapping_extent_list_deletions", "Extents taken out of a file's list."),
	    FIGURE("block_mapping_extent_list_lookups", "Lookups in files' lists of extents."),
	    FIGURE("block_mapping_extent_list_compares", "Comparisons in files' lists of extents.") } },
	{ "bmbt",
	  4,
	  4,
	  { FIGURE("block_map_btree_lookups", "Lookups in the block map B-trees."),
	    FIGURE("block_map_btree_compares", "Comparisons in the block map B-trees."),
	    FIGURE("block_map_btree_records_inserted", "Records put into the block map B-trees."),
	    FIGURE("block_map_btree_records_deleted", "Records taken out of the block map B-trees.") } },
	{ "dir",
	  4,
	  4,
	  { FIGURE("directory_operation_lookup", "Names looked up that the kernel had not cached."),
	    FIGURE("directory_operation_create", "Entries made."),
	    FIGURE("directory_operation_remove", "Entries removed."),
	    FIGURE("directory_operation_getdents", "Directories listed.") } },
	{ "ig",
	  7,
	  7,
	  { FIGURE("inode_operation_attempts", "Inodes looked for in the cache."),
	    FIGURE("inode_operation_found", "Inodes found in the cache."),
	    FIGURE("inode_operation_recycled", "Inodes found in the cache while they were being recycled."),
	    FIGURE("inode_operation_missed", "Inodes not found in the cache."),
	    FIGURE("inode_operation_duplicates", "Inodes that another process had put in meanwhile."),
	    FIGURE("inode_operation_reclaims", "Inodes taken out of the cache for their memory."),
	    FIGURE("inode_operation_attribute_changes", "Changes of inodes' attributes.") } },
	{ "rw", 2, 2, { FIGURE("write_calls", "Calls of write."), FIGURE("read_calls", "Calls of read.") } },
	{ "vnodes",
	  7,
	  8,
	  { FIGURE("vnode_active", "Vnodes not on a free list."), FIGURE("vnode_allocate", "Calls of vn_alloc."),
	    FIGURE("vnode_get", "Calls of vn_get."), FIGURE("vnode_hold", "Calls of vn_hold."),
	    FIGURE("vnode_release", "Calls of vn_rele."), FIGURE("vnode_reclaim", "Calls of vn_reclaim."),
	    FIGURE("vnode_remove", "Calls of vn_remove.") } },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static int parse_group(struct span line, const struct group *group, uint64_t values[VALUES_MAX])
{
	struct span word;
	size_t count = 0;

	for (; scan_word(&line, &word); count++)
		if (count == group->most || span_u64(word, &values[count]) || values[count] > UINT32_MAX)
			return -EINVAL;
	return count < group->least ? -EINVAL : 0;
}

static int parse(struct span text, uint64_t values[GROUPS][VALUES_MAX])
{
	struct span line, word;
	int error = 0;

	while (!error && scan_line(&text, &line)) {
		if (!scan_word(&line, &word))
			continue;
		for (size_t i = 0; i < GROUPS && !error; i++)
			if (span_is(word, groups[i].name))
				error = parse_group(line, &groups[i], values[i]);
	}
	return error;
}

/* A group that the kernel has not is told as zeros, as node_exporter does. */
static int tell_device(void *ctx, int directory, const char *name)
{
	uint64_t values[GROUPS][VALUES_MAX] = { 0 };
	struct host *host = ctx;
	struct span text;
	char path[320];
	int error;

	snprintf(path, sizeof(path), "%s/stats/stats", name);
	error = host_read_once(host, directory, path, &text);
	if (error) /* the statistics of all filesystems together, and debug/, stand beside those of each */
		return error == -ENOENT || error == -ENOTDIR ? 0 : error;
	error = parse(text, values);
	for (size_t i = 0; i < GROUPS && !error; i++)
		for (size_t j = 0; j < VALUES_MAX && groups[i].families[j].name; j++)
			host_tell_of(host, &groups[i].families[j], "device", name, (double)values[i][j]);
	return error;
}

static int update(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	host_at(host, "fs/xfs");
	error = host_each(host->sys_fd, "fs/xfs", tell_device, host);
	return error == -ENOENT ? 0 : error;
}

const struct collector host_xfs = { .update = update };
