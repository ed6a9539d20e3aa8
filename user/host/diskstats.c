/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diskstats: /proc/diskstats (Documentation/admin-guide/iostats.rst) and what udev and sysfs know of each device.
 * Kernels tell 11, 15 or 17 figures; as many are told here. Sectors are 512 bytes whatever the device's are.
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define SECTOR_BYTES 512.0
#define SECONDS 1e-3 /* of a millisecond */
#define NAMES 4096
#define UDEV_SIZE ((size_t)16 << 10)

static const struct {
	struct metric_family family;
	double unit;
} figures[] = {
	{ FAMILY("node_disk_reads_completed_total", METRIC_COUNTER, "", "Reads completed."), 1 },
	{ FAMILY("node_disk_reads_merged_total", METRIC_COUNTER, "", "Reads merged into others."), 1 },
	{ FAMILY("node_disk_read_bytes_total", METRIC_COUNTER, "bytes", "Bytes read."), SECTOR_BYTES },
	{ FAMILY("node_disk_read_time_seconds_total", METRIC_COUNTER, "seconds", "Time of all reads."), SECONDS },
	{ FAMILY("node_disk_writes_completed_total", METRIC_COUNTER, "", "Writes completed."), 1 },
	{ FAMILY("node_disk_writes_merged_total", METRIC_COUNTER, "", "Writes merged into others."), 1 },
	{ FAMILY("node_disk_written_bytes_total", METRIC_COUNTER, "bytes", "Bytes written."), SECTOR_BYTES },
	{ FAMILY("node_disk_write_time_seconds_total", METRIC_COUNTER, "seconds", "Time of all writes."), SECONDS },
	{ FAMILY("node_disk_io_now", METRIC_GAUGE, "", "Requests in progress."), 1 },
	{ FAMILY("node_disk_io_time_seconds_total", METRIC_COUNTER, "seconds", "Time with requests in progress."),
	  SECONDS },
	{ FAMILY("node_disk_io_time_weighted_seconds_total", METRIC_COUNTER, "seconds",
		 "Time with requests in progress, times their number."),
	  SECONDS },
	{ FAMILY("node_disk_discards_completed_total", METRIC_COUNTER, "", "Discards completed."), 1 },
	{ FAMILY("node_disk_discards_merged_total", METRIC_COUNTER, "", "Discards merged into others."), 1 },
	{ FAMILY("node_disk_discarded_sectors_total", METRIC_COUNTER, "", "Sectors discarded."), 1 },
	{ FAMILY("node_disk_discard_time_seconds_total", METRIC_COUNTER, "seconds", "Time of all discards."), SECONDS },
	{ FAMILY("node_disk_flush_requests_total", METRIC_COUNTER, "", "Flushes completed."), 1 },
	{ FAMILY("node_disk_flush_requests_time_seconds_total", METRIC_COUNTER, "seconds", "Time of all flushes."),
	  SECONDS },
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

struct diskstats_state {
	struct host_file file;
	struct filter *devices;
	int udev_fd; /* plus one */
};

/* Properties that udev keeps as E:NAME=VALUE. */
enum property {
	UDEV_ATA,
	UDEV_ATA_ROTATION,
	UDEV_ATA_WRITE_CACHE,
	UDEV_ATA_WRITE_CACHE_ENABLED,
	UDEV_DM_LV_LAYER,
	UDEV_DM_LV_NAME,
	UDEV_DM_NAME,
	UDEV_DM_UUID,
	UDEV_DM_VG_NAME,
	UDEV_FS_TYPE,
	UDEV_FS_USAGE,
	UDEV_FS_UUID,
	UDEV_FS_VERSION,
	UDEV_MODEL,
	UDEV_PATH,
	UDEV_REVISION,
	UDEV_SERIAL,
	UDEV_SERIAL_SHORT,
	UDEV_SCSI_SERIAL,
	UDEV_WWN,
	UDEV_PROPERTIES,
};

static const char *const property_names[UDEV_PROPERTIES] = {
	[UDEV_ATA] = "ID_ATA",
	[UDEV_ATA_ROTATION] = "ID_ATA_ROTATION_RATE_RPM",
	[UDEV_ATA_WRITE_CACHE] = "ID_ATA_WRITE_CACHE",
	[UDEV_ATA_WRITE_CACHE_ENABLED] = "ID_ATA_WRITE_CACHE_ENABLED",
	[UDEV_DM_LV_LAYER] = "DM_LV_LAYER",
	[UDEV_DM_LV_NAME] = "DM_LV_NAME",
	[UDEV_DM_NAME] = "DM_NAME",
	[UDEV_DM_UUID] = "DM_UUID",
	[UDEV_DM_VG_NAME] = "DM_VG_NAME",
	[UDEV_FS_TYPE] = "ID_FS_TYPE",
	[UDEV_FS_USAGE] = "ID_FS_USAGE",
	[UDEV_FS_UUID] = "ID_FS_UUID",
	[UDEV_FS_VERSION] = "ID_FS_VERSION",
	[UDEV_MODEL] = "ID_MODEL",
	[UDEV_PATH] = "ID_PATH",
	[UDEV_REVISION] = "ID_REVISION",
	[UDEV_SERIAL] = "ID_SERIAL",
	[UDEV_SERIAL_SHORT] = "ID_SERIAL_SHORT",
	[UDEV_SCSI_SERIAL] = "SCSI_IDENT_SERIAL",
	[UDEV_WWN] = "ID_WWN",
};

struct disk {
	char name[128], major[16], minor[16];
	uint64_t values[FIGURES];
	size_t count;
	char *text; /* udev's file, cut into properties */
	const char *properties[UDEV_PROPERTIES];
};

static int start(struct host *host, void *ctx)
{
	const struct config_host *options = host->options;
	struct diskstats_state *state = ctx;

	state->file.path = "diskstats";
	state->udev_fd = open(host->config.config->path_udev_data, O_PATH | O_DIRECTORY | O_CLOEXEC) + 1;
	return filter_new(options->diskstats_device_exclude, options->diskstats_device_include, NAMES,
			  host->config.hash_seed, &state->devices);
}

static void stop(void *ctx)
{
	struct diskstats_state *state = ctx;

	host_file_close(&state->file);
	filter_free(state->devices);
	if (state->udev_fd)
		close(state->udev_fd - 1);
}

static int parse_line(struct span line, struct disk *disk)
{
	struct span major, minor, name;

	if (!scan_word(&line, &major) || !scan_word(&line, &minor) || !scan_word(&line, &name))
		return -EINVAL;
	span_copy(major, disk->major, sizeof(disk->major));
	span_copy(minor, disk->minor, sizeof(disk->minor));
	span_copy(name, disk->name, sizeof(disk->name));
	while (disk->count < FIGURES && scan_u64(&line, &disk->values[disk->count]))
		disk->count++;
	return disk->count ? 0 : -EINVAL;
}

static void take_property(struct disk *disk, char *line)
{
	char *equals = strchr(line, '=');

	if (strncmp(line, "E:", 2) || !equals)
		return;
	*equals = '\0';
	for (size_t i = 0; i < UDEV_PROPERTIES; i++)
		if (!strcmp(line + 2, property_names[i]))
			disk->properties[i] = equals + 1;
}

/* Without udev, or what it knows of this device, everything stays "". */
static void read_udev(const struct diskstats_state *state, struct disk *disk)
{
	char path[64], *line, *rest = disk->text;

	for (size_t i = 0; i < UDEV_PROPERTIES; i++)
		disk->properties[i] = "";
	snprintf(path, sizeof(path), "b%s:%s", disk->major, disk->minor);
	if (!state->udev_fd || file_read(state->udev_fd - 1, path, disk->text, UDEV_SIZE, NULL))
		return;
	while ((line = strsep(&rest, "\n")))
		take_property(disk, line);
}

static const char *serial(const struct disk *disk)
{
	if (*disk->properties[UDEV_SCSI_SERIAL])
		return disk->properties[UDEV_SCSI_SERIAL];
	return *disk->properties[UDEV_SERIAL_SHORT] ? disk->properties[UDEV_SERIAL_SHORT] :
						      disk->properties[UDEV_SERIAL];
}

/* A device without a queue, as a partition is, counts as not rotating. */
static const char *rotational(const struct host *host, const struct disk *disk)
{
	char path[192];
	uint64_t value;

	snprintf(path, sizeof(path), "block/%s/queue/rotational", disk->name);
	return host_read_u64(host->sys_fd, path, &value) || value != 1 ? "0" : "1";
}

static void tell_info(struct host *host, const struct disk *disk)
{
	static const struct metric_family info =
		FAMILY("node_disk_info", METRIC_GAUGE, "", "What is known of the device; always 1.");
	const char *const *known = disk->properties;
	const struct metric_label labels[] = {
		{ "device", disk->name },
		{ "major", disk->major },
		{ "minor", disk->minor },
		{ "path", known[UDEV_PATH] },
		{ "wwn", known[UDEV_WWN] },
		{ "model", known[UDEV_MODEL] },
		{ "serial", serial(disk) },
		{ "revision", known[UDEV_REVISION] },
		{ "rotational", rotational(host, disk) },
	};

	host_tell_labels(host, &info, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

static void tell_contents(struct host *host, const struct disk *disk)
{
	static const struct metric_family filesystem =
		FAMILY("node_disk_filesystem_info", METRIC_GAUGE, "", "Filesystem on the device; always 1.");
	static const struct metric_family mapper = FAMILY("node_disk_device_mapper_info", METRIC_GAUGE, "",
							  "What the device mapper made of the device; always 1.");
	const char *const *known = disk->properties;
	const struct metric_label filesystem_labels[] = {
		{ "device", disk->name },
		{ "type", known[UDEV_FS_TYPE] },
		{ "usage", known[UDEV_FS_USAGE] },
		{ "uuid", known[UDEV_FS_UUID] },
		{ "version", known[UDEV_FS_VERSION] },
	};
	const struct metric_label mapper_labels[] = {
		{ "device", disk->name },
		{ "name", known[UDEV_DM_NAME] },
		{ "uuid", known[UDEV_DM_UUID] },
		{ "vg_name", known[UDEV_DM_VG_NAME] },
		{ "lv_name", known[UDEV_DM_LV_NAME] },
		{ "lv_layer", known[UDEV_DM_LV_LAYER] },
	};

	if (*known[UDEV_FS_TYPE])
		host_tell_labels(host, &filesystem, filesystem_labels, 5, 1);
	if (*known[UDEV_DM_NAME])
		host_tell_labels(host, &mapper, mapper_labels, 6, 1);
}

static void tell_ata(struct host *host, const struct disk *disk)
{
	static const struct {
		enum property property;
		struct metric_family family;
	} attributes[] = {
		{ UDEV_ATA_WRITE_CACHE,
		  FAMILY("node_disk_ata_write_cache", METRIC_GAUGE, "", "Whether the ATA disk has a write cache.") },
		{ UDEV_ATA_WRITE_CACHE_ENABLED, FAMILY("node_disk_ata_write_cache_enabled", METRIC_GAUGE, "",
						       "Whether the ATA disk uses its write cache.") },
		{ UDEV_ATA_ROTATION, FAMILY("node_disk_ata_rotation_rate_rpm", METRIC_GAUGE, "",
					    "Rotations per minute of the ATA disk; 0 when it has no moving parts.") },
	};
	double value;

	if (!*disk->properties[UDEV_ATA])
		return;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (!span_double(span_of(disk->properties[attributes[i].property]), &value))
			host_tell_of(host, &attributes[i].family, "device", disk->name, value);
}

static int tell_disk(struct host *host, struct diskstats_state *state, struct span line)
{
	char text[UDEV_SIZE];
	struct disk disk = { .text = text };
	int error = parse_line(line, &disk);

	if (error)
		return error;
	if (!filter_passes(state->devices, span_of(disk.name)))
		return 0;
	read_udev(state, &disk);
	tell_info(host, &disk);
	for (size_t i = 0; i < disk.count; i++)
		host_tell_of(host, &figures[i].family, "device", disk.name, (double)disk.values[i] * figures[i].unit);
	tell_contents(host, &disk);
	tell_ata(host, &disk);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct diskstats_state *state = ctx;
	struct span text, line;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	while (!error && scan_line(&text, &line))
		error = line.length ? tell_disk(host, state, line) : 0;
	return error;
}

const struct collector host_diskstats = {
	.state_size = sizeof(struct diskstats_state),
	.start = start,
	.update = update,
	.stop = stop,
};
