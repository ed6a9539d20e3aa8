/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files of /proc/net: arp, conntrack, sockstat, softnet, udp_queues.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/internal.h"

#define DEVICES_MAX 65536
#define NAMES 4096

struct neighbours {
	char device[64];
	uint64_t count;
};

struct arp_state {
	struct host_file file;
	struct filter *devices;
	struct neighbours *found; /* owned */
	size_t count, capacity;
};

static int start_arp(struct host *host, void *ctx)
{
	struct arp_state *state = ctx;

	state->file.path = "net/arp";
	return filter_new(host->options->arp_device_exclude, host->options->arp_device_include, NAMES,
			  host->config.hash_seed, &state->devices);
}

static void stop_arp(void *ctx)
{
	struct arp_state *state = ctx;

	host_file_close(&state->file);
	filter_free(state->devices);
	free(state->found);
}

static int count_neighbour(struct arp_state *state, struct span device)
{
	for (size_t i = state->count; i-- > 0;) {
		if (!span_is(device, state->found[i].device))
			continue;
		state->found[i].count++;
		return 0;
	}
	if (state->count == state->capacity) {
		struct neighbours *grown = host_grow(state->found, &state->capacity, sizeof(*grown), DEVICES_MAX);

		if (!grown)
			return -ENOMEM;
		state->found = grown;
	}
	span_copy(device, state->found[state->count].device, sizeof(state->found[0].device));
	state->found[state->count++].count = 1;
	return 0;
}

/* Below one line of headings, the device is the last of six columns. The kernel leaves out entries of devices that do
 * not ask for neighbours (NUD_NOARP). */
static int update_arp(struct host *host, void *ctx)
{
	static const struct metric_family family =
		FAMILY("node_arp_entries", METRIC_GAUGE, "", "Neighbours in the ARP table, by device.");
	struct arp_state *state = ctx;
	struct span text, line, word = { 0 }, device;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	state->count = 0;
	if (!error && scan_line(&text, &line))
		while (!error && scan_line(&text, &line)) {
			for (device = word = (struct span){ 0 }; scan_word(&line, &word); device = word)
				;
			error = device.length ? count_neighbour(state, device) : 0;
		}
	for (size_t i = 0; i < state->count && !error; i++)
		if (filter_passes(state->devices, span_of(state->found[i].device)))
			host_tell_of(host, &family, "device", state->found[i].device, (double)state->found[i].count);
	return error;
}

const struct collector host_arp = {
	.state_size = sizeof(struct arp_state),
	.start = start_arp,
	.update = update_arp,
	.stop = stop_arp,
};

/* The columns of net/stat/nf_conntrack (net/netfilter/nf_conntrack_standalone.c), a line for each processor, in hex. */
static const struct {
	size_t column;
	struct metric_family family;
} conntrack_figures[] = {
	{ 2, FAMILY("node_nf_conntrack_stat_found", METRIC_GAUGE, "", "Lookups that found an entry.") },
	{ 4, FAMILY("node_nf_conntrack_stat_invalid", METRIC_GAUGE, "", "Packets that cannot be tracked.") },
	{ 5, FAMILY("node_nf_conntrack_stat_ignore", METRIC_GAUGE, "", "Packets that were known already.") },
	{ 8, FAMILY("node_nf_conntrack_stat_insert", METRIC_GAUGE, "", "Entries put in.") },
	{ 9, FAMILY("node_nf_conntrack_stat_insert_failed", METRIC_GAUGE, "", "Entries that could not be put in.") },
	{ 10, FAMILY("node_nf_conntrack_stat_drop", METRIC_GAUGE, "", "Packets dropped because tracking failed.") },
	{ 11, FAMILY("node_nf_conntrack_stat_early_drop", METRIC_GAUGE, "", "Entries dropped to make room.") },
	{ 16, FAMILY("node_nf_conntrack_stat_search_restart", METRIC_GAUGE, "", "Lookups begun anew.") },
};

#define CONNTRACK_FIGURES (sizeof(conntrack_figures) / sizeof(conntrack_figures[0]))
#define CONNTRACK_COLUMNS 17

