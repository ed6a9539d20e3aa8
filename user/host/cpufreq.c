/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpufreq (Documentation/admin-guide/pm/cpufreq.rst) and thermal_zone (Documentation/driver-api/thermal/sysfs-api.rst):
 * how fast processors may run, and how warm the host is.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/internal.h"

#define CPUS "devices/system/cpu"
#define THERMAL "class/thermal"
#define KHZ 1000.0
#define MILLI 1000.0
#define TEXT_SIZE 512

static const struct {
	const char *file;
	struct metric_family family;
} frequencies[] = {
	{ "cpuinfo_cur_freq",
	  FAMILY("node_cpu_frequency_hertz", METRIC_GAUGE, "hertz", "Frequency of the processor.") },
	{ "cpuinfo_avg_freq",
	  FAMILY("node_cpu_frequency_avg_hertz", METRIC_GAUGE, "hertz", "Average frequency of the processor.") },
	{ "cpuinfo_min_freq",
	  FAMILY("node_cpu_frequency_min_hertz", METRIC_GAUGE, "hertz", "Lowest frequency of the processor.") },
	{ "cpuinfo_max_freq",
	  FAMILY("node_cpu_frequency_max_hertz", METRIC_GAUGE, "hertz", "Highest frequency of the processor.") },
	{ "scaling_cur_freq",
	  FAMILY("node_cpu_scaling_frequency_hertz", METRIC_GAUGE, "hertz", "Frequency that was set last.") },
	{ "scaling_min_freq",
	  FAMILY("node_cpu_scaling_frequency_min_hertz", METRIC_GAUGE, "hertz", "Lowest frequency that may be set.") },
	{ "scaling_max_freq",
	  FAMILY("node_cpu_scaling_frequency_max_hertz", METRIC_GAUGE, "hertz", "Highest frequency that may be set.") },
};

static void tell_governors(struct host *host, int directory, const char *cpu)
{
	static const struct metric_family family =
		FAMILY("node_cpu_scaling_governor", METRIC_GAUGE, "",
		       "Governors of the processor's frequency; 1 for the one in use.");
	char path[96], current[TEXT_SIZE], available[TEXT_SIZE], name[64];
	const struct metric_label labels[] = { { "cpu", cpu }, { "governor", name } };
	struct span in_use = { current, 0 }, all = { available, 0 }, word;

	snprintf(path, sizeof(path), "cpu%.16s/cpufreq/scaling_governor", cpu);
	if (host_read_small(directory, path, current, sizeof(current), &in_use) || !in_use.length)
		return;
	snprintf(path, sizeof(path), "cpu%.16s/cpufreq/scaling_available_governors", cpu);
	if (host_read_small(directory, path, available, sizeof(available), &all))
		return;
	while (scan_word(&all, &word)) {
		span_copy(word, name, sizeof(name));
		host_tell_labels(host, &family, labels, 2, span_is(in_use, name));
	}
}

/* A file that is not there, or that only root may read, is a family that is not told. */
static int tell_cpu(void *ctx, int directory, const char *name)
{
	struct host *host = ctx;
	uint64_t khz;
	char path[96];
	int error;

	if (strncmp(name, "cpu", 3) || name[3] < '0' || name[3] > '9' || strlen(name) > 16)
		return 0;
	snprintf(path, sizeof(path), "%s/cpufreq", name);
	if (faccessat(directory, path, F_OK, 0))
		return 0;
	for (size_t i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
		snprintf(path, sizeof(path), "%s/cpufreq/%s", name, frequencies[i].file);
		error = host_read_u64(directory, path, &khz);
		if (!error)
			host_tell_of(host, &frequencies[i].family, "cpu", name + 3, (double)khz * KHZ);
		else if (error != -ENOENT && error != -EACCES && error != -EBUSY) /* busy: taken out meanwhile */
			return error;
	}
	tell_governors(host, directory, name + 3);
	return 0;
}

/* Every processor's cpufreq is a link to a directory below that of all (drivers/cpufreq/cpufreq.c), and sysfs counts
 * the directories in one in its link count: two links, no driver. In a tree of files a link count says nothing. */
static bool has_policies(const struct host *host)
{
	struct stat all;

	if (host->sys_is_sysfs && !fstatat(host->sys_fd, CPUS "/cpufreq", &all, 0))
		return all.st_nlink > 2;
	return !faccessat(host->sys_fd, CPUS "/cpufreq", F_OK, 0) ||
	       !faccessat(host->sys_fd, CPUS "/cpu0/cpufreq", F_OK, 0);
}

