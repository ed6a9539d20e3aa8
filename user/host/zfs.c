/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zfs: the kstats of OpenZFS below /proc/spl/kstat/zfs (module/os/linux/spl/spl-kstat.c), whose rows name the metrics:
 *
 *     13 1 0x01 147 39984 9023481340 6450184423
 *     name                            type data
 *     hits                            4    8772612
 *
 * and for each pool its datasets (objset-*, in the same form), its state, and in old versions `io`, a line of names
 * above a line of values.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "host/internal.h"

#define ROOT "spl/kstat/zfs"
#define NAME_SIZE 160
#define POOL_SIZE 256
#define IO_FIELDS 12 /* at least */

static const char *const files[][2] = {
	{ "zfs_abd", "abdstats" },
	{ "zfs_arc", "arcstats" },
	{ "zfs_dbuf", "dbufstats" },
	{ "zfs_dmu_tx", "dmu_tx" },
	{ "zfs_dnode", "dnodestats" },
	{ "zfs_fm", "fm" },
	{ "zfs_vdev_cache", "vdev_cache_stats" },
	{ "zfs_vdev_mirror", "vdev_mirror_stats" },
	{ "zfs_xuio", "xuio_stats" },
	{ "zfs_zfetch", "zfetchstats" },
	{ "zfs_zil", "zil" },
};

/* Where a row's value goes. */
struct place {
	struct host *host;
	const char *subsystem; /* "zfs_arc" */
	const char *file;      /* for the help text */
	struct metric_label labels[2];
	size_t label_count;
};

static void tell(const struct place *place, struct span field, double value)
{
	char name[NAME_SIZE], text[NAME_SIZE], help[2 * NAME_SIZE];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = METRIC_UNTYPED };
	const char *dot = memrchr(field.at, '.', field.length);
	struct span last = dot ? span_skip(field, (size_t)(dot - field.at) + 1) : field;

	span_metric_name(last, text, sizeof(text) / 2);
	text_join(name, sizeof(name),
		  (struct span[]){ span_of("node_"), span_of(place->subsystem), span_of("_"), span_of(text) }, 4);
	text_join(help, sizeof(help),
		  (struct span[]){ span_of("The field "), span_of(text), span_of(" of "), span_of(place->file),
				   span_of(".") },
		  5);
	sheet_add_labelled(place->host->sheet, sheet_family_copied(place->host->sheet, &family), place->labels,
			   place->label_count, value);
}

/* KSTAT_DATA_INT64 and KSTAT_DATA_UINT64; other types are no figures. */
static int tell_value(const struct place *place, struct span field, struct span type, struct span word)
{
	uint64_t number;
	int64_t with_sign;

	if (span_is(type, "4")) {
		if (span_u64(word, &number))
			return -EINVAL;
		tell(place, field, (double)number);
	} else if (span_is(type, "3") && !place->label_count) {
		if (span_i64(word, &with_sign))
			return -EINVAL;
		tell(place, field, (double)with_sign);
	}
	return 0;
}

static bool is_heading(struct span line)
{
	struct span word;

	return scan_word(&line, &word) && span_is(word, "name") && scan_word(&line, &word) && span_is(word, "type") &&
	       scan_word(&line, &word) && span_is(word, "data") && !scan_word(&line, &word);
}

/* A dataset's file says whose it is in its first row, up to the end of the line. */
static int tell_rows(struct place *place, struct span text, char dataset[POOL_SIZE])
{
	struct span line, rest, field, type, word;
	bool begun = false;
	int error = 0;

	while (!error && scan_line(&text, &line)) {
		if (!begun) {
			begun = is_heading(line);
			continue;
		}
		if (!scan_word(&line, &field) || !scan_word(&line, &type))
			continue;
		rest = span_trim(line);
		if (!scan_word(&line, &word))
			continue;
		if (dataset && span_is(field, "dataset_name"))
			span_copy(rest, dataset, POOL_SIZE);
		else
			error = tell_value(place, field, type, word);
	}
	return begun ? error : -EINVAL;
}

