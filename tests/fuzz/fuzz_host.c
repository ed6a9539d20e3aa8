/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of host files: the first byte picks one, the rest is the file. Nothing may crash, hang, read past the end
 * or make what no exposition may hold.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "host/hwmon.h"
#include "host/mdstat.h"
#include "host/mounts.h"
#include "host/proc_stat.h"
#include "host/prom_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void mounts(struct span text)
{
	struct mount mount;
	struct span line;
	char path[64];

	while (scan_line(&text, &line)) {
		if (mount_parse(line, &mount))
			continue;
		check(mount.point.at >= line.at && mount.point.at + mount.point.length <= line.at + line.length);
		check(mount.device.at + mount.device.length <= line.at + line.length);
		mount_unescape(mount.point, false, path, sizeof(path));
		check(strlen(path) <= mount.point.length);
		mount_unescape(mount.point, true, path, sizeof(path));
	}
}

static void stat_file(struct span text)
{
	struct span all = text;
	struct cpu_line line;
	uint64_t value;
	int error = 0;

	while (proc_stat_cpu(&text, &line, &error))
		;
	(void)!proc_stat_counter(all, "intr", &value);
	(void)!proc_stat_counter(all, "btime", &value);
}

static void prom(struct span text)
{
	static struct prom_line parsed;
	struct span line;
	char help[64];

	while (scan_line(&text, &line)) {
		if (prom_line_parse(line, &parsed))
			continue;
		if (parsed.kind == PROM_HELP) {
			prom_unescape_help(parsed.help, help, sizeof(help));
			check(strlen(help) <= parsed.help.length);
		}
		for (size_t i = 0; parsed.kind == PROM_SAMPLE && i < parsed.label_count; i++) {
			check(parsed.label_names[i].length > 0);
			check(utf8_valid(parsed.label_values[i], strlen(parsed.label_values[i])));
		}
	}
}

static void mdstat(struct span text)
{
	struct mdstat_array array;
	int error;

	while (mdstat_next(&text, &array, &error))
		check(array.name.length > 0);
}

static void names(struct span text)
{
	struct hwmon_file file;
	char name[128], clean[128];
	double number;
	int64_t whole;

	span_copy(text, name, sizeof(name));
	if (hwmon_split(name, &file)) {
		check(file.type < HWMON_TYPES);
		hwmon_sensor(&file, clean, sizeof(clean));
	}
	hwmon_clean(text, clean, sizeof(clean));
	check(clean[0] != '_');
	span_metric_name(text, clean, sizeof(clean));
	(void)!span_double(text, &number);
	(void)!span_i64(text, &whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static void (*const targets[])(struct span text) = { mounts, stat_file, prom, mdstat, names };
	char *copy;

	if (!size)
		return 0;
	/* A copy of just this size, so that a read past the end is seen. */
	copy = malloc(size);
	check(copy != NULL);
	memcpy(copy, bytes, size);
	targets[*bytes % (sizeof(targets) / sizeof(targets[0]))]((struct span){ copy + 1, size - 1 });
	free(copy);
	return 0;
}
