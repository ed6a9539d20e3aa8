/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the switches of the host's collectors come to: disable-defaults, collectors that sonde has not, and pairs of
 * patterns that exclude each other.
 */
#include "config/collectors.h"

#include <stdio.h>
#include <string.h>

#include "config/check.h"
#include "config/options.h"

#define COLLECTOR_TEXT(name, ...) #name,

const char *collector_name(enum host_collector collector)
{
	static const char *const names[COLLECTOR_NAMES] = { HOST_COLLECTORS(COLLECTOR_TEXT, COLLECTOR_TEXT,
									    COLLECTOR_TEXT) };

	return names[collector];
}

/* The row of the collector's switch. */
static const struct config_option *switch_of(enum host_collector collector)
{
	char name[OPTION_NAME_SIZE];

	snprintf(name, sizeof(name), "collector.%s", collector_name(collector));
	return option_find(name);
}

/* Both said, neither by default nor empty. */
static int check_pair(const struct config *config, const struct config_report *report, const char *stem,
		      const char *excluded, const char *included)
{
	char exclude[OPTION_NAME_SIZE], include[OPTION_NAME_SIZE];
	const struct config_option *option;

	snprintf(exclude, sizeof(exclude), "collector.%s-exclude", stem);
	snprintf(include, sizeof(include), "collector.%s-include", stem);
	option = option_find(exclude);
	if (!*included || !*excluded || config->origins[option_index(option)].kind == ORIGIN_DEFAULT)
		return 0;
	return report_refuse(report, "--%s: conflicts with --%s: a collector either leaves out or picks", exclude,
			     include);
}

static int check_pairs(const struct config *config, const struct config_report *report)
{
	const struct config_host *host = &config->host;
	const struct {
		const char *stem, *excluded, *included;
	} pairs[] = {
		{ "arp.device", host->arp_device_exclude, host->arp_device_include },
		{ "diskstats.device", host->diskstats_device_exclude, host->diskstats_device_include },
		{ "filesystem.mount-points", host->filesystem_mount_points_exclude,
		  host->filesystem_mount_points_include },
		{ "filesystem.fs-types", host->filesystem_fs_types_exclude, host->filesystem_fs_types_include },
		{ "hwmon.chip", host->hwmon_chip_exclude, host->hwmon_chip_include },
		{ "hwmon.sensor", host->hwmon_sensor_exclude, host->hwmon_sensor_include },
		{ "interrupts.name", host->interrupts_name_exclude, host->interrupts_name_include },
		{ "netdev.device", host->netdev_device_exclude, host->netdev_device_include },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) && !error; i++)
		error = check_pair(config, report, pairs[i].stem, pairs[i].excluded, pairs[i].included);
	return error;
}

int check_collectors(const struct config *config, const struct config_report *report)
{
	for (int i = COLLECTOR_COUNT; i < COLLECTOR_NAMES; i++)
		if (config->collectors[i])
			return report_refuse(report, "--collector.%s: sonde has no such collector",
					     collector_name((enum host_collector)i));
	return check_pairs(config, report);
}

void collectors_settle(struct config *config)
{
	for (int i = 0; i < COLLECTOR_COUNT && config->collector_disable_defaults; i++)
		if (config->origins[option_index(switch_of((enum host_collector)i))].kind == ORIGIN_DEFAULT)
			config->collectors[i] = false;
}
