/* SPDX-License-Identifier: Apache-2.0 */
/*
 * powersupplyclass (Documentation/ABI/testing/sysfs-class-power) and rapl (Documentation/power/powercap/powercap.rst):
 * batteries and mains, and the energy that processors used.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/internal.h"

#define TEXT_SIZE 256
#define ZONES_MAX 1024
#define MICRO 1e6
#define TENTHS 10.0

#define SUPPLY(file, name, divisor)                                                                                   \
	{                                                                                                             \
		file, divisor,                                                                                        \
			FAMILY("node_power_supply_" name, METRIC_GAUGE, "", "The file " file " of the power supply.") \
	}

static const struct {
	const char *file;
	double divisor;
	struct metric_family family;
} supplies[] = {
	SUPPLY("authentic", "authentic", 1),
	SUPPLY("calibrate", "calibrate", 1),
	SUPPLY("capacity", "capacity", 1),
	SUPPLY("capacity_alert_max", "capacity_alert_max", 1),
	SUPPLY("capacity_alert_min", "capacity_alert_min", 1),
	SUPPLY("cycle_count", "cyclecount", 1),
	SUPPLY("online", "online", 1),
	SUPPLY("present", "present", 1),
	SUPPLY("time_to_empty_now", "time_to_empty_seconds", 1),
	SUPPLY("time_to_full_now", "time_to_full_seconds", 1),
	SUPPLY("current_boot", "current_boot", MICRO),
	SUPPLY("current_max", "current_max", MICRO),
	SUPPLY("current_now", "current_ampere", MICRO),
	SUPPLY("energy_empty", "energy_empty", MICRO),
	SUPPLY("energy_empty_design", "energy_empty_design", MICRO),
	SUPPLY("energy_full", "energy_full", MICRO),
	SUPPLY("energy_full_design", "energy_full_design", MICRO),
	SUPPLY("energy_now", "energy_watthour", MICRO),
	SUPPLY("voltage_boot", "voltage_boot", MICRO),
	SUPPLY("voltage_max", "voltage_max", MICRO),
	SUPPLY("voltage_max_design", "voltage_max_design", MICRO),
	SUPPLY("voltage_min", "voltage_min", MICRO),
	SUPPLY("voltage_min_design", "voltage_min_design", MICRO),
	SUPPLY("voltage_now", "voltage_volt", MICRO),
	SUPPLY("voltage_ocv", "voltage_ocv", MICRO),
	SUPPLY("charge_control_limit", "charge_control_limit", MICRO),
	SUPPLY("charge_control_limit_max", "charge_control_limit_max", MICRO),
	SUPPLY("charge_counter", "charge_counter", MICRO),
	SUPPLY("charge_empty", "charge_empty", MICRO),
	SUPPLY("charge_empty_design", "charge_empty_design", MICRO),
	SUPPLY("charge_full", "charge_full", MICRO),
	SUPPLY("charge_full_design", "charge_full_design", MICRO),
	SUPPLY("charge_now", "charge_ampere", MICRO),
	SUPPLY("charge_term_current", "charge_term_current", MICRO),
	SUPPLY("constant_charge_current", "constant_charge_current", MICRO),
	SUPPLY("constant_charge_current_max", "constant_charge_current_max", MICRO),
	SUPPLY("constant_charge_voltage", "constant_charge_voltage", MICRO),
	SUPPLY("constant_charge_voltage_max", "constant_charge_voltage_max", MICRO),
	SUPPLY("precharge_current", "precharge_current", MICRO),
	SUPPLY("input_current_limit", "input_current_limit", MICRO),
	SUPPLY("power_now", "power_watt", MICRO),
	SUPPLY("temp", "temp_celsius", TENTHS),
	SUPPLY("temp_alert_max", "temp_alert_max_celsius", TENTHS),
	SUPPLY("temp_alert_min", "temp_alert_min_celsius", TENTHS),
	SUPPLY("temp_ambient", "temp_ambient_celsius", TENTHS),
	SUPPLY("temp_ambient_max", "temp_ambient_max_celsius", TENTHS),
	SUPPLY("temp_ambient_min", "temp_ambient_min_celsius", TENTHS),
	SUPPLY("temp_max", "temp_max_celsius", TENTHS),
	SUPPLY("temp_min", "temp_min_celsius", TENTHS),
};

struct supply_state {
	struct host *host; /* of the walk at hand */
	struct filter *wanted;
};

static int start_supplies(struct host *host, void *ctx)
{
	struct supply_state *state = ctx;

	return filter_new(host->options->powersupply_ignored_supplies, "", 64, host->config.hash_seed, &state->wanted);
}

static void stop_supplies(void *ctx)
{
	filter_free(((struct supply_state *)ctx)->wanted);
}

static void tell_texts(struct host *host, int supply, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_power_supply_info", METRIC_GAUGE, "", "What the power supply says in words; always 1.");
	static const char *const files[] = { "capacity_level", "charge_type", "health",        "manufacturer",
					     "model_name",     "scope",       "serial_number", "status",
					     "technology",     "type",        "usb_type" };
	const size_t count = sizeof(files) / sizeof(files[0]);
	struct metric_label labels[sizeof(files) / sizeof(files[0]) + 1] = { { "power_supply", name } };
	char texts[sizeof(files) / sizeof(files[0])][TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		struct span text = { texts[i], 0 };

		labels[i + 1].name = files[i];
		labels[i + 1].value = host_read_small(supply, files[i], texts[i], TEXT_SIZE, &text) ? "" : text.at;
	}
	host_tell_labels(host, &family, labels, count + 1, 1);
}

