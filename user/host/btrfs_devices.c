/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A btrfs filesystem's devices with their errors, by ioctl on one of its mounts. btrfs is local: its mount points are
 * opened without a deadline, but only from the kernel's cache of names, so that nothing that is mounted above them is
 * waited for.
 */
#include <errno.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "host/btrfs.h"
#include "host/mounts.h"

#define DEVICES_MAX 1024

/* f81d4fae-7dec-11d0-a765-00a0c91e6bf6 */
static void write_uuid(const uint8_t bytes[BTRFS_UUID_SIZE], char ret_text[40])
{
	size_t length = 0;

	for (size_t i = 0; i < BTRFS_UUID_SIZE; i++)
		length += (size_t)snprintf(ret_text + length, 40 - length,
					   i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
}

/* As node_exporter writes a device's: without dashes. */
static void write_plain_uuid(const uint8_t bytes[BTRFS_UUID_SIZE], char ret_text[40])
{
	for (size_t i = 0; i < BTRFS_UUID_SIZE; i++)
		snprintf(ret_text + 2 * i, 40 - 2 * i, "%02x", bytes[i]);
}

static int open_mount(const struct host *host, const struct mount *mount)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_CACHED };
	const char *root = host->config.config->path_rootfs;
	char point[PATH_MAX], path[2 * PATH_MAX];

	mount_unescape(mount->point, false, point, sizeof(point));
	snprintf(path, sizeof(path), "%s%s", strcmp(root, "/") && strncmp(point, root, strlen(root)) ? root : "",
		 point);
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static void tell_errors(const struct btrfs_volume *volume, const struct metric_label *labels,
			const struct btrfs_ioctl_get_dev_stats *stats)
{
	static const struct metric_family family =
		FAMILY("node_btrfs_device_errors_total", METRIC_COUNTER, "", "Errors of the device, by kind.");
	static const char *const types[] = {
		[BTRFS_DEV_STAT_WRITE_ERRS] = "write",           [BTRFS_DEV_STAT_READ_ERRS] = "read",
		[BTRFS_DEV_STAT_FLUSH_ERRS] = "flush",           [BTRFS_DEV_STAT_CORRUPTION_ERRS] = "corruption",
		[BTRFS_DEV_STAT_GENERATION_ERRS] = "generation",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct metric_label all[] = { labels[0], { "type", types[i] }, labels[1], labels[2] };

		host_tell_labels(volume->host, &family, all, 4, (double)stats->values[i]);
	}
}

static int tell_device(const struct btrfs_volume *volume, int fd, uint64_t id)
{
	static const struct metric_family size =
		FAMILY("node_btrfs_device_size_bytes", METRIC_GAUGE, "bytes", "Size of the filesystem's device.");
	static const struct metric_family unused = FAMILY("node_btrfs_device_unused_bytes", METRIC_GAUGE, "bytes",
							  "Space of the device that is not allocated.");
	struct btrfs_ioctl_dev_info_args device = { .devid = id };
	struct btrfs_ioctl_get_dev_stats stats = { .devid = id, .nr_items = BTRFS_DEV_STAT_VALUES_MAX };
	char uuid[40];
	const char *name;

	if (ioctl(fd, BTRFS_IOC_DEV_INFO, &device) || ioctl(fd, BTRFS_IOC_GET_DEV_STATS, &stats))
		return -errno;
	device.path[sizeof(device.path) - 1] = '\0';
	name = strrchr((const char *)device.path, '/');
	write_plain_uuid(device.uuid, uuid);
	const struct metric_label labels[] = { { "uuid", volume->uuid },
					       { "device", name ? name + 1 : (const char *)device.path },
					       { "btrfs_dev_uuid", uuid } };

	host_tell_labels(volume->host, &size, labels, 3, (double)device.total_bytes);
	host_tell_labels(volume->host, &unused, labels, 3, (double)(device.total_bytes - device.bytes_used));
	tell_errors(volume, labels, &stats);
	return 0;
}

/* Whether the mount is this filesystem's and told all of its devices. Their numbers may have gaps. */
static bool tell_mount(const struct btrfs_volume *volume, const struct mount *mount)
{
	CLEANUP_FD int fd = open_mount(volume->host, mount);
	struct btrfs_ioctl_fs_info_args info = { 0 };
	uint64_t told = 0;
	char uuid[40];
	int error;

	if (fd < 0 || ioctl(fd, BTRFS_IOC_FS_INFO, &info))
		return false;
	write_uuid(info.fsid, uuid);
	if (strcmp(uuid, volume->folder) != 0)
		return false;
	for (uint64_t id = 0; id <= info.max_id && id < DEVICES_MAX && told < info.num_devices; id++) {
		error = tell_device(volume, fd, id);
		if (error && error != -ENODEV)
			return told > 0;
		told += !error;
	}
	return told > 0;
}

bool btrfs_tell_devices(const struct btrfs_volume *volume)
{
	struct host *host = volume->host;
	struct span text, line;
	struct mount mount;

	if (host_read_once(host, host->proc_fd, "1/mountinfo", &text) &&
	    host_read_once(host, host->proc_fd, "self/mountinfo", &text))
		return false;
	while (scan_line(&text, &line))
		if (!mount_parse(line, &mount) && span_is(mount.type, "btrfs") && tell_mount(volume, &mount))
			return true;
	return false;
}
