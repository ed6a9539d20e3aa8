/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipvs: /proc/net/ip_vs_stats and ip_vs (net/netfilter/ipvs/ip_vs_ctl.c).
 *
 *     IP Virtual Server version 1.2.1 (size=4096)
 *     Prot LocalAddress:Port Scheduler Flags
 *       -> RemoteAddress:Port Forward Weight ActiveConn InActConn
 *     TCP  C0A80016:0CEA wlc
 *       -> C0A85216:0CEA      Tunnel  100    248        2
 *     FWM  10001000 wlc
 */
#include <arpa/inet.h>
#include <errno.h>

#include "host/internal.h"

#define V4_LENGTH 13 /* C0A80016:0CEA */
#define V6_LENGTH 46 /* [2620:0000:...:0001]:0050 */
#define PORT_DIGITS 4

static int tell_stats(struct host *host)
{
	static const struct metric_family families[] = {
		FAMILY("node_ipvs_connections_total", METRIC_COUNTER, "", "Connections."),
		FAMILY("node_ipvs_incoming_packets_total", METRIC_COUNTER, "", "Packets from clients."),
		FAMILY("node_ipvs_outgoing_packets_total", METRIC_COUNTER, "", "Packets to clients."),
		FAMILY("node_ipvs_incoming_bytes_total", METRIC_COUNTER, "", "Bytes from clients."),
		FAMILY("node_ipvs_outgoing_bytes_total", METRIC_COUNTER, "", "Bytes to clients."),
	};
	struct span text, line = { 0 }, word;
	uint64_t values[5];
	int error = host_read_once(host, host->proc_fd, "net/ip_vs_stats", &text);

	if (error)
		return error == -ENOENT ? -ENODATA : error;
	for (size_t i = 0; i < 3; i++) /* two lines of headings */
		if (!scan_line(&text, &line))
			return -EINVAL;
	for (size_t i = 0; i < 5; i++)
		if (!scan_word(&line, &word) || span_hex(word, &values[i]))
			return -EINVAL;
	if (scan_word(&line, &word))
		return -EINVAL;
	for (size_t i = 0; i < 5; i++)
		host_tell(host, &families[i], (double)values[i]);
	return 0;
}

struct endpoint {
	char address[INET6_ADDRSTRLEN];
	char port[8];
};

/* The kernel writes addresses of version 4 as a number. */
static int parse_endpoint(struct span text, struct endpoint *ret_endpoint)
{
	char long_form[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	uint64_t number, port;

	if (text.length != V4_LENGTH && text.length != V6_LENGTH)
		return -EINVAL;
	if (span_hex((struct span){ text.at + text.length - PORT_DIGITS, PORT_DIGITS }, &port))
		return -EINVAL;
	snprintf(ret_endpoint->port, sizeof(ret_endpoint->port), "%u", (unsigned int)port);
	if (text.length == V4_LENGTH) {
		if (span_hex((struct span){ text.at, 8 }, &number))
			return -EINVAL;
		inet_ntop(AF_INET, &(struct in_addr){ htonl((uint32_t)number) }, ret_endpoint->address,
			  sizeof(ret_endpoint->address));
		return 0;
	}
	span_copy((struct span){ text.at + 1, V6_LENGTH - PORT_DIGITS - 3 }, long_form, sizeof(long_form));
	if (inet_pton(AF_INET6, long_form, &v6) != 1)
		return -EINVAL;
	inet_ntop(AF_INET6, &v6, ret_endpoint->address, sizeof(ret_endpoint->address));
	return 0;
}

struct service {
	struct endpoint local;
	char protocol[8], mark[16];
};

static int tell_backend(struct host *host, const struct service *service, struct span line)
{
	static const struct metric_family families[] = {
		FAMILY("node_ipvs_backend_weight", METRIC_GAUGE, "", "Weight of the backend."),
		FAMILY("node_ipvs_backend_connections_active", METRIC_GAUGE, "", "Active connections to the backend."),
		FAMILY("node_ipvs_backend_connections_inactive", METRIC_GAUGE, "",
		       "Inactive connections to the backend."),
	};
	struct endpoint remote;
	const struct metric_label labels[] = {
		{ "local_address", service->local.address },
		{ "local_port", service->local.port },
		{ "remote_address", remote.address },
		{ "remote_port", remote.port },
		{ "proto", service->protocol },
		{ "local_mark", service->mark },
	};
	struct span address, method, word;
	uint64_t values[3];

	if (!scan_word(&line, &address) || !scan_word(&line, &method))
		return 0;
	for (size_t i = 0; i < 3; i++)
		if (!scan_word(&line, &word) || span_u64(word, &values[i]))
			return -EINVAL;
	if (parse_endpoint(address, &remote))
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		host_tell_labels(host, &families[i], labels, 6, (double)values[i]);
	return 0;
}

static int begin_service(struct span protocol, struct span address, struct service *ret_service)
{
	struct service service = { .local = { .port = "0" } };

	span_copy(protocol, service.protocol, sizeof(service.protocol));
	if (span_is(protocol, "FWM"))
		span_copy(address, service.mark, sizeof(service.mark));
	else if (parse_endpoint(address, &service.local))
		return -EINVAL;
	*ret_service = service;
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct service service = { 0 };
	struct span text, line, word, address;
	int error = tell_stats(host);

	(void)ctx;
	if (!error)
		error = host_read_once(host, host->proc_fd, "net/ip_vs", &text);
	while (!error && scan_line(&text, &line)) {
		struct span rest;

		if (!scan_word(&line, &word))
			continue;
		rest = line;
		if (!scan_word(&rest, &address) || span_is(address, "RemoteAddress:Port"))
			continue;
		if (span_is(word, "TCP") || span_is(word, "UDP") || span_is(word, "FWM"))
			error = begin_service(word, address, &service);
		else if (span_is(word, "->"))
			error = tell_backend(host, &service, line);
	}
	return error;
}

const struct collector host_ipvs = { .update = update };