static int add_conntrack(struct span line, double sums[CONNTRACK_FIGURES])
{
	uint64_t values[CONNTRACK_COLUMNS] = { 0 };
	struct span word;
	size_t count = 0;

	while (count < CONNTRACK_COLUMNS && scan_word(&line, &word))
		if (span_hex(word, &values[count++]))
			return -EINVAL;
	/* Kernels before 2.6.29 had sixteen. */
	if (count < CONNTRACK_COLUMNS - 1)
		return -EINVAL;
	for (size_t i = 0; i < CONNTRACK_FIGURES; i++)
		sums[i] += (double)values[conntrack_figures[i].column];
	return 0;
}

static int tell_conntrack_stat(struct host *host)
{
	double sums[CONNTRACK_FIGURES] = { 0 };
	struct span text, line;
	int error = host_read_kept(host, host->proc_fd, "net/stat/nf_conntrack", &text);

	if (!error && scan_line(&text, &line))
		while (!error && scan_line(&text, &line))
			error = add_conntrack(line, sums);
	for (size_t i = 0; i < CONNTRACK_FIGURES && !error; i++)
		host_tell(host, &conntrack_figures[i].family, sums[i]);
	return error;
}

static int update_conntrack(struct host *host, void *ctx)
{
	static const struct metric_family entries =
		FAMILY("node_nf_conntrack_entries", METRIC_GAUGE, "", "Connections that are tracked.");
	static const struct metric_family limit =
		FAMILY("node_nf_conntrack_entries_limit", METRIC_GAUGE, "", "Connections that may be tracked.");
	uint64_t value;
	int error = host_read_number(host, host->proc_fd, "sys/net/netfilter/nf_conntrack_count", &value);

	(void)ctx;
	if (!error)
		host_tell(host, &entries, (double)value);
	if (!error)
		error = host_read_number(host, host->proc_fd, "sys/net/netfilter/nf_conntrack_max", &value);
	if (!error)
		host_tell(host, &limit, (double)value);
	if (!error)
		error = tell_conntrack_stat(host);
	return error == -ENOENT ? -ENODATA : error;
}

const struct collector host_conntrack = { .update = update_conntrack };

static void tell_sockstat(struct host *host, struct span protocol, struct span field, double value)
{
	char name[96], help[96];
	struct metric_family family = { .name = name, .help = help, .unit = "", .type = METRIC_GAUGE };
	char wanted[64], clean[64];

	snprintf(wanted, sizeof(wanted), "%.*s_%.*s", span_cut(protocol, 31), protocol.at, span_cut(field, 31),
		 field.at);
	span_metric_name(span_of(wanted), clean, sizeof(clean));
	snprintf(name, sizeof(name), "node_sockstat_%s", clean);
	snprintf(help, sizeof(help), "The figure %s of net/sockstat.", wanted);
	sheet_add(host->sheet, sheet_family_copied(host->sheet, &family), NULL, value);
}

/* `PROTOCOL: field value field value...` */
static int tell_sockstat_line(struct host *host, struct span line, bool version_6)
{
	static const struct metric_family used =
		FAMILY("node_sockstat_sockets_used", METRIC_GAUGE, "", "Sockets in use.");
	struct span protocol, field, word;
	int64_t value;

	if (!scan_until(&line, ':', &protocol))
		return -EINVAL;
	while (scan_word(&line, &field)) {
		if (!scan_word(&line, &word) || span_i64(word, &value))
			return -EINVAL;
		if (span_is(protocol, "sockets")) {
			if (!version_6 && span_is(field, "used"))
				host_tell(host, &used, (double)value);
			continue;
		}
		tell_sockstat(host, protocol, field, (double)value);
		if (span_is(field, "mem"))
			tell_sockstat(host, protocol, span_of("mem_bytes"),
				      (double)value * (double)sysconf(_SC_PAGESIZE));
	}
	return 0;
}

static int update_sockstat(struct host *host, void *ctx)
{
	static const char *const paths[] = { "net/sockstat", "net/sockstat6" };
	struct span text, line;
	int error = 0;

	(void)ctx;
	for (size_t i = 0; i < 2 && !error; i++) {
		error = host_read_kept(host, host->proc_fd, paths[i], &text);
		if (error == -ENOENT) { /* this version of IP is not there */
			error = 0;
			continue;
		}
		while (!error && scan_line(&text, &line))
			error = line.length ? tell_sockstat_line(host, line, i == 1) : 0;
	}
	return error;
}

