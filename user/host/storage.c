/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage of server rooms: fibrechannel (drivers/scsi/scsi_transport_fc.c), tapestats (Documentation/scsi/st.rst) and
 * dmmultipath (Documentation/ABI/testing/sysfs-block-dm).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/internal.h"

#define TEXT_SIZE 129 /* node_exporter reads 128 bytes of a file of sysfs */
#define SECTOR_BYTES 512
#define NANOSECOND 1e-9

static int read_text(int directory, const char *folder, const char *file, char buffer[TEXT_SIZE])
{
	char path[NAME_MAX + 64];
	struct span text = { buffer, 0 };
	int error;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	error = host_read_small(directory, path, buffer, TEXT_SIZE, &text);
	if (error)
		*buffer = '\0';
	else if (text.at != buffer)
		memmove(buffer, text.at, text.length + 1);
	return error;
}

/* A number as C writes it: hexadecimal behind 0x. */
static int read_number(int directory, const char *folder, const char *file, uint64_t *ret_value)
{
	char buffer[TEXT_SIZE];
	int error = read_text(directory, folder, file, buffer);
	struct span text = span_of(buffer);

	if (error)
		return error;
	return span_begins(text, "0x") ? span_hex(text, ret_value) : span_u64(text, ret_value);
}

/* --- fibrechannel */

#define FC_COUNTER(name, help) FAMILY("node_fibrechannel_" name "_total", METRIC_COUNTER, "", help)

static const struct {
	const char *file;
	struct metric_family family;
} fc_counters[] = {
	{ "statistics/dumped_frames", FC_COUNTER("dumped_frames", "Frames thrown away.") },
	{ "statistics/error_frames", FC_COUNTER("error_frames", "Frames with errors.") },
	{ "statistics/invalid_crc_count", FC_COUNTER("invalid_crc", "Frames with a wrong checksum.") },
	{ "statistics/rx_frames", FC_COUNTER("rx_frames", "Frames received.") },
	{ "statistics/rx_words", FC_COUNTER("rx_words", "Words received.") },
	{ "statistics/tx_frames", FC_COUNTER("tx_frames", "Frames sent.") },
	{ "statistics/tx_words", FC_COUNTER("tx_words", "Words sent.") },
	{ "statistics/seconds_since_last_reset", FC_COUNTER("seconds_since_last_reset", "Time since the reset.") },
	{ "statistics/invalid_tx_word_count", FC_COUNTER("invalid_tx_words", "Invalid words sent.") },
	{ "statistics/link_failure_count", FC_COUNTER("link_failure", "Failures of the link.") },
	{ "statistics/loss_of_sync_count", FC_COUNTER("loss_of_sync", "Losses of synchronisation.") },
	{ "statistics/loss_of_signal_count", FC_COUNTER("loss_of_signal", "Losses of the signal.") },
	{ "statistics/nos_count", FC_COUNTER("nos", "NOS primitives received.") },
	{ "statistics/fcp_packet_aborts", FC_COUNTER("fcp_packet_aborts", "Packets given up.") },
};

static int tell_fc_host(void *ctx, int directory, const char *name)
{
	static const struct metric_family info =
		FAMILY("node_fibrechannel_info", METRIC_GAUGE, "", "What the port says of itself; always 1.");
	static const struct {
		const char *file;
		size_t skip; /* of the text: "0x" */
	} files[] = { { "speed", 0 },         { "port_state", 0 },        { "port_type", 0 },
		      { "port_id", 2 },       { "port_name", 2 },         { "fabric_name", 2 },
		      { "symbolic_name", 0 }, { "supported_classes", 0 }, { "supported_speeds", 0 },
		      { "dev_loss_tmo", 0 } };
	char texts[10][TEXT_SIZE];
	struct metric_label labels[11] = { { "fc_host", name } };
	uint64_t value;
	int error;

	for (size_t i = 0; i < 10; i++) {
		error = read_text(directory, name, files[i].file, texts[i]);
		if (error && error != -ENOENT)
			return error;
		labels[i + 1].name = files[i].file;
		labels[i + 1].value = texts[i] + (strlen(texts[i]) > files[i].skip ? files[i].skip : 0);
	}
	host_tell_labels(ctx, &info, labels, 11, 1);
	for (size_t i = 0; i < sizeof(fc_counters) / sizeof(fc_counters[0]); i++) {
		error = read_number(directory, name, fc_counters[i].file, &value);
		if (error == -EINVAL)
			return error;
		/* All ones: the adapter does not count it. */
		if (!error && value != UINT64_MAX)
			host_tell_of(ctx, &fc_counters[i].family, "fc_host", name, (double)value);
	}
	return 0;
}

static int update_fibrechannel(struct host *host, void *ctx)
{
	(void)ctx;
	return host_each_class(host, "fc_host", tell_fc_host, host);
}

const struct collector host_fibrechannel = { .update = update_fibrechannel };

/* --- tapestats */

