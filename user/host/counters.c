/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the kernel whose rows become metrics by their own names: netstat and vmstat. A pattern picks the rows;
 * whether one is a counter the kernel does not say, so they are untyped.
 */
#include <errno.h>

#include "host/internal.h"

#define NAME_SIZE 128

struct counters_state {
	struct host_file files[3];
	struct filter *fields;
};

static void stop(void *ctx)
{
	struct counters_state *state = ctx;

	for (size_t i = 0; i < 3; i++)
		host_file_close(&state->files[i]);
	filter_free(state->fields);
}

/* `where` is the file, for the help text. */
static void tell_row(struct host *host, const char *prefix, struct span field, const char *where, double value)
{
	char name[NAME_SIZE], help[NAME_SIZE + 64], text[NAME_SIZE];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = METRIC_UNTYPED };

	span_metric_name(field, text, sizeof(text) - strlen(prefix));
	text_join(name, sizeof(name), (struct span[]){ span_of(prefix), span_of(text) }, 2);
	text_join(help, sizeof(help),
		  (struct span[]){ span_of("The field "), field, span_of(" of "), span_of(where), span_of(".") }, 5);
	sheet_add(host->sheet, sheet_family_copied(host->sheet, &family), NULL, value);
}

static int start_vmstat(struct host *host, void *ctx)
{
	struct counters_state *state = ctx;

	state->files[0].path = "vmstat";
	return filter_new("", host->options->vmstat_fields, 512, host->config.hash_seed, &state->fields);
}

static int update_vmstat(struct host *host, void *ctx)
{
	struct counters_state *state = ctx;
	struct span text, line, name, word;
	double value;
	int error = host_read(host, host->proc_fd, &state->files[0], &text);

	while (!error && scan_line(&text, &line)) {
		if (!scan_word(&line, &name) || !scan_word(&line, &word) || span_double(word, &value))
			return -EINVAL;
		if (filter_passes(state->fields, name))
			tell_row(host, "node_vmstat_", name, "vmstat", value);
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
	struct counters_state *state = ctx;

	state->files[0].path = "net/netstat";
	state->files[1].path = "net/snmp";
	state->files[2].path = "net/snmp6";
	return filter_new("", host->options->netstat_fields, 2048, host->config.hash_seed, &state->fields);
}

static int tell_netstat(struct host *host, struct counters_state *state, struct span protocol, struct span name,
			struct span word, const char *where)
{
	char field[NAME_SIZE];
	struct span full = { field, 0 };
	double value;

	if (span_double(word, &value))
		return -EINVAL;
	text_join(field, sizeof(field), (struct span[]){ protocol, { "_", 1 }, name }, 3);
	full.length = strlen(field);
	if (filter_passes(state->fields, full))
		tell_row(host, "node_netstat_", full, where, value);
	return 0;
}

/* Pairs of lines: `Protocol: name name...` and `Protocol: value value...`. */
static int tell_pairs(struct host *host, struct counters_state *state, struct span text, const char *where)
{
	struct span names, values, protocol, name, word;

	while (scan_line(&text, &names)) {
		if (!scan_line(&text, &values) || !scan_until(&names, ':', &protocol) ||
		    !scan_until(&values, ':', &word))
			return -EINVAL;
		while (scan_word(&names, &name))
			if (!scan_word(&values, &word) || tell_netstat(host, state, protocol, name, word, where))
				return -EINVAL;
		if (scan_word(&values, &word))
			return -EINVAL;
	}
	return 0;
}

/* `Ip6InReceives 5`: the protocol ends with the 6. */
static int tell_version_6(struct host *host, struct counters_state *state, struct span text)
{
	struct span line, name, word;
	const char *six;

	while (scan_line(&text, &line)) {
		if (!scan_word(&line, &name) || !scan_word(&line, &word))
			continue;
		six = memchr(name.at, '6', name.length);
		if (!six)
			continue;
		if (tell_netstat(host, state, (struct span){ name.at, (size_t)(six - name.at) + 1 },
				 span_skip(name, (size_t)(six - name.at) + 1), word, "net/snmp6"))
			return -EINVAL;
	}
	return 0;
}

static int update_netstat(struct host *host, void *ctx)
{
	struct counters_state *state = ctx;
	struct span text;
	int error = 0;

	for (size_t i = 0; i < 2 && !error; i++) {
		error = host_read(host, host->proc_fd, &state->files[i], &text);
		if (!error)
			error = tell_pairs(host, state, text, state->files[i].path);
	}
	if (error)
		return error;
	error = host_read(host, host->proc_fd, &state->files[2], &text);
	if (error == -ENOENT) /* without IPv6 */
		return 0;
	return error ? error : tell_version_6(host, state, text);
}

const struct collector host_netstat = {
	.state_size = sizeof(struct counters_state),
	.start = start_netstat,
	.update = update_netstat,
	.stop = stop,
};
