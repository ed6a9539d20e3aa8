/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mdadm: software RAID, from /proc/mdstat (drivers/md/md.c, md_seq_show) and /sys/block/md*.
 *
 *     md0 : active raid1 sdb1[1] sda1[0](F)
 *           523968 blocks super 1.2 [2/1] [_U]
 *           [=>...........]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec
 *           bitmap: 0/30 pages [0KB], 65536KB chunk
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"
#include "host/mdstat.h"

static void tell_array(struct host *host, const struct mdstat_array *array)
{
	static const struct metric_family required =
		FAMILY("node_md_disks_required", METRIC_GAUGE, "", "Disks that the array is made for.");
	static const struct metric_family disks =
		FAMILY("node_md_disks", METRIC_GAUGE, "", "Disks of the array, by state.");
	static const struct metric_family states =
		FAMILY("node_md_state", METRIC_GAUGE, "", "State of the array: 1 for the one it is in.");
	static const struct metric_family blocks = FAMILY("node_md_blocks", METRIC_GAUGE, "", "Blocks of the array.");
	static const struct metric_family synced =
		FAMILY("node_md_blocks_synced", METRIC_GAUGE, "", "Blocks of the array that are in step.");
	static const struct {
		const char *told, *state;
	} names[] = { { "active", "active" },
		      { "inactive", "inactive" },
		      { "recovering", "recovering" },
		      { "resync", "resyncing" },
		      { "check", "checking" } };
	const struct {
		const char *state;
		uint64_t count;
	} counts[] = { { "active", array->active }, { "failed", array->failed }, { "spare", array->spare } };
	char device[64];
	struct metric_label labels[] = { { "device", device }, { "state", NULL } };

	span_copy(array->name, device, sizeof(device));
	host_tell_labels(host, &required, labels, 1, (double)array->total);
	for (size_t i = 0; i < 3; i++) {
		labels[1].value = counts[i].state;
		host_tell_labels(host, &disks, labels, 2, (double)counts[i].count);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		labels[1].value = names[i].told;
		host_tell_labels(host, &states, labels, 2, span_is(array->state, names[i].state));
	}
	host_tell_labels(host, &blocks, labels, 1, (double)array->blocks);
	host_tell_labels(host, &synced, labels, 1, (double)array->synced);
}

/* "11 (10)" while it is being reshaped. Containers have no disks of their own. */
static void tell_raid_disks(struct host *host, int directory, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_md_raid_disks", METRIC_GAUGE, "", "Disks of the array, as sysfs has it.");
	static const char *const containers[] = { "container", "imsm", "ddf", "" };
	char path[96], buffer[64];
	struct span text = { buffer, 0 };
	uint64_t value;

	snprintf(path, sizeof(path), "%.32s/md/level", name);
	if (host_read_small(directory, path, buffer, sizeof(buffer), &text))
		return;
	for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
		if (span_is(text, containers[i]))
			return;
	snprintf(path, sizeof(path), "%.32s/md/raid_disks", name);
	if (!host_read_small(directory, path, buffer, sizeof(buffer), &text) && scan_u64(&text, &value))
		host_tell_of(host, &family, "device", name, (double)value);
}

static int tell_block(void *ctx, int directory, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_md_degraded", METRIC_GAUGE, "", "Disks that the array is short of.");
	struct host *host = ctx;
	char path[96];
	uint64_t degraded = 0;

	if (strncmp(name, "md", 2) || strlen(name) > 32)
		return 0;
	snprintf(path, sizeof(path), "%s/md", name);
	if (faccessat(directory, path, F_OK, 0))
		return 0;
	tell_raid_disks(host, directory, name);
	/* Levels without redundancy have no such file. */
	snprintf(path, sizeof(path), "%s/md/degraded", name);
	if (host_read_u64(directory, path, &degraded))
		degraded = 0;
	host_tell_of(host, &family, "device", name, (double)degraded);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct mdstat_array array;
	struct span text;
	int error = host_read_kept(host, host->proc_fd, "mdstat", &text);

	(void)ctx;
	if (error)
		return error == -ENOENT ? -ENODATA : error;
	while (mdstat_next(&text, &array, &error))
		tell_array(host, &array);
	if (error)
		return error;
	host_at(host, "block");
	error = host_each(host->sys_fd, "block", tell_block, host);
	return error == -ENOENT ? 0 : error;
}

const struct collector host_mdadm = { .update = update };