static int tell_io(const struct place *place, struct span text)
{
	struct span names = { 0 }, line, name, word;
	uint64_t value;
	size_t count = 0;

	while (scan_line(&text, &line)) {
		struct span first = line;

		if (!names.length) {
			if (!scan_word(&first, &word) || !span_is(word, "nread"))
				continue;
			for (first = line; scan_word(&first, &word); count++)
				;
			names = count >= IO_FIELDS ? line : names;
			continue;
		}
		for (first = names; scan_word(&first, &name);) {
			if (!scan_word(&line, &word) || span_u64(word, &value))
				return -EINVAL;
			tell(place, name, (double)value);
		}
		break; /* one line of values */
	}
	return 0;
}

static void tell_state(struct host *host, const char *pool, struct span text)
{
	static const struct metric_family family =
		FAMILY("node_zfs_zpool_state", METRIC_GAUGE, "", "State of the pool: 1 for the one it is in.");
	static const char *const states[] = { "online",  "degraded", "faulted",  "offline",
					      "removed", "unavail",  "suspended" };
	char state[32];
	struct span line = { 0 };

	scan_line(&text, &line);
	span_copy(line, state, sizeof(state));
	for (char *c = state; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		const struct metric_label labels[] = { { "zpool", pool }, { "state", states[i] } };

		host_tell_labels(host, &family, labels, 2, !strcmp(state, states[i]));
	}
}

struct pool {
	struct host *host;
	const char *name;
};

static int tell_dataset(void *ctx, int directory, const char *name)
{
	const struct pool *pool = ctx;
	char dataset[POOL_SIZE] = "";
	struct place place = { .host = pool->host,
			       .subsystem = "zfs_zpool_dataset",
			       .file = "objset",
			       .labels = { { "zpool", pool->name }, { "dataset", dataset } },
			       .label_count = 2 };
	struct span text;
	int error;

	if (strncmp(name, "objset-", 7) != 0)
		return 0;
	error = host_read_once(pool->host, directory, name, &text);
	if (error == -ENOENT) /* exported meanwhile */
		return 0;
	return error ? error : tell_rows(&place, text, dataset);
}

/* A directory below ROOT; files beside the pools are passed over. */
static int tell_pool(void *ctx, int directory, const char *name)
{
	struct pool pool = { ctx, name };
	struct place place = {
		.host = ctx, .subsystem = "zfs_zpool", .file = "io", .labels = { { "zpool", name } }, .label_count = 1
	};
	char path[NAME_MAX + 16];
	struct span text;
	int error;

	snprintf(path, sizeof(path), "%s/io", name);
	error = host_read_once(ctx, directory, path, &text);
	if (!error)
		error = tell_io(&place, text);
	if (error == -ENOTDIR)
		return 0;
	if (error && error != -ENOENT)
		return error;
	snprintf(path, sizeof(path), "%s/state", name);
	error = host_read_once(ctx, directory, path, &text);
	if (!error)
		tell_state(ctx, name, text);
	if (error && error != -ENOENT)
		return error;
	error = host_each(directory, name, tell_dataset, &pool);
	return error == -ENOENT ? 0 : error;
}

static int update(struct host *host, void *ctx)
{
	struct place place = { .host = host };
	struct span text;
	char path[64];
	int error = 0;

	(void)ctx;
	host_at(host, ROOT);
	if (faccessat(host->proc_fd, ROOT, F_OK, 0))
		return -ENODATA;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !error; i++) {
		snprintf(path, sizeof(path), ROOT "/%s", files[i][1]);
		place.subsystem = files[i][0];
		place.file = files[i][1];
		error = host_read_once(host, host->proc_fd, path, &text);
		/* Every version of OpenZFS has others. */
		error = error == -ENOENT ? 0 : error ? error : tell_rows(&place, text, NULL);
	}
	return error ? error : host_each(host->proc_fd, ROOT, tell_pool, host);
}

const struct collector host_zfs = { .update = update };