const struct collector host_sockstat = { .update = update_sockstat };

/* The columns of net/softnet_stat (net/core/net-procfs.c), in hex, a line for each processor. From 5.10 on the
 * twelfth is the length of the backlog and the thirteenth the processor's number; before, lines were in order. */
static const struct {
	size_t column;
	struct metric_family family;
} softnet_figures[] = {
	{ 0, FAMILY("node_softnet_processed_total", METRIC_COUNTER, "", "Packets processed.") },
	{ 1, FAMILY("node_softnet_dropped_total", METRIC_COUNTER, "", "Packets dropped: the backlog was full.") },
	{ 2, FAMILY("node_softnet_times_squeezed_total", METRIC_COUNTER, "", "Times that the budget ran out.") },
	{ 8, FAMILY("node_softnet_cpu_collision_total", METRIC_COUNTER, "", "Collisions for a device's lock.") },
	{ 9, FAMILY("node_softnet_received_rps_total", METRIC_COUNTER, "", "Times woken up by packet steering.") },
	{ 10, FAMILY("node_softnet_flow_limit_count_total", METRIC_COUNTER, "", "Times that the flow limit was met.") },
	{ 11, FAMILY("node_softnet_backlog_len", METRIC_GAUGE, "", "Packets that wait in the backlog.") },
};

#define SOFTNET_COLUMNS 13
#define SOFTNET_INDEX 12

static int tell_softnet(struct host *host, struct span line, size_t index)
{
	uint64_t values[SOFTNET_COLUMNS] = { 0 };
	struct span word;
	char cpu[24];
	size_t count = 0;

	while (count < SOFTNET_COLUMNS && scan_word(&line, &word))
		if (span_hex(word, &values[count++]))
			return -EINVAL;
	if (count < 9)
		return -EINVAL;
	snprintf(cpu, sizeof(cpu), "%llu",
		 count == SOFTNET_COLUMNS ? (unsigned long long)values[SOFTNET_INDEX] : (unsigned long long)index);
	for (size_t i = 0; i < sizeof(softnet_figures) / sizeof(softnet_figures[0]); i++)
		host_tell_of(host, &softnet_figures[i].family, "cpu", cpu, (double)values[softnet_figures[i].column]);
	return 0;
}

static int update_softnet(struct host *host, void *ctx)
{
	struct span text, line;
	int error = host_read_kept(host, host->proc_fd, "net/softnet_stat", &text);

	(void)ctx;
	for (size_t i = 0; !error && scan_line(&text, &line); i++)
		error = tell_softnet(host, line, i);
	return error;
}

const struct collector host_softnet = { .update = update_softnet };

/* The sums of tx_queue:rx_queue, the fifth column. */
static int tell_udp(struct host *host, const char *path, const char *version)
{
	static const struct metric_family family =
		FAMILY("node_udp_queues", METRIC_GAUGE, "", "Bytes that UDP sockets hold, by queue.");
	struct span text, line, word, part;
	double sent = 0, received = 0;
	uint64_t value;
	int error = host_read_kept(host, host->proc_fd, path, &text);

	if (error)
		return error;
	if (!scan_line(&text, &line))
		return -EINVAL;
	while (scan_line(&text, &line)) {
		for (size_t i = 0; i < 5; i++)
			if (!scan_word(&line, &word))
				return -EINVAL;
		if (!scan_until(&word, ':', &part) || span_hex(part, &value))
			return -EINVAL;
		sent += (double)value;
		if (span_hex(word, &value))
			return -EINVAL;
		received += (double)value;
	}
	host_tell_labels(host, &family, (struct metric_label[]){ { "queue", "tx" }, { "ip", version } }, 2, sent);
	host_tell_labels(host, &family, (struct metric_label[]){ { "queue", "rx" }, { "ip", version } }, 2, received);
	return 0;
}

static int update_udp_queues(struct host *host, void *ctx)
{
	int error = tell_udp(host, "net/udp", "v4"), error_6;

	(void)ctx;
	if (error && error != -ENOENT)
		return error;
	error_6 = tell_udp(host, "net/udp6", "v6");
	if (error_6 && error_6 != -ENOENT)
		return error_6;
	return error && error_6 ? -ENODATA : 0;
}

const struct collector host_udp_queues = { .update = update_udp_queues };
