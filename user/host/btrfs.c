/* SPDX-License-Identifier: Apache-2.0 */
/*
 * btrfs: /sys/fs/btrfs/UUID (fs/btrfs/sysfs.c), and of filesystems that are mounted where they can be asked, what
 * their devices say (include/uapi/linux/btrfs.h).
 */
#include "host/btrfs.h"

#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define ROOT "fs/btrfs"
#define TEXT_SIZE 288 /* BTRFS_LABEL_SIZE is 256 */
#define SECTOR_BYTES 512

static int read_number(int directory, const char *path, uint64_t *ret_value)
{
	uint64_t value = 0;
	int error = host_read_u64(directory, path, &value);

	/* What an older kernel has not is told as 0. */
	if (error && error != -ENOENT)
		return error;
	*ret_value = error ? 0 : value;
	return 0;
}

static int count_device(void *ctx, int directory, const char *name)
{
	(void)directory;
	(void)name;
	++*(size_t *)ctx;
	return 0;
}

static int tell_device(void *ctx, int directory, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_btrfs_device_size_bytes", METRIC_GAUGE, "bytes", "Size of the filesystem's device.");
	const struct btrfs_volume *volume = ctx;
	const struct metric_label labels[] = { { "uuid", volume->uuid }, { "device", name } };
	char path[320];
	uint64_t sectors;
	int error;

	snprintf(path, sizeof(path), "%s/size", name);
	error = read_number(directory, path, &sectors);
	if (!error)
		host_tell_labels(volume->host, &family, labels, 2, (double)(sectors * SECTOR_BYTES));
	return error;
}

/* Bytes on disks for each byte of data. */
static double ratio_of(const char *profile, size_t devices)
{
	static const struct {
		const char *profile;
		double ratio;
	} ratios[] = { { "single", 1 }, { "raid0", 1 },   { "dup", 2 },    { "raid1", 2 },
		       { "raid10", 2 }, { "raid1c3", 3 }, { "raid1c4", 4 } };
	double count = (double)devices;

	for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++)
		if (!strcmp(profile, ratios[i].profile))
			return ratios[i].ratio;
	if (!strcmp(profile, "raid5"))
		return count / (count - 1);
	return strcmp(profile, "raid6") ? 0 : count / (count - 2);
}

struct allocation {
	const struct btrfs_volume *volume;
	const char *type; /* data, metadata, system */
	size_t devices;
};

/* Directories are profiles; files beside them are sums. */
static int tell_profile(void *ctx, int directory, const char *name)
{
	static const struct metric_family families[] = {
		FAMILY("node_btrfs_used_bytes", METRIC_GAUGE, "bytes", "Space in use, by kind and profile."),
		FAMILY("node_btrfs_size_bytes", METRIC_GAUGE, "bytes", "Space allocated, by kind and profile."),
		FAMILY("node_btrfs_allocation_ratio", METRIC_GAUGE, "",
		       "Bytes on disks for each byte, by kind and profile."),
	};
	const struct allocation *allocation = ctx;
	const struct metric_label labels[] = { { "uuid", allocation->volume->uuid },
					       { "block_group_type", allocation->type },
					       { "mode", name } };
	uint64_t used = 0, total = 0;
	char path[320];
	int error;

	snprintf(path, sizeof(path), "%s/used_bytes", name);
	error = read_number(directory, path, &used);
	snprintf(path, sizeof(path), "%s/total_bytes", name);
	if (!error)
		error = read_number(directory, path, &total);
	if (error)
		return error == -ENOTDIR ? 0 : error;
	host_tell_labels(allocation->volume->host, &families[0], labels, 3, (double)used);
	host_tell_labels(allocation->volume->host, &families[1], labels, 3, (double)total);
	host_tell_labels(allocation->volume->host, &families[2], labels, 3, ratio_of(name, allocation->devices));
	return 0;
}

static int tell_allocation(const struct btrfs_volume *volume, int directory, const char *type, size_t devices)
{
	static const struct metric_family reserved =
		FAMILY("node_btrfs_reserved_bytes", METRIC_GAUGE, "bytes", "Space reserved, by kind.");
	const struct metric_label labels[] = { { "uuid", volume->uuid }, { "block_group_type", type } };
	struct allocation allocation = { volume, type, devices };
	uint64_t value;
	char path[320];
	int error;

	snprintf(path, sizeof(path), "%s/allocation/%s/bytes_reserved", volume->folder, type);
	error = read_number(directory, path, &value);
	if (error)
		return error;
	host_tell_labels(volume->host, &reserved, labels, 2, (double)value);
	snprintf(path, sizeof(path), "%s/allocation/%s", volume->folder, type);
	return host_each(directory, path, tell_profile, &allocation);
}

