/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collectors of hardware that tell a few files each: bonding, edac, nvme, watchdog.
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define TEXT_SIZE 256

/* A text of sysfs; "" without one. */
static const char *read_text(int directory, const char *path, char buffer[TEXT_SIZE])
{
	struct span text = { buffer, 0 };

	return host_read_small(directory, path, buffer, TEXT_SIZE, &text) ? "" : text.at;
}

static bool is_numbered(const char *name, const char *stem)
{
	size_t length = strlen(stem);

	return !strncmp(name, stem, length) && name[length] >= '0' && name[length] <= '9' && strlen(name) < 32;
}

/* --- bonding: Documentation/networking/bonding.rst */

/* Links to slaves were called slave_NAME before 3.17. */
static bool is_up(int sysfs, const char *master, struct span slave)
{
	static const char *const prefixes[] = { "lower", "slave" };
	char path[192], state[TEXT_SIZE];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "class/net/%.32s/%s_%.*s/bonding_slave/mii_status", master, prefixes[i],
			 span_cut(slave, 32), slave.at);
		if (!strcmp(read_text(sysfs, path, state), "up"))
			return true;
	}
	return false;
}

static int tell_master(struct host *host, const char *master)
{
	static const struct metric_family slaves =
		FAMILY("node_bonding_slaves", METRIC_GAUGE, "", "Devices that are bonded.");
	static const struct metric_family active =
		FAMILY("node_bonding_active", METRIC_GAUGE, "", "Devices that are bonded and have a link.");
	char path[192], names[4096];
	struct span text = { names, 0 }, slave;
	double count = 0, up = 0;
	int error;

	snprintf(path, sizeof(path), "class/net/%.32s/bonding/slaves", master);
	error = host_read_small(host->sys_fd, path, names, sizeof(names), &text);
	if (error)
		return error;
	while (scan_word(&text, &slave)) {
		count++;
		up += is_up(host->sys_fd, master, slave);
	}
	host_tell_of(host, &slaves, "master", master, count);
	host_tell_of(host, &active, "master", master, up);
	return 0;
}

static int update_bonding(struct host *host, void *ctx)
{
	char masters[4096], master[32];
	struct span text = { masters, 0 }, word;
	int error;

	(void)ctx;
	host_at(host, "class/net/bonding_masters");
	error = host_read_small(host->sys_fd, "class/net/bonding_masters", masters, sizeof(masters), &text);
	if (error)
		return error == -ENOENT ? -ENODATA : error;
	while (!error && scan_word(&text, &word)) {
		span_copy(word, master, sizeof(master));
		error = tell_master(host, master);
	}
	return error;
}

const struct collector host_bonding = { .update = update_bonding };

/* --- edac: Documentation/ABI/testing/sysfs-devices-edac */

struct edac_walk {
	struct host *host;
	const char *controller, *row; /* their numbers */
};

static int tell_errors(struct edac_walk *walk, int directory, const char *path, const struct metric_family *family,
		       const char *row)
{
	const struct metric_label labels[] = { { "controller", walk->controller }, { "csrow", row } };
	uint64_t value;
	int error = host_read_u64(directory, path, &value);

	if (error)
		return error;
	host_tell_labels(walk->host, family, labels, row ? 2 : 1, (double)value);
	return 0;
}

/* As node_exporter writes it: a hash goes, "csrow" and "channel" get an underscore before them. */
static void dimm_label(int directory, const char *channel, char ret_label[TEXT_SIZE])
{
	char path[64], buffer[TEXT_SIZE];
	const char *text;
	size_t length = 0;

	snprintf(path, sizeof(path), "ch%s_dimm_label", channel);
	text = read_text(directory, path, buffer);
	snprintf(ret_label, TEXT_SIZE, "%s", *text ? "" : "unknown");
	for (; *text && length < TEXT_SIZE - 2; text++) {
		if (*text == '#')
			continue;
		if (!strncmp(text, "csrow", 5) || !strncmp(text, "channel", 7))
			ret_label[length++] = '_';
		ret_label[length++] = *text;
		ret_label[length] = '\0';
	}
}

