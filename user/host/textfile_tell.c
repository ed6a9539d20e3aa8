/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the lines of a text file to families. A histogram's buckets, sum and count are put together again, so that every
 * exposition format can say them; a summary's quantiles, sum and count become three untyped families, as the model has
 * no summaries. Names that sonde tells itself are refused: nobody could tell the two apart.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/textfile_internal.h"

#define TYPES_MAX 8192
#define NAME_SIZE 256
#define HELP_SIZE 1024

static const char *const own_prefixes[] = { "sonde_",
					    "process_",
					    "http_server_",
					    "http_client_",
					    "db_client_",
					    "container_",
					    "node_scrape_collector_",
					    "node_textfile_",
					    "db_server_",
					    "node_exporter_build_info" };

static bool is_own(struct span name)
{
	for (size_t i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++)
		if (span_begins(name, own_prefixes[i]))
			return true;
	return false;
}

static bool same_name(struct span a, struct span b)
{
	return a.length == b.length && a.length && !memcmp(a.at, b.at, a.length);
}

static struct textfile_type *find_type(const struct textfile_state *state, struct span name)
{
	for (size_t i = state->type_count; i-- > 0;)
		if (same_name(state->types[i].name, name))
			return &state->types[i];
	return NULL;
}

static struct textfile_type *add_type(struct textfile_state *state, struct span name)
{
	struct textfile_type *type = find_type(state, name);

	if (type)
		return type;
	if (state->type_count == state->type_capacity) {
		struct textfile_type *grown = host_grow(state->types, &state->type_capacity, sizeof(*grown), TYPES_MAX);

		if (!grown)
			return NULL;
		state->types = grown;
	}
	state->types[state->type_count] = (struct textfile_type){ .name = name };
	return &state->types[state->type_count++];
}

static bool strip(struct span *name, const char *suffix)
{
	size_t length = strlen(suffix);

	if (name->length <= length || memcmp(name->at + name->length - length, suffix, length))
		return false;
	name->length -= length;
	return true;
}

/* The family that a sample belongs to: of its own name, or of a histogram or summary whose part it is. */
static struct textfile_type *family_of(const struct textfile_state *state, struct span name)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
	struct textfile_type *type = find_type(state, name);

	for (size_t i = 0; i < 3 && !type; i++) {
		struct span stem = name;

		if (!strip(&stem, suffixes[i]))
			continue;
		type = find_type(state, stem);
		if (type && (type->type < PROM_HISTOGRAM || (type->type == PROM_SUMMARY && i == 0)))
			type = NULL;
	}
	return type;
}

static int check_comment(struct textfile_state *state)
{
	const struct prom_line *line = &state->line;
	struct textfile_type *type = add_type(state, line->name);
	bool is_type = line->kind == PROM_TYPE;

	if (!type)
		return -ENOSPC;
	if (is_type ? type->typed || type->has_samples : type->helped)
		return -EINVAL;
	if (is_type) {
		type->typed = true;
		type->type = line->type;
	} else {
		type->helped = true;
		type->help = line->help;
	}
	return 0;
}

static int check_sample(struct textfile_state *state)
{
	const struct prom_line *line = &state->line;
	struct textfile_type *type = family_of(state, line->name);

	if (line->has_timestamp || is_own(line->name))
		return -EINVAL;
	if (!type)
		type = add_type(state, line->name);
	if (!type)
		return -ENOSPC;
	type->has_samples = true;
	return 0;
}

int textfile_check(struct textfile_state *state, struct span text)
{
	struct span line;
	int error = text.length && text.at[text.length - 1] != '\n' ? -EINVAL : 0; /* half-written */

	state->type_count = 0;
	while (!error && scan_line(&text, &line)) {
		error = prom_line_parse(line, &state->line);
		if (error || state->line.kind == PROM_NOTHING)
			continue;
		error = state->line.kind == PROM_SAMPLE ? check_sample(state) : check_comment(state);
	}
	return error;
}

/* Without the label `but`, whose value goes to *ret_value. */
static const struct sheet_labels *copy_labels(struct host *host, const struct prom_line *line, const char *but,
					      const char **ret_value)
{
	struct metric_label labels[PROM_LABELS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < line->label_count; i++) {
		if (but && span_is(line->label_names[i], but)) {
			*ret_value = line->label_values[i];
			continue;
		}
		labels[count].name = sheet_text(host->sheet, line->label_names[i].at, line->label_names[i].length);
		labels[count].value = line->label_values[i];
		if (!labels[count++].name)
			return NULL;
	}
	return sheet_labels(host->sheet, labels, count);
}

