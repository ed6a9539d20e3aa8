/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hwmon: sensors of temperature, voltage, fans... (Documentation/hwmon/sysfs-interface.rst). What a directory of
 * /sys/class/hwmon holds is gathered first, because how one file is told depends on which others are there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/hwmon.h"
#include "host/internal.h"

#define CLASS "class/hwmon"
#define CHIPS_MAX 1024
#define FILES_MAX 8192

struct chip {
	char directory[64]; /* hwmon0 */
	char name[192];     /* as told */
	char file[64];      /* what the file `name` says, cleaned */
};

struct hwmon_state {
	struct host *host; /* of the walk at hand */
	struct filter *chips_wanted, *sensors_wanted;
	struct chip *chips; /* owned */
	size_t chip_count, chip_capacity;
	struct hwmon_file *files; /* of the chip at hand; owned */
	size_t file_count, file_capacity;
};

static int start(struct host *host, void *ctx)
{
	const struct config_host *options = host->options;
	struct hwmon_state *state = ctx;
	int error = filter_new(options->hwmon_chip_exclude, options->hwmon_chip_include, CHIPS_MAX,
			       host->config.hash_seed, &state->chips_wanted);

	if (error)
		return error;
	return filter_new(options->hwmon_sensor_exclude, options->hwmon_sensor_include, 4096, host->config.hash_seed,
			  &state->sensors_wanted);
}

static void stop(void *ctx)
{
	struct hwmon_state *state = ctx;

	filter_free(state->chips_wanted);
	filter_free(state->sensors_wanted);
	free(state->chips);
	free(state->files);
}

/* The last two parts of the path that `device` leads to: bus and device, "platform_coretemp_0". */
static bool name_of_device(const struct host *host, struct chip *chip)
{
	char path[HOST_PATH_SIZE], device[96], bus[96];
	CLEANUP_FREE char *real = NULL;
	char *slash;

	snprintf(path, sizeof(path), "%.255s/" CLASS "/%s/device", host->config.config->path_sysfs, chip->directory);
	real = realpath(path, NULL);
	slash = real ? strrchr(real, '/') : NULL;
	if (!slash)
		return false;
	hwmon_clean(span_of(slash + 1), device, sizeof(device));
	*slash = '\0';
	slash = strrchr(real, '/');
	hwmon_clean(span_of(slash ? slash + 1 : ""), bus, sizeof(bus));
	if (!*device)
		return false;
	snprintf(chip->name, sizeof(chip->name), "%s%s%s", bus, *bus ? "_" : "", device);
	return true;
}

static int add_chip(void *ctx, int directory, const char *name)
{
	struct hwmon_state *state = ctx;
	char path[96], buffer[128];
	struct span text = { buffer, 0 };
	struct chip chip = { 0 };

	if (strlen(name) >= sizeof(chip.directory))
		return 0;
	snprintf(chip.directory, sizeof(chip.directory), "%s", name);
	snprintf(path, sizeof(path), "%s/name", name);
	if (!host_read_small(directory, path, buffer, sizeof(buffer), &text))
		hwmon_clean(text, chip.file, sizeof(chip.file));
	if (!name_of_device(state->host, &chip)) {
		if (*chip.file)
			snprintf(chip.name, sizeof(chip.name), "%s", chip.file);
		else
			hwmon_clean(span_of(name), chip.name, sizeof(chip.name));
	}
	if (state->chip_count == state->chip_capacity) {
		struct chip *grown = host_grow(state->chips, &state->chip_capacity, sizeof(chip), CHIPS_MAX);

		if (!grown)
			return -ENOMEM;
		state->chips = grown;
	}
	state->chips[state->chip_count++] = chip;
	return 0;
}

