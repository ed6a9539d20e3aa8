/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netdev: traffic of network devices. Asked by netlink (RTM_GETLINK, IFLA_STATS64 of linux/if_link.h), which tells more
 * than net/dev does; net/dev is read when the option says so or procfs is not the kernel's own but a tree of files.
 * Names are those of net/dev, in which the kernel adds several figures up (net/core/net-procfs.c).
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stddef.h>

#include "host/internal.h"

#define NAMES 4096

enum figure {
	RX_BYTES,
	RX_PACKETS,
	RX_ERRS,
	RX_DROP,
	RX_FIFO,
	RX_FRAME,
	RX_COMPRESSED,
	RX_MULTICAST,
	TX_BYTES,
	TX_PACKETS,
	TX_ERRS,
	TX_DROP,
	TX_FIFO,
	TX_COLLS,
	TX_CARRIER,
	TX_COMPRESSED, /* the last of net/dev's sixteen columns */
	RX_NOHANDLER,
	FIGURES,
};

#define NET(figure, name) \
	[figure] = FAMILY("node_network_" name "_total", METRIC_COUNTER, "", "What the device counts as " name ".")

static const struct metric_family families[FIGURES] = {
	NET(RX_BYTES, "receive_bytes"),
	NET(RX_PACKETS, "receive_packets"),
	NET(RX_ERRS, "receive_errs"),
	NET(RX_DROP, "receive_drop"),
	NET(RX_FIFO, "receive_fifo"),
	NET(RX_FRAME, "receive_frame"),
	NET(RX_COMPRESSED, "receive_compressed"),
	NET(RX_MULTICAST, "receive_multicast"),
	NET(TX_BYTES, "transmit_bytes"),
	NET(TX_PACKETS, "transmit_packets"),
	NET(TX_ERRS, "transmit_errs"),
	NET(TX_DROP, "transmit_drop"),
	NET(TX_FIFO, "transmit_fifo"),
	NET(TX_COLLS, "transmit_colls"),
	NET(TX_CARRIER, "transmit_carrier"),
	NET(TX_COMPRESSED, "transmit_compressed"),
	NET(RX_NOHANDLER, "receive_nohandler"),
};

struct netdev_state {
	struct host_file file;
	struct filter *devices;
	struct host *host; /* of the walk at hand */
	struct sheet_family *found[FIGURES];
};

static int start(struct host *host, void *ctx)
{
	struct netdev_state *state = ctx;

	state->file.path = "net/dev";
	return filter_new(host->options->netdev_device_exclude, host->options->netdev_device_include, NAMES,
			  host->config.hash_seed, &state->devices);
}

static void stop(void *ctx)
{
	struct netdev_state *state = ctx;

	host_file_close(&state->file);
	filter_free(state->devices);
}

static void tell(struct host *host, struct netdev_state *state, struct span name, const uint64_t *values, size_t count)
{
	char device[128];
	const struct sheet_labels *labels;

	if (!filter_passes(state->devices, name))
		return;
	span_copy(name, device, sizeof(device));
	labels = sheet_labels(host->sheet, &(struct metric_label){ "device", device }, 1);
	for (size_t i = 0; i < count && labels; i++)
		sheet_add(host->sheet, state->found[i], labels, (double)values[i]);
}

/* `  name: 16 numbers`, below two lines of headings. A name may hold a colon: the last one ends it. */
static int tell_line(struct host *host, struct netdev_state *state, struct span line)
{
	const char *colon = memrchr(line.at, ':', line.length);
	uint64_t values[TX_COMPRESSED + 1];
	struct span name;

	if (!colon)
		return -EINVAL;
	name = span_trim((struct span){ line.at, (size_t)(colon - line.at) });
	line = span_skip(line, (size_t)(colon - line.at) + 1);
	for (size_t i = 0; i <= TX_COMPRESSED; i++)
		if (!scan_u64(&line, &values[i]))
			return -EINVAL;
	tell(host, state, name, values, TX_COMPRESSED + 1);
	return 0;
}

static int tell_file(struct host *host, struct netdev_state *state)
{
	struct span text, line;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	for (size_t i = 0; !error && scan_line(&text, &line); i++)
		error = i >= 2 && line.length ? tell_line(host, state, line) : 0;
	return error;
}

static void merge(const struct rtnl_link_stats64 *stats, uint64_t values[FIGURES])
{
	values[RX_BYTES] = stats->rx_bytes;
	values[RX_PACKETS] = stats->rx_packets;
	values[RX_ERRS] = stats->rx_errors;
	values[RX_DROP] = stats->rx_dropped + stats->rx_missed_errors;
	values[RX_FIFO] = stats->rx_fifo_errors;
	values[RX_FRAME] =
		stats->rx_frame_errors + stats->rx_length_errors + stats->rx_over_errors + stats->rx_crc_errors;
	values[RX_COMPRESSED] = stats->rx_compressed;
	values[RX_MULTICAST] = stats->multicast;
	values[TX_BYTES] = stats->tx_bytes;
	values[TX_PACKETS] = stats->tx_packets;
	values[TX_ERRS] = stats->tx_errors;
	values[TX_DROP] = stats->tx_dropped;
	values[TX_FIFO] = stats->tx_fifo_errors;
	values[TX_COLLS] = stats->collisions;
	values[TX_CARRIER] = stats->tx_carrier_errors + stats->tx_aborted_errors + stats->tx_heartbeat_errors +
			     stats->tx_window_errors;
	values[TX_COMPRESSED] = stats->tx_compressed;
	values[RX_NOHANDLER] = stats->rx_nohandler;
}

static int tell_link(void *ctx, struct nlmsghdr *message)
{
	struct netdev_state *state = ctx;
	struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(message));
	int left = (int)IFLA_PAYLOAD(message);
	struct rtnl_link_stats64 stats = { 0 };
	bool has_stats = false;
	uint64_t values[FIGURES];
	struct span name = { 0 };

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		size_t size = RTA_PAYLOAD(attribute);

		if (attribute->rta_type == IFLA_IFNAME) {
			name = (struct span){ RTA_DATA(attribute), strnlen(RTA_DATA(attribute), size) };
		} else if (attribute->rta_type == IFLA_STATS64) {
			/* Older kernels tell fewer figures: those that are missing stay 0. */
			memcpy(&stats, RTA_DATA(attribute), size < sizeof(stats) ? size : sizeof(stats));
			has_stats = true;
		}
	}
	if (!name.length || !has_stats)
		return 0;
	merge(&stats, values);
	tell(state->host, state, name, values, FIGURES);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct netdev_state *state = ctx;

	state->host = host;
	for (size_t i = 0; i < FIGURES; i++)
		state->found[i] = sheet_family(host->sheet, &families[i]);
	if (host->options->netdev_netlink && host->proc_is_procfs)
		return links_each(host, tell_link, state);
	return tell_file(host, state);
}

const struct collector host_netdev = {
	.state_size = sizeof(struct netdev_state),
	.start = start,
	.update = update,
	.stop = stop,
};