static struct sheet_family *open_family(struct host *host, const struct textfile_type *type, struct span full,
					enum metric_type kind, const char *path)
{
	char name[NAME_SIZE], help[HELP_SIZE];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = kind };

	if (full.length >= sizeof(name))
		return NULL;
	span_copy(full, name, sizeof(name));
	if (type->helped)
		prom_unescape_help(type->help, help, sizeof(help));
	else
		snprintf(help, sizeof(help), "Metric read from %s", path);
	return sheet_family_copied(host->sheet, &family);
}

/* Tells the histogram that was gathered, if there is one. */
static int close_histogram(struct host *host, struct textfile_state *state, const char *path)
{
	struct textfile_histogram *open = state->histogram;
	struct metric_histogram told = { .bounds = open ? open->bounds : NULL };
	struct sheet_family *family;
	struct span name;
	uint64_t before = 0;

	if (!open || !open->name.length)
		return 0;
	name = open->name;
	open->name = (struct span){ 0 };
	family = open_family(host, find_type(state, name), name, METRIC_HISTOGRAM, path);
	if (!family || !open->count || !isinf(open->bounds[open->count - 1]) || sheet_family_has(family, open->labels))
		return -EINVAL;
	for (uint32_t i = 0; i < open->count; i++) {
		uint64_t cumulative = open->cumulative[i];

		if (cumulative < before || (i && open->bounds[i] <= open->bounds[i - 1]))
			return -EINVAL;
		open->cumulative[i] = cumulative - before;
		before = cumulative;
	}
	told.counts = open->cumulative;
	told.bound_count = open->count - 1;
	told.count = before;
	told.sum = open->sum;
	sheet_add_histogram(host->sheet, family, open->labels, &told);
	return 0;
}

static int add_bucket(struct textfile_histogram *open, const char *bound, double value)
{
	if (!bound || open->count == TEXTFILE_BUCKETS_MAX || value < 0 || value > 0x1p63 ||
	    span_double(span_of(bound), &open->bounds[open->count]))
		return -EINVAL;
	open->cumulative[open->count++] = (uint64_t)value;
	return 0;
}

static int tell_histogram(struct host *host, struct textfile_state *state, const struct textfile_type *type,
			  const char *path)
{
	const struct prom_line *line = &state->line;
	const char *bound = NULL;
	const struct sheet_labels *labels = copy_labels(host, line, "le", &bound);
	struct textfile_histogram *open = state->histogram;
	struct span stem = line->name;
	int error;

	if (!labels)
		return -ENOMEM;
	if (!open)
		open = state->histogram = calloc(1, sizeof(*open));
	if (!open)
		return -ENOMEM;
	if (!same_name(open->name, type->name) || !sheet_labels_equal(open->labels, labels)) {
		error = close_histogram(host, state, path);
		if (error)
			return error;
		open->name = type->name;
		open->labels = labels;
		open->count = 0;
		open->sum = 0;
	}
	if (strip(&stem, "_bucket"))
		return add_bucket(open, bound, line->value);
	if (strip(&stem, "_sum"))
		open->sum = line->value;
	return 0; /* the count is what the last bucket says */
}

static int tell_sample(struct host *host, struct textfile_state *state, const char *path)
{
	static const enum metric_type kinds[] = {
		[PROM_UNTYPED] = METRIC_UNTYPED,
		[PROM_COUNTER] = METRIC_COUNTER,
		[PROM_GAUGE] = METRIC_GAUGE,
		[PROM_SUMMARY] = METRIC_UNTYPED,
	};
	const struct textfile_type *type = family_of(state, state->line.name);
	const struct sheet_labels *labels;
	struct sheet_family *family;
	int error;

	if (!type)
		return -EINVAL;
	if (type->type == PROM_HISTOGRAM)
		return tell_histogram(host, state, type, path);
	error = close_histogram(host, state, path);
	if (error)
		return error;
	family = open_family(host, type, state->line.name, kinds[type->type], path);
	labels = family ? copy_labels(host, &state->line, NULL, NULL) : NULL;
	if (!labels)
		return family ? -ENOMEM : -EEXIST;
	if (sheet_family_has(family, labels))
		return -EEXIST;
	sheet_add(host->sheet, family, labels, state->line.value);
	return 0;
}

int textfile_tell(struct host *host, struct textfile_state *state, struct span text, const char *path)
{
	struct span line;
	int error = 0;

	if (state->histogram)
		state->histogram->name = (struct span){ 0 };
	while (!error && scan_line(&text, &line)) {
		error = prom_line_parse(line, &state->line);
		if (!error && state->line.kind == PROM_SAMPLE)
			error = tell_sample(host, state, path);
	}
	return error ? error : close_histogram(host, state, path);
}
