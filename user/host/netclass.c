/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netclass: the files of /sys/class/net/DEVICE (Documentation/ABI/testing/sysfs-class-net). Many of them answer with an
 * error where they mean nothing (the carrier of a device that is down): such a family is not told for the device.
 *
 * Opening is most of the cost, so the files of the first devices are kept open; a device that goes away answers ENODEV
 * from then on. A host with hundreds of devices opens those of the others each time: a file kept open is a page of
 * kernel memory.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "host/internal.h"

#define NAMES 4096
#define CLASS "class/net"
#define VALUE_SIZE 288
#define BYTES_PER_MBIT 125000
#define KEPT_MAX 16

enum {
	FLAGS = 7,
	PROPERTIES = 16,
	ADDRESS = PROPERTIES,
	BROADCAST,
	DUPLEX,
	OPERSTATE,
	IFALIAS,
	SPEED,
	FILES
};

#define PROPERTY(file, name, type) FAMILY("node_network_" name, type, "", "The file " file " of the network device.")

static const struct metric_family properties[PROPERTIES] = {
	PROPERTY("addr_assign_type", "address_assign_type", METRIC_GAUGE),
	PROPERTY("carrier", "carrier", METRIC_GAUGE),
	PROPERTY("carrier_changes", "carrier_changes_total", METRIC_COUNTER),
	PROPERTY("carrier_up_count", "carrier_up_changes_total", METRIC_COUNTER),
	PROPERTY("carrier_down_count", "carrier_down_changes_total", METRIC_COUNTER),
	PROPERTY("dev_id", "device_id", METRIC_GAUGE),
	PROPERTY("dormant", "dormant", METRIC_GAUGE),
	[FLAGS] = PROPERTY("flags", "flags", METRIC_GAUGE),
	PROPERTY("ifindex", "iface_id", METRIC_GAUGE),
	PROPERTY("iflink", "iface_link", METRIC_GAUGE),
	PROPERTY("link_mode", "iface_link_mode", METRIC_GAUGE),
	PROPERTY("mtu", "mtu_bytes", METRIC_GAUGE),
	PROPERTY("name_assign_type", "name_assign_type", METRIC_GAUGE),
	PROPERTY("netdev_group", "net_dev_group", METRIC_GAUGE),
	PROPERTY("tx_queue_len", "transmit_queue_length", METRIC_GAUGE),
	PROPERTY("type", "protocol_type", METRIC_GAUGE),
};

static const char *const files[FILES] = {
	"addr_assign_type",
	"carrier",
	"carrier_changes",
	"carrier_up_count",
	"carrier_down_count",
	"dev_id",
	"dormant",
	"flags",
	"ifindex",
	"iflink",
	"link_mode",
	"mtu",
	"name_assign_type",
	"netdev_group",
	"tx_queue_len",
	"type",
	"address",
	"broadcast",
	"duplex",
	"operstate",
	"ifalias",
	"speed",
};

struct device {
	char name[64];
	int directory;  /* plus one; the device's own, or of all devices when it is not kept */
	int fds[FILES]; /* plus one; -1: there is no such file */
	bool kept;      /* else closed when the device was told */
	bool seen;      /* in the walk at hand */
	bool gone;      /* a file answered that the device is no more */
};

struct netclass_state {
	struct filter *devices;
	struct host *host; /* of the walk at hand */
	struct device kept[KEPT_MAX];
	size_t kept_count;
	struct sheet_family *found[PROPERTIES];
};

static int start(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;

	return filter_new(host->options->netclass_ignored_devices, "", NAMES, host->config.hash_seed, &state->devices);
}

static void device_close(struct device *device)
{
	for (size_t i = 0; i < FILES; i++)
		if (device->fds[i] > 0)
			close(device->fds[i] - 1);
	if (device->directory && device->kept)
		close(device->directory - 1);
	*device = (struct device){ 0 };
}

static void stop(void *ctx)
{
	struct netclass_state *state = ctx;

	filter_free(state->devices);
	for (size_t i = 0; i < state->kept_count; i++)
		device_close(&state->kept[i]);
}

/* Of a device whose files are not kept open: by a path from the directory of all devices. */
static int read_passing(const struct device *device, size_t file, char buffer[VALUE_SIZE], struct span *ret_text)
{
	char path[128];

	text_join(path, sizeof(path), (struct span[]){ span_of(device->name), { "/", 1 }, span_of(files[file]) }, 3);
	return host_read_small(device->directory - 1, path, buffer, VALUE_SIZE, ret_text);
}

static int read_value(struct device *device, size_t file, char buffer[VALUE_SIZE], struct span *ret_text)
{
	int fd = device->fds[file], error;

	if (!device->kept)
		return read_passing(device, file, buffer, ret_text);
	if (fd < 0)
		return -ENOENT;
	if (!fd) {
		fd = openat(device->directory - 1, files[file], O_RDONLY | O_CLOEXEC | O_NOCTTY) + 1;
		device->fds[file] = fd ? fd : -1;
		if (!fd)
			return -errno;
	}
	error = host_reread_small(fd - 1, buffer, VALUE_SIZE, ret_text);
	device->gone |= error == -ENODEV;
	return error;
}

/* Decimal, or hexadecimal with 0x. */
static int read_number(struct device *device, size_t file, int64_t *ret_value)
{
	char buffer[VALUE_SIZE];
	struct span text = { buffer, 0 };
	uint64_t value;
	int error = read_value(device, file, buffer, &text);

	if (error)
		return error;
	if (!span_begins(text, "0x"))
		return span_i64(text, ret_value);
	error = span_hex(text, &value);
	if (!error)
		*ret_value = (int64_t)value;
	return error;
}