/* Several directories may belong to one device: what the file `name` says tells them apart, else the directory. */
static void full_name(const struct hwmon_state *state, const struct chip *chip, char ret_name[256])
{
	size_t same = 0, twins = 0;

	for (size_t i = 0; i < state->chip_count; i++) {
		if (strcmp(state->chips[i].name, chip->name))
			continue;
		same++;
		twins += !strcmp(state->chips[i].file, chip->file);
	}
	if (same < 2)
		snprintf(ret_name, 256, "%s", chip->name);
	else
		snprintf(ret_name, 256, "%s_%s", chip->name, *chip->file && twins < 2 ? chip->file : chip->directory);
}

static int add_file(void *ctx, int directory, const char *name)
{
	struct hwmon_state *state = ctx;
	struct hwmon_file file;
	struct span text = { file.value, 0 };

	if (!hwmon_split(name, &file) || host_read_small(directory, name, file.value, sizeof(file.value), &text))
		return 0;
	memmove(file.value, text.at, text.length + 1);
	for (size_t i = 0; i < state->file_count; i++) {
		if (!hwmon_same(&state->files[i], &file))
			continue;
		state->files[i] = file;
		return 0;
	}
	if (state->file_count == state->file_capacity) {
		struct hwmon_file *grown = host_grow(state->files, &state->file_capacity, sizeof(file), FILES_MAX);

		if (!grown)
			return -ENOMEM;
		state->files = grown;
	}
	state->files[state->file_count++] = file;
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct hwmon_file *one = a, *other = b;
	int order = (int)one->type - (int)other->type;

	if (!order)
		order = one->number < other->number ? -1 : one->number > other->number;
	return order ? order : strcmp(one->property, other->property);
}

static void tell_sensors(struct host *host, const struct hwmon_state *state, const char *chip)
{
	char name[320];

	for (size_t first = 0, end; first < state->file_count; first = end) {
		const struct hwmon_file *files = &state->files[first];
		char sensor[64];

		for (end = first + 1; end < state->file_count && state->files[end].type == files->type &&
				      state->files[end].number == files->number;
		     end++)
			;
		hwmon_sensor(files, sensor, sizeof(sensor));
		snprintf(name, sizeof(name), "%s;%s", chip, sensor);
		if (filter_passes(state->sensors_wanted, span_of(name)))
			hwmon_tell(host, chip, sensor, files, end - first);
	}
}

static int tell_chip(struct host *host, struct hwmon_state *state, const struct chip *chip)
{
	static const struct metric_family names =
		FAMILY("node_hwmon_chip_names", METRIC_GAUGE, "", "What the chip's driver calls it; always 1.");
	char name[256], path[128];
	const struct metric_label labels[] = { { "chip", name }, { "chip_name", chip->file } };
	int error;

	full_name(state, chip, name);
	if (!filter_passes(state->chips_wanted, span_of(name)))
		return 0;
	state->file_count = 0;
	host_at(host, CLASS "/%s", chip->directory);
	snprintf(path, sizeof(path), CLASS "/%s", chip->directory);
	error = host_each(host->sys_fd, path, add_file, state);
	if (error)
		return error;
	snprintf(path, sizeof(path), CLASS "/%s/device", chip->directory);
	error = host_each(host->sys_fd, path, add_file, state);
	if (error && error != -ENOENT && error != -ENOTDIR)
		return error;
	if (*chip->file)
		host_tell_labels(host, &names, labels, 2, 1);
	if (state->file_count)
		qsort(state->files, state->file_count, sizeof(*state->files), compare_files);
	tell_sensors(host, state, name);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct hwmon_state *state = ctx;
	int error, last = 0;

	state->host = host;
	state->chip_count = 0;
	error = host_each_class(host, "hwmon", add_chip, state);
	if (error)
		return error;
	for (size_t i = 0; i < state->chip_count; i++) {
		error = tell_chip(host, state, &state->chips[i]);
		last = error ? error : last;
	}
	return last;
}

const struct collector host_hwmon = {
	.state_size = sizeof(struct hwmon_state),
	.start = start,
	.update = update,
	.stop = stop,
};