static int tell_channel(void *ctx, int directory, const char *name)
{
	static const struct metric_family corrected = FAMILY("node_edac_channel_correctable_errors_total",
							     METRIC_COUNTER, "",
							     "Errors of memory that were corrected, by channel.");
	static const struct metric_family not_corrected = FAMILY("node_edac_channel_uncorrectable_errors_total",
								 METRIC_COUNTER, "",
								 "Errors of memory that were not, by channel.");
	struct edac_walk *walk = ctx;
	char channel[16], label[TEXT_SIZE], path[64];
	const struct metric_label labels[] = {
		{ "controller", walk->controller },
		{ "csrow", walk->row },
		{ "channel", channel },
		{ "dimm_label", label },
	};
	struct span number = { name + 2, strspn(name + 2, "0123456789") };
	uint64_t value;
	int error;

	if (strncmp(name, "ch", 2) || !number.length || number.length > 9 ||
	    strcmp(number.at + number.length, "_ce_count"))
		return 0;
	span_copy(number, channel, sizeof(channel));
	dimm_label(directory, channel, label);
	error = host_read_u64(directory, name, &value);
	if (error)
		return error;
	host_tell_labels(walk->host, &corrected, labels, 4, (double)value);
	snprintf(path, sizeof(path), "ch%s_ue_count", channel);
	if (!host_read_u64(directory, path, &value))
		host_tell_labels(walk->host, &not_corrected, labels, 4, (double)value);
	return 0;
}

static const struct metric_family row_corrected = FAMILY("node_edac_csrow_correctable_errors_total", METRIC_COUNTER, "",
							 "Errors of memory that were corrected, by row.");
static const struct metric_family row_not_corrected = FAMILY(
	"node_edac_csrow_uncorrectable_errors_total", METRIC_COUNTER, "", "Errors of memory that were not, by row.");

static int tell_row(void *ctx, int directory, const char *name)
{
	struct edac_walk *walk = ctx;
	char path[64];
	int error;

	if (!is_numbered(name, "csrow"))
		return 0;
	walk->row = name + strlen("csrow");
	snprintf(path, sizeof(path), "%s/ce_count", name);
	error = tell_errors(walk, directory, path, &row_corrected, walk->row);
	snprintf(path, sizeof(path), "%s/ue_count", name);
	if (!error)
		error = tell_errors(walk, directory, path, &row_not_corrected, walk->row);
	return error ? error : host_each(directory, name, tell_channel, walk);
}

static int tell_controller(void *ctx, int directory, const char *name)
{
	static const struct metric_family corrected = FAMILY("node_edac_correctable_errors_total", METRIC_COUNTER, "",
							     "Errors of memory that were corrected.");
	static const struct metric_family not_corrected =
		FAMILY("node_edac_uncorrectable_errors_total", METRIC_COUNTER, "", "Errors of memory that were not.");
	const struct {
		const char *file, *row;
		const struct metric_family *family;
	} files[] = { { "ce_count", NULL, &corrected },
		      { "ce_noinfo_count", "unknown", &row_corrected },
		      { "ue_count", NULL, &not_corrected },
		      { "ue_noinfo_count", "unknown", &row_not_corrected } };
	struct edac_walk walk = { .host = ctx, .controller = name + 2 };
	char path[64];
	int error = 0;

	if (!is_numbered(name, "mc"))
		return 0;
	host_at(ctx, "devices/system/edac/mc/%s", name);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !error; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i].file);
		error = tell_errors(&walk, directory, path, files[i].family, files[i].row);
	}
	return error ? error : host_each(directory, name, tell_row, &walk);
}

static int update_edac(struct host *host, void *ctx)
{
	int error = host_each(host->sys_fd, "devices/system/edac/mc", tell_controller, host);

	(void)ctx;
	return error == -ENOENT ? 0 : error;
}

const struct collector host_edac = { .update = update_edac };

/* --- nvme: drivers/nvme/host/sysfs.c */

struct nvme_walk {
	struct host *host;
	const char *device;
};

/* nvme0n1: what stands behind the n. Paths to a namespace (nvme0c1n1) are not told. */
static const char *namespace_number(const char *device, const char *name)
{
	size_t length = strlen(device);

	if (strncmp(name, device, length) || name[length] != 'n' || !name[length + 1] ||
	    strspn(name + length + 1, "0123456789") != strlen(name + length + 1))
		return NULL;
	return name + length + 1;
}