static const char *read_text(struct device *device, size_t file, char buffer[VALUE_SIZE])
{
	struct span text = { buffer, 0 };

	return read_value(device, file, buffer, &text) ? "" : text.at;
}

static void tell_texts(struct host *host, struct device *device, const char *admin_state)
{
	static const struct metric_family up =
		FAMILY("node_network_up", METRIC_GAUGE, "", "Whether the device's operstate is up.");
	static const struct metric_family info =
		FAMILY("node_network_info", METRIC_GAUGE, "", "What the device tells in words; always 1.");
	char address[VALUE_SIZE], broadcast[VALUE_SIZE], duplex[VALUE_SIZE], state[VALUE_SIZE], alias[VALUE_SIZE];
	const struct metric_label labels[] = {
		{ "device", device->name },
		{ "address", read_text(device, ADDRESS, address) },
		{ "broadcast", read_text(device, BROADCAST, broadcast) },
		{ "duplex", read_text(device, DUPLEX, duplex) },
		{ "operstate", read_text(device, OPERSTATE, state) },
		{ "adminstate", admin_state },
		{ "ifalias", read_text(device, IFALIAS, alias) },
	};

	host_tell_of(host, &up, "device", device->name, !strcmp(labels[4].value, "up"));
	host_tell_labels(host, &info, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

/* The file is in Mbit/s; -1, or another negative, when the driver does not know. */
static void tell_speed(struct host *host, struct device *device)
{
	static const struct metric_family family =
		FAMILY("node_network_speed_bytes", METRIC_GAUGE, "bytes", "Speed of the device in bytes per second.");
	int64_t speed;

	if (read_number(device, SPEED, &speed) || (speed < 0 && host->options->netclass_ignore_invalid_speed))
		return;
	host_tell_of(host, &family, "device", device->name, (double)(speed * BYTES_PER_MBIT));
}

static void tell(struct netclass_state *state, struct device *device)
{
	const struct metric_label label = { "device", device->name };
	const struct sheet_labels *labels = sheet_labels(state->host->sheet, &label, 1);
	const char *admin_state = "unknown";
	int64_t value;

	for (size_t i = 0; i < PROPERTIES && labels; i++) {
		if (read_number(device, i, &value))
			continue;
		sheet_add(state->host->sheet, state->found[i], labels, (double)value);
		if (i == FLAGS)
			admin_state = value & IFF_UP ? "up" : "down";
	}
	tell_texts(state->host, device, admin_state);
	tell_speed(state->host, device);
}

static struct device *find_kept(struct netclass_state *state, const char *name)
{
	for (size_t i = 0; i < state->kept_count; i++)
		if (!strcmp(state->kept[i].name, name))
			return &state->kept[i];
	return NULL;
}

/* Whether the device that was kept is still the one of this name. */
static bool is_there(struct device *device)
{
	char buffer[VALUE_SIZE];
	struct span text = { buffer, 0 };

	device->gone = false;
	(void)!read_value(device, OPERSTATE, buffer, &text);
	return !device->gone;
}

static struct device *keep(struct netclass_state *state, int directory, const char *name)
{
	struct device *device = &state->kept[state->kept_count];

	*device = (struct device){ .kept = true };
	device->directory = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC) + 1;
	if (!device->directory)
		return NULL;
	snprintf(device->name, sizeof(device->name), "%s", name);
	state->kept_count++;
	return device;
}

static int tell_device(void *ctx, int directory, const char *name)
{
	struct netclass_state *state = ctx;
	struct device *device, passing = { 0 };

	if (!filter_passes(state->devices, span_of(name)) || strlen(name) >= sizeof(passing.name))
		return 0;
	device = find_kept(state, name);
	if (device && !is_there(device)) {
		device_close(device);
		*device = state->kept[--state->kept_count];
		device = NULL;
	}
	if (!device && state->kept_count < KEPT_MAX) {
		device = keep(state, directory, name);
		if (!device) /* a file beside the devices (bonding_masters), or a device that went away */
			return 0;
	}
	if (!device) {
		if (!strcmp(name, "bonding_masters")) /* the one file beside the devices */
			return 0;
		device = &passing;
		device->directory = directory + 1;
		snprintf(device->name, sizeof(device->name), "%s", name);
	}
	device->seen = true;
	tell(state, device);
	return 0;
}

static void close_unseen(struct netclass_state *state)
{
	for (size_t i = state->kept_count; i-- > 0;) {
		if (!state->kept[i].seen) {
			device_close(&state->kept[i]);
			state->kept[i] = state->kept[--state->kept_count];
		}
	}
}

static int update(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;
	int error;

	state->host = host;
	for (size_t i = 0; i < PROPERTIES; i++)
		state->found[i] = sheet_family(host->sheet, &properties[i]);
	for (size_t i = 0; i < state->kept_count; i++)
		state->kept[i].seen = false;
	host_at(host, CLASS);
	error = host_each(host->sys_fd, CLASS, tell_device, state);
	close_unseen(state);
	return error == -ENOENT || error == -EACCES ? -ENODATA : error;
}

const struct collector host_netclass = {
	.state_size = sizeof(struct netclass_state),
	.start = start,
	.update = update,
	.stop = stop,
};
