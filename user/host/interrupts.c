/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interrupts (off by default): /proc/interrupts, a column for each processor that is online. Sums without columns (ERR,
 * MIS) are left out.
 */
#include <errno.h>
#include <stdio.h>

#include "host/internal.h"

#define NAMES 4096
#define TEXT_SIZE 256

struct interrupts_state {
	struct host_file file;
	struct filter *names;
};

static int start(struct host *host, void *ctx)
{
	struct interrupts_state *state = ctx;

	state->file.path = "interrupts";
	return filter_new(host->options->interrupts_name_exclude, host->options->interrupts_name_include, NAMES,
			  host->config.hash_seed, &state->names);
}

static void stop(void *ctx)
{
	struct interrupts_state *state = ctx;

	host_file_close(&state->file);
	filter_free(state->names);
}

/* Words with one blank between. */
static void join_words(struct span line, char ret_text[TEXT_SIZE])
{
	struct span word;
	size_t length = 0;

	ret_text[0] = '\0';
	while (scan_word(&line, &word) && length < TEXT_SIZE - 1)
		length += (size_t)snprintf(ret_text + length, TEXT_SIZE - length, "%s%.*s", length ? " " : "",
					   span_cut(word, TEXT_SIZE), word.at);
}

static bool is_number(struct span name)
{
	uint64_t value;

	return !span_u64(name, &value);
}

/* Behind the columns: of a numbered interrupt the chip, then its devices; of another one a description. */
static bool find_rest(struct span line, size_t cpus, struct span *ret_rest)
{
	struct span word;

	for (size_t i = 0; i < cpus; i++)
		if (!scan_word(&line, &word))
			return false;
	*ret_rest = span_trim(line);
	return ret_rest->length > 0;
}

static int tell_line(struct host *host, struct interrupts_state *state, struct span line, size_t cpus)
{
	static const struct metric_family family =
		FAMILY("node_interrupts_total", METRIC_COUNTER, "", "Interrupts by processor and source.");
	char type[TEXT_SIZE], info[TEXT_SIZE] = "", devices[TEXT_SIZE] = "", full[3 * TEXT_SIZE], cpu[24];
	const struct metric_label labels[] = {
		{ "cpu", cpu }, { "type", type }, { "info", info }, { "devices", devices }
	};
	struct span name, rest, word;
	uint64_t value;

	if (!scan_until(&line, ':', &name) || !find_rest(line, cpus, &rest))
		return 0;
	name = span_trim(name);
	span_copy(name, type, sizeof(type));
	if (is_number(name) && scan_word(&rest, &word)) {
		span_copy(word, info, sizeof(info));
		join_words(rest, devices);
	} else {
		join_words(rest, info);
	}
	snprintf(full, sizeof(full), "%s;%s;%s", type, info, devices);
	if (!filter_passes(state->names, span_of(full)))
		return 0;
	for (size_t i = 0; i < cpus; i++) {
		if (!scan_u64(&line, &value))
			return -EINVAL;
		snprintf(cpu, sizeof(cpu), "%zu", i);
		if (value || host->options->interrupts_include_zeros)
			host_tell_labels(host, &family, labels, 4, (double)value);
	}
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct interrupts_state *state = ctx;
	struct span text, line, word;
	size_t cpus = 0;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	if (error)
		return error;
	if (!scan_line(&text, &line))
		return -EINVAL;
	while (scan_word(&line, &word))
		cpus++;
	while (!error && scan_line(&text, &line))
		error = tell_line(host, state, line, cpus);
	return error;
}

const struct collector host_interrupts = {
	.state_size = sizeof(struct interrupts_state),
	.start = start,
	.update = update,
	.stop = stop,
};