static int tell_namespace(void *ctx, int directory, const char *name)
{
	static const struct metric_family info =
		FAMILY("node_nvme_namespace_info", METRIC_GAUGE, "", "Namespaces of the device; always 1.");
	static const struct metric_family capacity =
		FAMILY("node_nvme_namespace_capacity_bytes", METRIC_GAUGE, "bytes", "Capacity of the namespace.");
	static const struct metric_family size =
		FAMILY("node_nvme_namespace_size_bytes", METRIC_GAUGE, "bytes", "Size of the namespace.");
	static const struct metric_family used =
		FAMILY("node_nvme_namespace_used_bytes", METRIC_GAUGE, "bytes", "Bytes of the namespace in use.");
	static const struct metric_family block = FAMILY("node_nvme_namespace_logical_block_size_bytes", METRIC_GAUGE,
							 "bytes", "Size of a block of the namespace.");
	struct nvme_walk *walk = ctx;
	const char *number = namespace_number(walk->device, name);
	char path[128], state[TEXT_SIZE];
	struct metric_label labels[] = { { "device", walk->device }, { "nsid", number }, { "ana_state", "unknown" } };
	uint64_t blocks = 0, in_use = 0, bytes = 0;

	if (!number || strlen(name) > 64)
		return 0;
	snprintf(path, sizeof(path), "%s/size", name);
	if (host_read_u64(directory, path, &blocks))
		return 0;
	snprintf(path, sizeof(path), "%s/nuse", name);
	if (host_read_u64(directory, path, &in_use))
		in_use = 0;
	snprintf(path, sizeof(path), "%s/queue/logical_block_size", name);
	if (host_read_u64(directory, path, &bytes))
		return 0;
	snprintf(path, sizeof(path), "%s/ana_state", name);
	if (*read_text(directory, path, state))
		labels[2].value = state;
	host_tell_labels(walk->host, &info, labels, 3, 1);
	host_tell_labels(walk->host, &capacity, labels, 2, (double)(blocks * bytes));
	host_tell_labels(walk->host, &size, labels, 2, (double)(blocks * bytes));
	host_tell_labels(walk->host, &used, labels, 2, (double)(in_use * bytes));
	host_tell_labels(walk->host, &block, labels, 2, (double)bytes);
	return 0;
}

static int tell_nvme(void *ctx, int directory, const char *name)
{
	static const struct metric_family info =
		FAMILY("node_nvme_info", METRIC_GAUGE, "", "What the device says of itself; always 1.");
	static const char *const files[][2] = { { "firmware_rev", "firmware_revision" },
						{ "model", "model" },
						{ "serial", "serial" },
						{ "state", "state" },
						{ "cntlid", "cntlid" } };
	struct nvme_walk walk = { .host = ctx, .device = name };
	char path[128], texts[5][TEXT_SIZE];
	struct metric_label labels[6] = { { "device", name } };

	if (strlen(name) > 32)
		return 0;
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i][0]);
		labels[i + 1] = (struct metric_label){ files[i][1], read_text(directory, path, texts[i]) };
	}
	host_tell_labels(ctx, &info, labels, 6, 1);
	return host_each(directory, name, tell_namespace, &walk);
}

static int update_nvme(struct host *host, void *ctx)
{
	(void)ctx;
	return host_each_class(host, "nvme", tell_nvme, host);
}

const struct collector host_nvme = { .update = update_nvme };

/* --- watchdog: Documentation/ABI/testing/sysfs-class-watchdog */

static int tell_watchdog(void *ctx, int directory, const char *name)
{
	static const struct {
		const char *file;
		struct metric_family family;
	} numbers[] = {
		{ "bootstatus", FAMILY("node_watchdog_bootstatus", METRIC_GAUGE, "", "Status at the last boot.") },
		{ "fw_version", FAMILY("node_watchdog_fw_version", METRIC_GAUGE, "", "Version of the firmware.") },
		{ "nowayout", FAMILY("node_watchdog_nowayout", METRIC_GAUGE, "", "Whether it cannot be stopped.") },
		{ "timeleft",
		  FAMILY("node_watchdog_timeleft_seconds", METRIC_GAUGE, "seconds", "Time until the host is reset.") },
		{ "timeout", FAMILY("node_watchdog_timeout_seconds", METRIC_GAUGE, "seconds",
				    "Time without a sign of life until the host is reset.") },
		{ "pretimeout", FAMILY("node_watchdog_pretimeout_seconds", METRIC_GAUGE, "seconds",
				       "Time before that at which it warns.") },
		{ "access_cs0",
		  FAMILY("node_watchdog_access_cs0", METRIC_GAUGE, "", "Whether the other BIOS was booted.") },
	};
	static const struct metric_family info =
		FAMILY("node_watchdog_info", METRIC_GAUGE, "", "What the watchdog says of itself; always 1.");
	static const char *const files[] = { "options", "identity", "state", "status", "pretimeout_governor" };
	char path[128], texts[5][TEXT_SIZE];
	struct metric_label labels[6] = { { "name", name } };
	int64_t value;

	if (strlen(name) > 32)
		return 0;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, numbers[i].file);
		if (!host_read_i64(directory, path, &value))
			host_tell_of(ctx, &numbers[i].family, "name", name, (double)value);
	}
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		labels[i + 1] = (struct metric_label){ files[i], read_text(directory, path, texts[i]) };
	}
	host_tell_labels(ctx, &info, labels, 6, 1);
	return 0;
}

static int update_watchdog(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	error = host_each_class(host, "watchdog", tell_watchdog, host);
	return error == -EACCES ? -ENODATA : error;
}

const struct collector host_watchdog = { .update = update_watchdog };