static int tell_supply(void *ctx, int directory, const char *name)
{
	struct supply_state *state = ctx;
	CLEANUP_FD int supply = -1;
	int64_t value;

	if (!filter_passes(state->wanted, span_of(name)))
		return 0;
	supply = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (supply < 0) /* it went away */
		return 0;
	for (size_t i = 0; i < sizeof(supplies) / sizeof(supplies[0]); i++)
		if (!host_read_i64(supply, supplies[i].file, &value))
			host_tell_of(state->host, &supplies[i].family, "power_supply", name,
				     (double)value / supplies[i].divisor);
	tell_texts(state->host, supply, name);
	return 0;
}

static int update_supplies(struct host *host, void *ctx)
{
	struct supply_state *state = ctx;

	state->host = host;
	return host_each_class(host, "power_supply", tell_supply, state);
}

const struct collector host_powersupplyclass = {
	.state_size = sizeof(struct supply_state),
	.start = start_supplies,
	.update = update_supplies,
	.stop = stop_supplies,
};

struct zone {
	char directory[64];
	char name[64];  /* without the number at its end */
	uint64_t index; /* that number, else how many of this name came before */
};

struct rapl_state {
	struct zone *zones; /* owned */
	size_t count, capacity;
};

static void stop_rapl(void *ctx)
{
	free(((struct rapl_state *)ctx)->zones);
}

static int compare_zones(const void *a, const void *b)
{
	return strcmp(((const struct zone *)a)->directory, ((const struct zone *)b)->directory);
}

/* Zones are the directories that have a name and a range. */
static int add_zone(void *ctx, int directory, const char *name)
{
	struct rapl_state *state = ctx;
	struct zone zone = { 0 };
	char path[128];
	struct span text = { zone.name, 0 };
	uint64_t range;

	if (strlen(name) >= sizeof(zone.directory))
		return 0;
	snprintf(path, sizeof(path), "%s/name", name);
	if (host_read_small(directory, path, zone.name, sizeof(zone.name), &text))
		return 0;
	memmove(zone.name, text.at, text.length + 1);
	snprintf(path, sizeof(path), "%s/max_energy_range_uj", name);
	if (host_read_u64(directory, path, &range))
		return 0;
	snprintf(zone.directory, sizeof(zone.directory), "%s", name);
	if (state->count == state->capacity) {
		struct zone *grown = host_grow(state->zones, &state->capacity, sizeof(zone), ZONES_MAX);

		if (!grown)
			return -ENOMEM;
		state->zones = grown;
	}
	state->zones[state->count++] = zone;
	return 0;
}

/* "package-0" has its number; of several that are called "core" the order of the directories tells. */
static void number_zone(struct rapl_state *state, size_t at)
{
	struct zone *zone = &state->zones[at];
	char *dash = strchr(zone->name, '-');

	if (dash && !strchr(dash + 1, '-') && !span_u64(span_of(dash + 1), &zone->index)) {
		*dash = '\0';
		return;
	}
	zone->index = 0;
	for (size_t i = 0; i < at; i++)
		if (!strcmp(state->zones[i].name, zone->name))
			zone->index = state->zones[i].index + 1;
}

static int tell_zone(struct host *host, const struct zone *zone)
{
	static const struct metric_family by_label =
		FAMILY("node_rapl_joules_total", METRIC_COUNTER, "", "Energy that the zone used.");
	char path[HOST_PATH_SIZE], index[24], name[128], help[128], clean[64];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = METRIC_COUNTER };
	const struct metric_label labels[] = { { "index", index }, { "path", path }, { "rapl_zone", zone->name } };
	uint64_t microjoules;
	int error;

	snprintf(path, sizeof(path), "class/powercap/%s/energy_uj", zone->directory);
	error = host_read_u64(host->sys_fd, path, &microjoules);
	if (error)
		return error;
	snprintf(index, sizeof(index), "%llu", (unsigned long long)zone->index);
	snprintf(path, sizeof(path), "%.255s/class/powercap/%s", host->config.config->path_sysfs, zone->directory);
	if (host->options->rapl_enable_zone_label) {
		host_tell_labels(host, &by_label, labels, 3, (double)microjoules / MICRO);
		return 0;
	}
	span_metric_name(span_of(zone->name), clean, sizeof(clean));
	snprintf(name, sizeof(name), "node_rapl_%s_joules_total", clean);
	snprintf(help, sizeof(help), "Energy that the zone %s used.", zone->name);
	sheet_add_labelled(host->sheet, sheet_family_copied(host->sheet, &family), labels, 2,
			   (double)microjoules / MICRO);
	return 0;
}

static int update_rapl(struct host *host, void *ctx)
{
	struct rapl_state *state = ctx;
	int error;

	state->count = 0;
	error = host_each_class(host, "powercap", add_zone, state);
	if (error)
		return error == -EACCES ? -ENODATA : error;
	if (state->count)
		qsort(state->zones, state->count, sizeof(*state->zones), compare_zones);
	for (size_t i = 0; i < state->count && !error; i++) {
		number_zone(state, i);
		error = tell_zone(host, &state->zones[i]);
	}
	return error == -EACCES ? -ENODATA : error; /* only root may read energy_uj */
}

const struct collector host_rapl = {
	.state_size = sizeof(struct rapl_state),
	.update = update_rapl,
	.stop = stop_rapl,
};
