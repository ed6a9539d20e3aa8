/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the kernel whose rows become metrics by their own names: netstat and vmstat. A pattern picks the rows;
 * whether one is a counter the kernel does not say, so they are untyped.
 */
#include <errno.h>

#include "host/internal.h"
#include "host/rows.h"

struct counters_state {
	struct host_file files[3];
	struct rows *rows[3]; /* of each file */
	struct filter *fields;
};

static void stop(void *ctx)
{
	struct counters_state *state = ctx;

	for (size_t i = 0; i < 3; i++) {
		host_file_close(&state->files[i]);
		rows_free(state->rows[i]);
	}
	filter_free(state->fields);
}

static int start(struct host *host, struct counters_state *state, const char *prefix, const char *const *paths,
		 const char *pattern)
{
	int error = filter_new("", pattern, 64, host->config.hash_seed, &state->fields);

	for (size_t i = 0; i < 3 && paths[i] && !error; i++) {
		state->files[i].path = paths[i];
		error = rows_new(&(struct rows_config){ prefix, paths[i], state->fields }, &state->rows[i]);
	}
	return error;
}

static int tell_row(struct host *host, struct rows *rows, struct span group, struct span name, struct span word)
{
	const struct metric_family *family;
	double value;
	int error = rows_next(rows, group, name, &family);

	if (error || !family)
		return error;
	if (span_double(word, &value))
		return -EINVAL;
	/* Copied: rows that change take their families with them. */
	sheet_add(host->sheet, sheet_family_copied(host->sheet, family), NULL, value);
	return 0;
}

static int start_vmstat(struct host *host, void *ctx)
{
	static const char *const paths[] = { "vmstat", NULL };

	return start(host, ctx, "node_vmstat_", paths, host->options->vmstat_fields);
}

static int update_vmstat(struct host *host, void *ctx)
{
	struct counters_state *state = ctx;
	struct span text, line, name, word;
	int error = host_read(host, host->proc_fd, &state->files[0], &text);

	rows_begin(state->rows[0]);
	while (!error && scan_line(&text, &line)) {
		if (!scan_word(&line, &name) || !scan_word(&line, &word))
			return -EINVAL;
		error = tell_row(host, state->rows[0], (struct span){ "", 0 }, name, word);
	}
	return error;
}

const struct collector host_vmstat = {
	.state_size = sizeof(struct counters_state),
	.start = start_vmstat,
	.update = update_vmstat,
	.stop = stop,
};

static int start_netstat(struct host *host, void *ctx)
{
	static const char *const paths[] = { "net/netstat", "net/snmp", "net/snmp6" };

	return start(host, ctx, "node_netstat_", paths, host->options->netstat_fields);
}

/* Pairs of lines: `Protocol: name name...` and `Protocol: value value...`. */
static int tell_pairs(struct host *host, struct rows *rows, struct span text)
{
	struct span names, values, protocol, name, word;
	int error;

	while (scan_line(&text, &names)) {
		if (!scan_line(&text, &values) || !scan_until(&names, ':', &protocol) ||
		    !scan_until(&values, ':', &word))
			return -EINVAL;
		while (scan_word(&names, &name)) {
			if (!scan_word(&values, &word))
				return -EINVAL;
			error = tell_row(host, rows, protocol, name, word);
			if (error)
				return error;
		}
		if (scan_word(&values, &word))
			return -EINVAL;
	}
	return 0;
}

/* `Ip6InReceives 5`: the protocol ends with the 6. */
static int tell_version_6(struct host *host, struct rows *rows, struct span text)
{
	struct span line, name, word, group;
	const char *six;
	int error = 0;

	while (!error && scan_line(&text, &line)) {
		if (!scan_word(&line, &name) || !scan_word(&line, &word))
			continue;
		six = memchr(name.at, '6', name.length);
		if (!six)
			continue;
		group = (struct span){ name.at, (size_t)(six - name.at) + 1 };
		error = tell_row(host, rows, group, span_skip(name, group.length), word);
	}
	return error;
}

static int update_netstat(struct host *host, void *ctx)
{
	struct counters_state *state = ctx;
	struct span text;
	int error = 0;

	for (size_t i = 0; i < 3 && !error; i++) {
		rows_begin(state->rows[i]);
		error = host_read(host, host->proc_fd, &state->files[i], &text);
		if (i == 2 && error == -ENOENT) /* without IPv6 */
			return 0;
		if (!error)
			error = i < 2 ? tell_pairs(host, state->rows[i], text) :
					tell_version_6(host, state->rows[i], text);
	}
	return error;
}

const struct collector host_netstat = {
	.state_size = sizeof(struct counters_state),
	.start = start_netstat,
	.update = update_netstat,
	.stop = stop,
};