/* `commits 3 / cur_commit_ms 0 / last_commit_ms 1 / max_commit_ms 2 / total_commit_ms 4`, since Linux 6.0. */
static int tell_commits(const struct btrfs_volume *volume, int directory)
{
	static const struct {
		const char *name;
		double scale;
		struct metric_family family;
	} rows[] = {
		{ "commits", 1, FAMILY("node_btrfs_commits_total", METRIC_COUNTER, "", "Commits.") },
		{ "last_commit_ms", 1000,
		  FAMILY("node_btrfs_last_commit_seconds", METRIC_GAUGE, "seconds", "Time of the last commit.") },
		{ "max_commit_ms", 1000,
		  FAMILY("node_btrfs_max_commit_seconds", METRIC_GAUGE, "seconds", "Time of the longest commit.") },
		{ "total_commit_ms", 1000,
		  FAMILY("node_btrfs_commit_seconds_total", METRIC_COUNTER, "seconds", "Time of all commits.") },
	};
	uint64_t values[4] = { 0 }, value;
	struct span text = { 0 }, line, word;
	char path[320];
	int error;

	snprintf(path, sizeof(path), "%s/commit_stats", volume->folder);
	error = host_read_once(volume->host, directory, path, &text);
	if (error && error != -ENOENT)
		return error;
	while (!error && scan_line(&text, &line)) {
		if (!scan_word(&line, &word) || !scan_u64(&line, &value))
			return -EINVAL;
		for (size_t i = 0; i < 4; i++)
			if (span_is(word, rows[i].name))
				values[i] = value;
	}
	for (size_t i = 0; i < 4; i++)
		host_tell_of(volume->host, &rows[i].family, "uuid", volume->uuid, (double)values[i] / rows[i].scale);
	return 0;
}

static int tell_info(struct btrfs_volume *volume, int directory)
{
	static const struct metric_family info =
		FAMILY("node_btrfs_info", METRIC_GAUGE, "", "What the filesystem is called; always 1.");
	static const struct metric_family reserve =
		FAMILY("node_btrfs_global_rsv_size_bytes", METRIC_GAUGE, "bytes", "Size of the global reserve.");
	char path[320], label[TEXT_SIZE];
	struct metric_label labels[] = { { "uuid", volume->uuid }, { "label", "" } };
	struct span text = { 0 };
	uint64_t value;
	int error;

	snprintf(path, sizeof(path), "%s/metadata_uuid", volume->folder);
	if (!host_read_small(directory, path, volume->uuid, sizeof(volume->uuid), &text) && text.length)
		memmove(volume->uuid, text.at, text.length + 1);
	else
		snprintf(volume->uuid, sizeof(volume->uuid), "%.63s", volume->folder);
	snprintf(path, sizeof(path), "%s/label", volume->folder);
	if (!host_read_small(directory, path, label, sizeof(label), &text))
		labels[1].value = text.at;
	host_tell_labels(volume->host, &info, labels, 2, 1);
	snprintf(path, sizeof(path), "%s/allocation/global_rsv_size", volume->folder);
	error = read_number(directory, path, &value);
	if (!error)
		host_tell_of(volume->host, &reserve, "uuid", volume->uuid, (double)value);
	return error;
}

static int tell_volume(void *ctx, int directory, const char *name)
{
	static const char *const types[] = { "data", "metadata", "system" };
	struct btrfs_volume volume = { .host = ctx, .folder = name };
	char devices_path[320];
	size_t devices = 0;
	int error;

	if (!strchr(name, '-')) /* features */
		return 0;
	host_at(ctx, ROOT "/%s", name);
	error = tell_info(&volume, directory);
	snprintf(devices_path, sizeof(devices_path), "%s/devices", name);
	if (!error)
		error = host_each(directory, devices_path, count_device, &devices);
	for (size_t i = 0; i < 3 && !error; i++)
		error = tell_allocation(&volume, directory, types[i], devices);
	if (!error)
		error = tell_commits(&volume, directory);
	if (!error && !btrfs_tell_devices(&volume))
		error = host_each(directory, devices_path, tell_device, &volume);
	return error;
}

static int update(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	host_at(host, ROOT);
	error = host_each(host->sys_fd, ROOT, tell_volume, host);
	return error == -ENOENT ? 0 : error;
}

const struct collector host_btrfs = { .update = update };
