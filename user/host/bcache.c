/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bcache: /sys/fs/bcache/UUID (Documentation/admin-guide/bcache.rst). Its numbers are written for people by bch_hprint
 * (drivers/md/bcache/util.c): "1.5k", where the digits behind the dot are a number from 0 to 1023, of 1024.
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define ROOT "fs/bcache"
#define TEXT_SIZE 64
#define FRACTION 10.24 /* node_exporter takes the digits for hundredths and puts them in order by this */

struct figure {
	const char *file;
	double scale;
	bool unless_zero; /* gone since Linux 5.9 */
	struct metric_family family;
};

/* What one directory's samples have in common. */
struct place {
	struct host *host;
	int directory; /* of all caches */
	const char *folder;
	struct metric_label labels[2];
	size_t count;
};

static int parse_human(struct span text, double *ret_value)
{
	static const char units[] = "kMGTPEZY";
	struct span whole, fraction;
	const char *unit;
	double value, part = 0, factor = 1;

	if (!text.length)
		return -EINVAL;
	unit = memchr(units, text.at[text.length - 1], sizeof(units) - 1);
	if (!unit) {
		if (span_double(text, &value))
			return -EINVAL;
		return whole_number(value, ret_value);
	}
	text.length--;
	for (const char *at = units; at <= unit; at++)
		factor *= 1024;
	fraction = text;
	if (!scan_until(&fraction, '.', &whole) || span_double(whole, &value) ||
	    (fraction.length && span_double(fraction, &part)))
		return -EINVAL;
	return whole_number((value + part / FRACTION) * factor, ret_value);
}

static int parse_signed(struct span text, double *ret_value)
{
	bool negative = text.length && *text.at == '-';
	double value;
	int error = parse_human(negative ? span_skip(text, 1) : text, &value);

	if (!error)
		*ret_value = negative ? -value : value;
	return error;
}

static int tell_files(const struct place *place, const struct figure *figures, size_t count)
{
	char path[320], buffer[TEXT_SIZE];
	struct span text = { buffer, 0 };
	double value;
	int error;

	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", place->folder, figures[i].file);
		error = host_read_small(place->directory, path, buffer, sizeof(buffer), &text);
		value = 0;
		if (!error)
			error = parse_human(text, &value);
		if (error && error != -ENOENT)
			return error;
		if (value != 0 || !figures[i].unless_zero)
			host_tell_labels(place->host, &figures[i].family, place->labels, place->count,
					 value * figures[i].scale);
	}
	return 0;
}

#define GAUGE(name, unit, help) FAMILY("node_bcache_" name, METRIC_GAUGE, unit, help)
#define COUNTER(name, unit, help) FAMILY("node_bcache_" name "_total", METRIC_COUNTER, unit, help)
#define COUNT(figures) (sizeof(figures) / sizeof((figures)[0]))

static const struct figure set_figures[] = {
	{ "average_key_size", 1, false, GAUGE("average_key_size_sectors", "", "Data of a key, on average.") },
	{ "btree_cache_size", 1, false, GAUGE("btree_cache_size_bytes", "bytes", "Memory of the B-tree's cache.") },
	{ "cache_available_percent", 1, false,
	  GAUGE("cache_available_percent", "", "Share of the cache that has no dirty data.") },
	{ "congested", 1, false, GAUGE("congested", "", "How congested the cache is.") },
	{ "root_usage_percent", 1, false, GAUGE("root_usage_percent", "", "Share of the B-tree's root in use.") },
	{ "tree_depth", 1, false, GAUGE("tree_depth", "", "Depth of the B-tree.") },
	{ "internal/active_journal_entries", 1, false,
	  GAUGE("active_journal_entries", "", "Entries of the journal newer than the index.") },
	{ "internal/btree_nodes", 1, false, GAUGE("btree_nodes", "", "Nodes of the B-tree.") },
	/* The file's name says microseconds; node_exporter takes them for nanoseconds. */
	{ "internal/btree_read_average_duration_us", 1e-9, false,
	  GAUGE("btree_read_average_duration_seconds", "seconds", "Time of a read of the B-tree, on average.") },
	{ "internal/cache_read_races", 1, false,
	  COUNTER("cache_read_races", "", "Reads whose bucket was reused meanwhile.") },
};

