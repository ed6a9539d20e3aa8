/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nfs and nfsd: /proc/net/rpc/nfs and nfsd (net/sunrpc/stats.c, fs/nfsd/stats.c): a line for each group, its name and
 * its counters. `procN` counts procedures of version N and begins with their number; `proc4ops` the operations that are
 * inside of version 4's COMPOUND. The names of procedures are node_exporter's labels, in the kernel's order.
 */
#include "host/nfs.h"

#include <errno.h>

#include "host/internal.h"

#define VALUES_MAX 128

struct figure {
	const char *group;
	size_t at; /* among the group's values */
	struct metric_family family;
	struct metric_label label;
};

struct side {
	const char *path;
	const struct figure *figures;
	size_t count;
	const struct nfs_procedures *procedures;
	struct metric_family requests;
};

#define FIGURE(name, help) FAMILY(name, METRIC_COUNTER, "", help)

static const struct figure client_figures[] = {
	{ "net", 1, FIGURE("node_nfs_packets_total", "Packets, by protocol."), { "protocol", "udp" } },
	{ "net", 2, FIGURE("node_nfs_packets_total", "Packets, by protocol."), { "protocol", "tcp" } },
	{ "net", 3, FIGURE("node_nfs_connections_total", "TCP connections."), { NULL, NULL } },
	{ "rpc", 0, FIGURE("node_nfs_rpcs_total", "Calls made."), { NULL, NULL } },
	{ "rpc", 1, FIGURE("node_nfs_rpc_retransmissions_total", "Calls sent again."), { NULL, NULL } },
	{ "rpc",
	  2,
	  FIGURE("node_nfs_rpc_authentication_refreshes_total", "Credentials asked for anew."),
	  { NULL, NULL } },
};

static const struct figure server_figures[] = {
	{ "rc", 0, FIGURE("node_nfsd_reply_cache_hits_total", "Calls answered from the reply cache."), { NULL, NULL } },
	{ "rc", 1, FIGURE("node_nfsd_reply_cache_misses_total", "Calls put into the reply cache."), { NULL, NULL } },
	{ "rc", 2, FIGURE("node_nfsd_reply_cache_nocache_total", "Calls that need no reply cache."), { NULL, NULL } },
	{ "fh", 0, FIGURE("node_nfsd_file_handles_stale_total", "Stale file handles."), { NULL, NULL } },
	{ "io", 0, FIGURE("node_nfsd_disk_bytes_read_total", "Bytes read."), { NULL, NULL } },
	{ "io", 1, FIGURE("node_nfsd_disk_bytes_written_total", "Bytes written."), { NULL, NULL } },
	{ "th", 0, FAMILY("node_nfsd_server_threads", METRIC_GAUGE, "", "Threads of the server."), { NULL, NULL } },
	{ "ra",
	  0,
	  FAMILY("node_nfsd_read_ahead_cache_size_blocks", METRIC_GAUGE, "", "Size of the read-ahead cache."),
	  { NULL, NULL } },
	{ "ra",
	  11,
	  FIGURE("node_nfsd_read_ahead_cache_not_found_total", "Misses of the read-ahead cache."),
	  { NULL, NULL } },
	{ "net", 1, FIGURE("node_nfsd_packets_total", "Packets, by protocol."), { "proto", "udp" } },
	{ "net", 2, FIGURE("node_nfsd_packets_total", "Packets, by protocol."), { "proto", "tcp" } },
	{ "net", 3, FIGURE("node_nfsd_connections_total", "TCP connections."), { NULL, NULL } },
	{ "rpc", 2, FIGURE("node_nfsd_rpc_errors_total", "Calls that were refused, by why."), { "error", "fmt" } },
	{ "rpc", 3, FIGURE("node_nfsd_rpc_errors_total", "Calls that were refused, by why."), { "error", "auth" } },
	{ "rpc", 4, FIGURE("node_nfsd_rpc_errors_total", "Calls that were refused, by why."), { "error", "cInt" } },
	{ "rpc", 0, FIGURE("node_nfsd_server_rpcs_total", "Calls."), { NULL, NULL } },
};

/* The values of a group; 0 of them without its line. `th` has a histogram of fractions behind its two numbers. */
static int find_group(struct span text, const char *name, uint64_t values[VALUES_MAX], size_t *ret_count)
{
	struct span line, word;
	size_t count = 0;

	while (scan_line(&text, &line)) {
		if (!scan_word(&line, &word) || !span_is(word, name))
			continue;
		while (scan_word(&line, &word) && !(count == 2 && !strcmp(name, "th")))
			if (count == VALUES_MAX || span_u64(word, &values[count++]))
				return -EINVAL;
		break;
	}
	*ret_count = count;
	return 0;
}

static int tell_figure(struct host *host, struct span text, const struct figure *figure)
{
	uint64_t values[VALUES_MAX] = { 0 };
	size_t count;
	int error = find_group(text, figure->group, values, &count);

	if (error)
		return error;
	if (count && count <= figure->at)
		return -EINVAL;
	host_tell_labels(host, &figure->family, &figure->label, figure->label.name != NULL, (double)values[figure->at]);
	return 0;
}

/* Kernels differ in how many procedures of version 4 they know: what one has not is told as 0. */
static int tell_procedures(struct host *host, struct span text, const struct nfs_procedures *procedures,
			   const struct metric_family *requests)
{
	uint64_t values[VALUES_MAX] = { 0 };
	struct metric_label labels[] = { { "proto", procedures->version }, { "method", NULL } };
	size_t count, first = procedures->counted ? 1 : 0;
	int error = find_group(text, procedures->group, values, &count);

	if (error)
		return error;
	if (count && procedures->counted && (values[0] != count - 1 || values[0] < procedures->least))
		return -EINVAL;
	for (size_t i = 0; i < procedures->count; i++) {
		labels[1].value = procedures->names[i];
		if (labels[1].value)
			host_tell_labels(host, requests, labels, 2, (double)values[first + i]);
	}
	return 0;
}

static int tell(struct host *host, const struct side *side)
{
	struct span text;
	int error = host_read_once(host, host->proc_fd, side->path, &text);

	if (error)
		return error == -ENOENT ? -ENODATA : error;
	for (size_t i = 0; i < side->count && !error; i++)
		error = tell_figure(host, text, &side->figures[i]);
	for (const struct nfs_procedures *at = side->procedures; at->group && !error; at++)
		error = tell_procedures(host, text, at, &side->requests);
	return error;
}

static int update_client(struct host *host, void *ctx)
{
	static const struct side side = {
		"net/rpc/nfs", client_figures, sizeof(client_figures) / sizeof(client_figures[0]),
		nfs_client_procedures, FIGURE("node_nfs_requests_total", "Procedures called, by version and name.")
	};

	(void)ctx;
	return tell(host, &side);
}

static int update_server(struct host *host, void *ctx)
{
	static const struct side side = {
		"net/rpc/nfsd", server_figures, sizeof(server_figures) / sizeof(server_figures[0]),
		nfs_server_procedures, FIGURE("node_nfsd_requests_total", "Procedures served, by version and name.")
	};

	(void)ctx;
	return tell(host, &side);
}

const struct collector host_nfs = { .update = update_client };
const struct collector host_nfsd = { .update = update_server };