/* A driver may be loaded later, but then for the first processor too. */
static int update_cpufreq(struct host *host, void *ctx)
{
	(void)ctx;
	host_at(host, CPUS);
	if (!has_policies(host))
		return faccessat(host->sys_fd, CPUS, F_OK, 0) ? -errno : 0;
	return host_each(host->sys_fd, CPUS, tell_cpu, host);
}

const struct collector host_cpufreq = { .update = update_cpufreq };

static int tell_zone(struct host *host, int directory, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_thermal_zone_temp", METRIC_GAUGE, "", "Temperature of the zone in degrees Celsius.");
	char path[96], type[TEXT_SIZE] = "";
	const struct metric_label labels[] = { { "zone", name + strlen("thermal_zone") }, { "type", type } };
	struct span text = { type, 0 };
	int64_t value;

	snprintf(path, sizeof(path), "%s/type", name);
	if (host_read_small(directory, path, type, sizeof(type), &text))
		return 0;
	snprintf(path, sizeof(path), "%s/temp", name);
	/* node_exporter tells a zone that cannot be read as 0 degrees, which it is not: it is left out here. */
	if (!host_read_i64(directory, path, &value))
		host_tell_labels(host, &family, labels, 2, (double)value / MILLI);
	return 0;
}

static int tell_cooling(struct host *host, int directory, const char *name)
{
	static const struct metric_family current =
		FAMILY("node_cooling_device_cur_state", METRIC_GAUGE, "", "How much the device cools.");
	static const struct metric_family most =
		FAMILY("node_cooling_device_max_state", METRIC_GAUGE, "", "How much the device can cool.");
	char path[96], type[TEXT_SIZE] = "";
	const struct metric_label labels[] = { { "name", name + strlen("cooling_device") }, { "type", type } };
	struct span text = { type, 0 };
	int64_t now, highest;

	snprintf(path, sizeof(path), "%s/type", name);
	if (host_read_small(directory, path, type, sizeof(type), &text))
		return 0;
	snprintf(path, sizeof(path), "%s/cur_state", name);
	if (host_read_i64(directory, path, &now))
		return 0;
	snprintf(path, sizeof(path), "%s/max_state", name);
	if (host_read_i64(directory, path, &highest))
		return 0;
	host_tell_labels(host, &current, labels, 2, (double)now);
	host_tell_labels(host, &most, labels, 2, (double)highest);
	return 0;
}

static bool is_numbered(const char *name, const char *stem)
{
	size_t length = strlen(stem);

	return !strncmp(name, stem, length) && name[length] >= '0' && name[length] <= '9' && strlen(name) < 64;
}

static int tell_thermal(void *ctx, int directory, const char *name)
{
	if (is_numbered(name, "thermal_zone"))
		return tell_zone(ctx, directory, name);
	return is_numbered(name, "cooling_device") ? tell_cooling(ctx, directory, name) : 0;
}

static int update_thermal_zone(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	host_at(host, THERMAL);
	error = host_each(host->sys_fd, THERMAL, tell_thermal, host);
	return error == -ENOENT ? 0 : error;
}

const struct collector host_thermal_zone = { .update = update_thermal_zone };

/* --- dmi: Documentation/ABI/testing/sysfs-class-dmi has none of it; drivers/firmware/dmi-id.c has. */

static int update_dmi(struct host *host, void *ctx)
{
	static const struct metric_family family =
		FAMILY("node_dmi_info", METRIC_GAUGE, "", "What the firmware calls the hardware; always 1.");
	/* The file's name is the label's, but for sys_vendor. */
	static const char *const names[] = {
		"bios_date",      "bios_release",   "bios_vendor",     "bios_version",    "board_asset_tag",
		"board_name",     "board_serial",   "board_vendor",    "board_version",   "chassis_asset_tag",
		"chassis_serial", "chassis_vendor", "chassis_version", "product_family",  "product_name",
		"product_serial", "product_sku",    "product_uuid",    "product_version", "system_vendor",
	};
	struct metric_label labels[sizeof(names) / sizeof(names[0])];
	char path[96], buffer[TEXT_SIZE];
	struct span text = { buffer, 0 };
	size_t count = 0;

	(void)ctx;
	if (faccessat(host->sys_fd, "class/dmi/id", F_OK, 0))
		return -ENODATA;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "class/dmi/id/%s",
			 strcmp(names[i], "system_vendor") ? names[i] : "sys_vendor");
		if (host_read_small(host->sys_fd, path, buffer, sizeof(buffer), &text))
			continue;
		labels[count].name = names[i];
		labels[count].value = sheet_text(host->sheet, text.at, text.length);
		if (!labels[count++].value)
			return -ENOMEM;
	}
	if (!count)
		return -ENODATA;
	host_tell_labels(host, &family, labels, count, 1);
	return 0;
}

const struct collector host_dmi = { .update = update_dmi };