static const struct figure backing_figures[] = {
	{ "dirty_data", 1, false, GAUGE("dirty_data_bytes", "bytes", "Dirty data of the backing device.") },
	{ "stats_total/bypassed", 1, false, COUNTER("bypassed_bytes", "bytes", "Bytes that went past the cache.") },
	{ "stats_total/cache_hits", 1, false, COUNTER("cache_hits", "", "Hits.") },
	{ "stats_total/cache_misses", 1, false, COUNTER("cache_misses", "", "Misses.") },
	{ "stats_total/cache_bypass_hits", 1, false,
	  COUNTER("cache_bypass_hits", "", "Hits of what was meant to go past.") },
	{ "stats_total/cache_bypass_misses", 1, false,
	  COUNTER("cache_bypass_misses", "", "Misses of what was meant to go past.") },
	{ "stats_total/cache_miss_collisions", 1, false,
	  COUNTER("cache_miss_collisions", "", "Misses whose data a write had put in meanwhile.") },
	{ "stats_total/cache_readaheads", 1, true, COUNTER("cache_readaheads", "", "Reads ahead.") },
};

static const struct figure cache_figures[] = {
	{ "io_errors", 1, false, GAUGE("io_errors", "", "Errors of the cache device, which fade.") },
	{ "metadata_written", 1, false, COUNTER("metadata_written_bytes", "bytes", "Bytes written but for data.") },
	{ "written", 1, false, COUNTER("written_bytes", "bytes", "Bytes of data written.") },
};

/* writeback_rate_debug: `rate: 1.1M/sec` and the like, a line each. */
static int tell_writeback(const struct place *place)
{
	static const struct {
		const char *line;
		struct metric_family family;
	} rows[] = {
		{ "rate:", GAUGE("writeback_rate", "", "Rate of writing back.") },
		{ "target:", GAUGE("dirty_target_bytes", "bytes", "Dirty data that is aimed at.") },
		{ "proportional:", GAUGE("writeback_rate_proportional_term", "", "Part of the rate.") },
		{ "integral:", GAUGE("writeback_rate_integral_term", "", "Part of the rate.") },
		{ "change:", GAUGE("writeback_change", "", "Last change of the rate.") },
	};
	double values[COUNT(rows)] = { 0 };
	struct span text, line, word;
	char path[320];
	int error;

	snprintf(path, sizeof(path), "%s/writeback_rate_debug", place->folder);
	error = host_read_once(place->host, place->directory, path, &text);
	while (!error && scan_line(&text, &line))
		for (size_t i = 0; i < COUNT(rows) && !error; i++) {
			struct span rest = line;

			if (!span_begins(line, rows[i].line) || !scan_word(&rest, &word) || !scan_word(&rest, &word))
				continue;
			if (word.length > 4 && !memcmp(word.at + word.length - 4, "/sec", 4))
				word.length -= 4;
			error = parse_signed(word, &values[i]);
		}
	for (size_t i = 0; i < COUNT(rows) && !error; i++)
		host_tell_labels(place->host, &rows[i].family, place->labels, place->count, values[i]);
	return error;
}

static bool is_numbered(const char *name, const char *stem)
{
	size_t length = strlen(stem);

	return !strncmp(name, stem, length) && name[length] >= '0' && name[length] <= '9' && strlen(name) < 64;
}

static int tell_member(void *ctx, int directory, const char *name)
{
	const struct place *set = ctx;
	struct place place = { .host = set->host,
			       .directory = directory,
			       .folder = name,
			       .labels = { set->labels[0], { "backing_device", name } },
			       .count = 2 };
	int error = 0;

	if (is_numbered(name, "bdev")) {
		error = tell_files(&place, backing_figures, COUNT(backing_figures));
		return error ? error : tell_writeback(&place);
	}
	if (is_numbered(name, "cache")) {
		place.labels[1].name = "cache_device";
		error = tell_files(&place, cache_figures, COUNT(cache_figures));
	}
	return error;
}

static int tell_set(void *ctx, int directory, const char *name)
{
	struct place place = {
		.host = ctx, .directory = directory, .folder = name, .labels = { { "uuid", name } }, .count = 1
	};
	int error;

	if (!strchr(name, '-')) /* register, pendings_cleanup */
		return 0;
	host_at(ctx, ROOT "/%s", name);
	error = tell_files(&place, set_figures, COUNT(set_figures));
	return error ? error : host_each(directory, name, tell_member, &place);
}

static int update(struct host *host, void *ctx)
{
	int error;

	(void)ctx;
	host_at(host, ROOT);
	error = host_each(host->sys_fd, ROOT, tell_set, host);
	return error == -ENOENT ? 0 : error;
}

const struct collector host_bcache = { .update = update };
