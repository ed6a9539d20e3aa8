/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netclass: the files of /sys/class/net/DEVICE (Documentation/ABI/testing/sysfs-class-net). Many of them answer with an
 * error where they mean nothing (the carrier of a device that is down): such a family is not told for the device.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "host/internal.h"

#define NAMES 4096
#define CLASS "class/net"
#define VALUE_SIZE 288
#define BYTES_PER_MBIT 125000

#define PROPERTY(file, name, type)                                                                       \
	{                                                                                                \
		file, FAMILY("node_network_" name, type, "", "The file " file " of the network device.") \
	}

static const struct {
	const char *file;
	struct metric_family family;
} properties[] = {
	PROPERTY("addr_assign_type", "address_assign_type", METRIC_GAUGE),
	PROPERTY("carrier", "carrier", METRIC_GAUGE),
	PROPERTY("carrier_changes", "carrier_changes_total", METRIC_COUNTER),
	PROPERTY("carrier_up_count", "carrier_up_changes_total", METRIC_COUNTER),
	PROPERTY("carrier_down_count", "carrier_down_changes_total", METRIC_COUNTER),
	PROPERTY("dev_id", "device_id", METRIC_GAUGE),
	PROPERTY("dormant", "dormant", METRIC_GAUGE),
	PROPERTY("flags", "flags", METRIC_GAUGE),
	PROPERTY("ifindex", "iface_id", METRIC_GAUGE),
	PROPERTY("iflink", "iface_link", METRIC_GAUGE),
	PROPERTY("link_mode", "iface_link_mode", METRIC_GAUGE),
	PROPERTY("mtu", "mtu_bytes", METRIC_GAUGE),
	PROPERTY("name_assign_type", "name_assign_type", METRIC_GAUGE),
	PROPERTY("netdev_group", "net_dev_group", METRIC_GAUGE),
	PROPERTY("tx_queue_len", "transmit_queue_length", METRIC_GAUGE),
	PROPERTY("type", "protocol_type", METRIC_GAUGE),
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

struct netclass_state {
	struct filter *devices;
	struct host *host; /* of the walk at hand */
	struct sheet_family *found[PROPERTIES];
};

static int start(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;

	return filter_new(host->options->netclass_ignored_devices, "", NAMES, host->config.hash_seed, &state->devices);
}

static void stop(void *ctx)
{
	filter_free(((struct netclass_state *)ctx)->devices);
}

/* Decimal, or hexadecimal with 0x. */
static int read_number(int device, const char *file, int64_t *ret_value)
{
	char buffer[VALUE_SIZE];
	struct span text = { buffer, 0 };
	uint64_t value;
	int error = host_read_small(device, file, buffer, sizeof(buffer), &text);

	if (error)
		return error;
	if (!span_begins(text, "0x"))
		return span_i64(text, ret_value);
	error = span_hex(text, &value);
	if (!error)
		*ret_value = (int64_t)value;
	return error;
}

static const char *read_text(int device, const char *file, char buffer[VALUE_SIZE])
{
	struct span text = { buffer, 0 };

	return host_read_small(device, file, buffer, VALUE_SIZE, &text) ? "" : text.at;
}

static const char *admin_state(int device)
{
	int64_t flags;

	if (read_number(device, "flags", &flags))
		return "unknown";
	return flags & IFF_UP ? "up" : "down";
}

static void tell_texts(struct host *host, int device, const char *name)
{
	static const struct metric_family up =
		FAMILY("node_network_up", METRIC_GAUGE, "", "Whether the device's operstate is up.");
	static const struct metric_family info =
		FAMILY("node_network_info", METRIC_GAUGE, "", "What the device tells in words; always 1.");
	char address[VALUE_SIZE], broadcast[VALUE_SIZE], duplex[VALUE_SIZE], state[VALUE_SIZE], alias[VALUE_SIZE];
	const struct metric_label labels[] = {
		{ "device", name },
		{ "address", read_text(device, "address", address) },
		{ "broadcast", read_text(device, "broadcast", broadcast) },
		{ "duplex", read_text(device, "duplex", duplex) },
		{ "operstate", read_text(device, "operstate", state) },
		{ "adminstate", admin_state(device) },
		{ "ifalias", read_text(device, "ifalias", alias) },
	};

	host_tell_of(host, &up, "device", name, !strcmp(labels[4].value, "up"));
	host_tell_labels(host, &info, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

/* The file is in Mbit/s; -1, or another negative, when the driver does not know. */
static void tell_speed(struct host *host, int device, const char *name)
{
	static const struct metric_family family =
		FAMILY("node_network_speed_bytes", METRIC_GAUGE, "bytes", "Speed of the device in bytes per second.");
	int64_t speed;

	if (read_number(device, "speed", &speed) || (speed < 0 && host->options->netclass_ignore_invalid_speed))
		return;
	host_tell_of(host, &family, "device", name, (double)(speed * BYTES_PER_MBIT));
}

static int tell_device(void *ctx, int directory, const char *name)
{
	struct netclass_state *state = ctx;
	struct host *host = state->host;
	const struct metric_label label = { "device", name };
	const struct sheet_labels *labels;
	CLEANUP_FD int device = -1;
	int64_t value;

	if (!filter_passes(state->devices, span_of(name)))
		return 0;
	device = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (device < 0) /* a file beside the devices (bonding_masters), or a device that went away */
		return 0;
	tell_texts(host, device, name);
	labels = sheet_labels(host->sheet, &label, 1);
	for (size_t i = 0; i < PROPERTIES && labels; i++)
		if (!read_number(device, properties[i].file, &value))
			sheet_add(host->sheet, state->found[i], labels, (double)value);
	tell_speed(host, device, name);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;
	int error;

	state->host = host;
	for (size_t i = 0; i < PROPERTIES; i++)
		state->found[i] = sheet_family(host->sheet, &properties[i].family);
	host_at(host, CLASS);
	error = host_each(host->sys_fd, CLASS, tell_device, state);
	return error == -ENOENT || error == -EACCES ? -ENODATA : error;
}

const struct collector host_netclass = {
	.state_size = sizeof(struct netclass_state),
	.start = start,
	.update = update,
	.stop = stop,
};