static int tell_tape(void *ctx, int directory, const char *name)
{
	static const struct {
		const char *file;
		double scale;
		struct metric_family family;
	} files[] = {
		{ "stats/in_flight", 1, FAMILY("node_tape_io_now", METRIC_GAUGE, "", "Requests at work.") },
		{ "stats/io_ns", NANOSECOND,
		  FAMILY("node_tape_io_time_seconds_total", METRIC_COUNTER, "seconds", "Time for all requests.") },
		{ "stats/other_cnt", 1,
		  FAMILY("node_tape_io_others_total", METRIC_COUNTER, "", "Requests that neither read nor wrote.") },
		{ "stats/read_byte_cnt", 1,
		  FAMILY("node_tape_read_bytes_total", METRIC_COUNTER, "bytes", "Bytes read.") },
		{ "stats/read_cnt", 1, FAMILY("node_tape_reads_completed_total", METRIC_COUNTER, "", "Reads.") },
		{ "stats/read_ns", NANOSECOND,
		  FAMILY("node_tape_read_time_seconds_total", METRIC_COUNTER, "seconds", "Time for reads.") },
		{ "stats/resid_cnt", 1,
		  FAMILY("node_tape_residual_total", METRIC_COUNTER, "", "Requests that did not move all bytes.") },
		{ "stats/write_byte_cnt", 1,
		  FAMILY("node_tape_written_bytes_total", METRIC_COUNTER, "bytes", "Bytes written.") },
		{ "stats/write_cnt", 1, FAMILY("node_tape_writes_completed_total", METRIC_COUNTER, "", "Writes.") },
		{ "stats/write_ns", NANOSECOND,
		  FAMILY("node_tape_write_time_seconds_total", METRIC_COUNTER, "seconds", "Time for writes.") },
	};
	uint64_t value;
	int error;

	/* st0 is the drive; st0a, st0l and nst0 are other ways to it. */
	if (strncmp(name, "st", 2) != 0 || !name[2] || strspn(name + 2, "0123456789") != strlen(name + 2))
		return 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		value = 0;
		error = read_number(directory, name, files[i].file, &value);
		if (error && error != -ENOENT)
			return error;
		host_tell_of(ctx, &files[i].family, "device", name, (double)value * files[i].scale);
	}
	return 0;
}

static int update_tapestats(struct host *host, void *ctx)
{
	(void)ctx;
	return host_each_class(host, "scsi_tape", tell_tape, host);
}

const struct collector host_tapestats = { .update = update_tapestats };

/* --- dmmultipath */

struct multipath {
	struct host *host;
	const char *name;
	double paths, active;
};

static int tell_path(void *ctx, int directory, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_dmmultipath_path_state", METRIC_GAUGE, "", "State of the path's device; always 1.");
	struct multipath *device = ctx;
	char state[TEXT_SIZE], folder[NAME_MAX + 16];
	const struct metric_label labels[] = { { "device", device->name }, { "path", name }, { "state", state } };
	int error;

	(void)directory;
	snprintf(folder, sizeof(folder), "block/%s/device", name);
	error = read_text(device->host->sys_fd, folder, "state", state);
	if (error)
		return error;
	device->paths++;
	device->active += !strcmp(state, "running") || !strcmp(state, "live"); /* SCSI's word, and NVMe's */
	host_tell_labels(device->host, &family, labels, 3, 1);
	return 0;
}

static void tell_multipath(struct host *host, const char *sysfs_name, const struct multipath *device, bool active,
			   uint64_t sectors)
{
	static const struct metric_family families[] = {
		FAMILY("node_dmmultipath_device_active", METRIC_GAUGE, "", "Whether the device is not suspended."),
		FAMILY("node_dmmultipath_device_size_bytes", METRIC_GAUGE, "bytes", "Size of the device."),
		FAMILY("node_dmmultipath_device_paths", METRIC_GAUGE, "", "Paths of the device."),
		FAMILY("node_dmmultipath_device_paths_active", METRIC_GAUGE, "", "Paths that work."),
		FAMILY("node_dmmultipath_device_paths_failed", METRIC_GAUGE, "", "Paths that do not work."),
	};
	const struct metric_label labels[] = { { "device", device->name }, { "sysfs_name", sysfs_name } };
	const double values[] = { active, (double)(sectors * SECTOR_BYTES), device->paths, device->active,
				  device->paths - device->active };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		host_tell_labels(host, &families[i], labels, 2, values[i]);
}

static int tell_device(void *ctx, int directory, const char *name)
{
	static const struct metric_family info =
		FAMILY("node_dmmultipath_device_info", METRIC_GAUGE, "", "What the device is called; always 1.");
	char uuid[TEXT_SIZE], map[TEXT_SIZE], path[NAME_MAX + 16];
	const struct metric_label labels[] = { { "device", map }, { "sysfs_name", name }, { "uuid", uuid } };
	struct multipath device = { .host = ctx, .name = map };
	uint64_t suspended, sectors;
	int error;

	if (strncmp(name, "dm-", 3) != 0)
		return 0;
	error = read_text(directory, name, "dm/uuid", uuid);
	if (error || strncmp(uuid, "mpath-", 6) != 0)
		return error == -ENOENT ? 0 : error;
	error = read_text(directory, name, "dm/name", map);
	if (!error)
		error = read_number(directory, name, "dm/suspended", &suspended);
	if (!error)
		error = read_number(directory, name, "size", &sectors);
	if (error)
		return error;
	host_tell_labels(ctx, &info, labels, 3, 1);
	snprintf(path, sizeof(path), "%s/slaves", name);
	error = host_each(directory, path, tell_path, &device);
	if (error && error != -ENOENT)
		return error;
	tell_multipath(ctx, name, &device, suspended != 1, sectors);
	return 0;
}

static int update_dmmultipath(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	host_at(host, "block");
	error = host_each(host->sys_fd, "block", tell_device, host);
	return error == -ENOENT || error == -EACCES ? -ENODATA : error;
}

const struct collector host_dmmultipath = { .update = update_dmmultipath };
