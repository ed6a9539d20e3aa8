/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array is its own line and the indented ones that follow. Arrays without redundancy tell no [total/active].
 */
#include "host/mdstat.h"

#include <errno.h>

static bool contains(struct span text, const char *what)
{
	return memmem(text.at, text.length, what, strlen(what)) != NULL;
}

static uint64_t count(struct span text, const char *what)
{
	uint64_t found = 0;
	size_t length = strlen(what);
	const char *at;

	while ((at = memmem(text.at, text.length, what, length))) {
		text = span_skip(text, (size_t)(at - text.at) + length);
		found++;
	}
	return found;
}

/* `[total/active]`, the first bracket that holds two numbers. */
static int find_disks(struct span line, struct mdstat_array *array)
{
	struct span part, total;

	while (scan_until(&line, '[', &part)) {
		struct span rest = line, inside;

		if (!scan_until(&rest, ']', &inside) || !scan_until(&inside, '/', &total))
			continue;
		if (!span_u64(total, &array->total) && !span_u64(inside, &array->active))
			return 0;
	}
	return -EINVAL;
}

/* `523968 blocks ...` */
static int parse_status(struct span device, struct span line, struct mdstat_array *array)
{
	struct span copy = line;

	if (!scan_u64(&copy, &array->blocks))
		return -EINVAL;
	array->synced = array->blocks;
	if (contains(device, "raid0") || contains(device, "linear")) {
		array->total = array->active = count(device, "[");
		return 0;
	}
	return contains(device, "inactive") ? 0 : find_disks(line, array);
}

/* `(16775552/195310144)` */
static int parse_progress(struct span line, struct mdstat_array *array)
{
	struct span part;

	if (contains(line, "PENDING") || contains(line, "DELAYED")) {
		array->synced = 0;
		return 0;
	}
	if (!scan_until(&line, '(', &part) || !scan_until(&line, '/', &part) || span_u64(part, &array->synced))
		return -EINVAL;
	return 0;
}

static int parse_activity(struct span line, struct mdstat_array *array)
{
	static const struct {
		const char *word, *state;
	} activities[] = { { "recovery", "recovering" },
			   { "reshape", "reshaping" },
			   { "check", "checking" },
			   { "resync", "resyncing" } };

	for (size_t i = 0; i < sizeof(activities) / sizeof(activities[0]); i++) {
		if (!contains(line, activities[i].word))
			continue;
		array->state = span_of(activities[i].state);
		return parse_progress(line, array);
	}
	return 0;
}

/* `md0 : active (auto-read-only) raid1 sda1[0]...` */
static int parse_device(struct span line, struct mdstat_array *array)
{
	struct span colon;

	array->failed = count(line, "(F)");
	array->spare = count(line, "(S)");
	if (!scan_word(&line, &array->name) || !scan_word(&line, &colon) || !span_is(colon, ":") ||
	    !scan_word(&line, &array->state))
		return -EINVAL;
	return 0;
}

static bool is_indented(struct span text)
{
	return text.length && (*text.at == ' ' || *text.at == '\t');
}

static int parse_array(struct span device, struct span *text, struct mdstat_array *array)
{
	struct span line;
	int error = parse_device(device, array);

	if (error)
		return error;
	if (!is_indented(*text) || !scan_line(text, &line) || parse_status(device, line, array))
		return -EINVAL;
	while (!error && is_indented(*text) && scan_line(text, &line))
		error = contains(line, "bitmap") ? 0 : parse_activity(line, array);
	return error;
}

bool mdstat_next(struct span *text, struct mdstat_array *ret_array, int *ret_error)
{
	struct span line;

	*ret_error = 0;
	while (scan_line(text, &line)) {
		struct mdstat_array array = { 0 };

		if (!span_trim(line).length || is_indented(line) || span_begins(line, "Personalities") ||
		    span_begins(line, "unused"))
			continue;
		*ret_error = parse_array(line, text, &array);
		if (!*ret_error)
			*ret_array = array;
		return !*ret_error;
	}
	return false;
}
