/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netclass: the files of /sys/class/net/DEVICE (Documentation/ABI/testing/sysfs-class-net). Many of them answer with an
 * error where they mean nothing (the carrier of a device that is down): such a family is not told for the device.
 *
 * What the kernel says of all devices in one netlink message is not read from the files: that is three quarters of
 * them. The devices that netlink tells are those of sonde's network namespace, the files are those of the namespace
 * that sysfs was mounted in: only where both have the same devices, by names and numbers, one stands for the other.
 *
 * Opening is most of a file's cost, so the files of the first devices are kept open; a device that goes away answers
 * ENODEV from then on. A host with hundreds of devices opens those of the others each time: a file kept open is a page
 * of kernel memory.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "host/internal.h"
#include "host/netclass_facts.h"

#define NAMES 4096
#define VALUE_SIZE NETCLASS_TEXT_SIZE
#define BYTES_PER_MBIT 125000
#define KEPT_MAX 16

#define PROPERTY(file, name, type) FAMILY("node_network_" name, type, "", "The file " file " of the network device.")

static const struct metric_family properties[NETCLASS_PROPERTIES] = {
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

static const char *const files[NETCLASS_FILES] = {
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
	"operstate",
	"ifalias",
	"duplex",
	"speed",
};

struct device {
	char name[64];
	uint32_t index;          /* by netlink; 0: not known */
	int directory;           /* plus one; the device's own, or of all devices when it is not kept */
	int fds[NETCLASS_FILES]; /* plus one; -1: there is no such file */
	bool kept;               /* else closed when the device was told */
	bool seen;               /* in the walk at hand */
	bool gone;               /* a file answered that the device is no more */
};

struct netclass_state {
	struct filter *devices;
	struct host *host; /* of the walk at hand */
	struct device kept[KEPT_MAX];
	size_t kept_count;
	int class_fd;            /* plus one: of all devices */
	uint64_t devices_agreed; /* those that netlink and sysfs both had */
	struct netclass_facts facts;
	struct sheet_family *found[NETCLASS_PROPERTIES];
};

static int start(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;

	return filter_new(host->options->netclass_ignored_devices, "", NAMES, host->config.hash_seed, &state->devices);
}

static void device_close(struct device *device)
{
	for (size_t i = 0; i < NETCLASS_FILES; i++)
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
	if (state->class_fd)
		close(state->class_fd - 1);
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

/* `facts` NULL: all of it is in files. */
static const char *text_of(struct device *device, const struct netclass_facts *facts, enum netclass_file file,
			   char buffer[VALUE_SIZE])
{
	struct span text = { buffer, 0 };

	if (facts && netclass_is_known(facts, file))
		return file < NETCLASS_DUPLEX ? facts->texts[file - NETCLASS_ADDRESS] : "";
	return read_value(device, file, buffer, &text) ? "" : text.at;
}

static bool number_of(struct device *device, const struct netclass_facts *facts, enum netclass_file file,
		      int64_t *ret_value)
{
	if (!facts || !netclass_is_known(facts, file))
		return !read_number(device, file, ret_value);
	if (file >= NETCLASS_PROPERTIES || !(facts->told >> file & 1))
		return false;
	*ret_value = facts->values[file];
	return true;
}

static void tell_texts(struct host *host, struct device *device, const struct netclass_facts *facts,
		       const char *admin_state)
{
	static const struct metric_family up =
		FAMILY("node_network_up", METRIC_GAUGE, "", "Whether the device's operstate is up.");
	static const struct metric_family info =
		FAMILY("node_network_info", METRIC_GAUGE, "", "What the device tells in words; always 1.");
	char address[VALUE_SIZE], broadcast[VALUE_SIZE], duplex[VALUE_SIZE], state[VALUE_SIZE], alias[VALUE_SIZE];
	const struct metric_label labels[] = {
		{ "device", device->name },
		{ "address", text_of(device, facts, NETCLASS_ADDRESS, address) },
		{ "broadcast", text_of(device, facts, NETCLASS_BROADCAST, broadcast) },
		{ "duplex", text_of(device, facts, NETCLASS_DUPLEX, duplex) },
		{ "operstate", text_of(device, facts, NETCLASS_OPERSTATE, state) },
		{ "adminstate", admin_state },
		{ "ifalias", text_of(device, facts, NETCLASS_IFALIAS, alias) },
	};

	host_tell_of(host, &up, "device", device->name, !strcmp(labels[4].value, "up"));
	host_tell_labels(host, &info, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

/* The file is in Mbit/s; -1, or another negative, when the driver does not know. */
static void tell_speed(struct host *host, struct device *device, const struct netclass_facts *facts)
{
	static const struct metric_family family =
		FAMILY("node_network_speed_bytes", METRIC_GAUGE, "bytes", "Speed of the device in bytes per second.");
	int64_t speed;

	if (!number_of(device, facts, NETCLASS_SPEED, &speed) ||
	    (speed < 0 && host->options->netclass_ignore_invalid_speed))
		return;
	host_tell_of(host, &family, "device", device->name, (double)(speed * BYTES_PER_MBIT));
}

static void tell(struct netclass_state *state, struct device *device, const struct netclass_facts *facts)
{
	const struct metric_label label = { "device", device->name };
	const struct sheet_labels *labels = sheet_labels(state->host->sheet, &label, 1);
	const char *admin_state = "unknown";
	int64_t value;

	for (size_t i = 0; i < NETCLASS_PROPERTIES && labels; i++) {
		if (!number_of(device, facts, (enum netclass_file)i, &value))
			continue;
		sheet_add(state->host->sheet, state->found[i], labels, (double)value);
		if (i == NETCLASS_FLAGS)
			admin_state = value & IFF_UP ? "up" : "down";
	}
	tell_texts(state->host, device, facts, admin_state);
	tell_speed(state->host, device, facts);
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
	(void)!read_value(device, NETCLASS_OPERSTATE, buffer, &text);
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

static void let_go(struct netclass_state *state, struct device *device)
{
	device_close(device);
	*device = state->kept[--state->kept_count];
}

static int tell_device(void *ctx, int directory, const char *name)
{
	struct netclass_state *state = ctx;
	struct device *device, passing = { 0 };

	if (!filter_passes(state->devices, span_of(name)) || strlen(name) >= sizeof(passing.name))
		return 0;
	device = find_kept(state, name);
	if (device && !is_there(device)) {
		let_go(state, device);
		device = NULL;
	}
	if (!device && state->kept_count < KEPT_MAX) {
		device = keep(state, directory, name);
		if (!device) /* a file beside the devices (bonding_masters), or a device that went away */
			return 0;
	}
	if (!device) {
		if (!strcmp(name, NETCLASS_BESIDE))
			return 0;
		device = &passing;
		device->directory = directory + 1;
		snprintf(device->name, sizeof(device->name), "%s", name);
	}
	device->seen = true;
	tell(state, device, NULL);
	return 0;
}

static int tell_link(void *ctx, struct nlmsghdr *message)
{
	struct netclass_state *state = ctx;
	struct netclass_facts *facts = &state->facts;
	struct device *device, passing = { 0 };

	if (!netclass_facts_of(message, facts) || !filter_passes(state->devices, span_of(facts->name)))
		return 0;
	device = find_kept(state, facts->name);
	if (device && device->index != facts->index) {
		let_go(state, device);
		device = NULL;
	}
	if (!device && state->kept_count < KEPT_MAX)
		device = keep(state, state->class_fd - 1, facts->name);
	if (!device) {
		device = &passing;
		device->directory = state->class_fd;
		snprintf(device->name, sizeof(device->name), "%s", facts->name);
	}
	device->index = facts->index;
	device->seen = true;
	tell(state, device, facts);
	return 0;
}

static bool agrees(struct host *host, struct netclass_state *state)
{
	if (!netclass_agrees(host, &state->devices_agreed, &state->facts))
		return false;
	if (!state->class_fd)
		state->class_fd = openat(host->sys_fd, NETCLASS_PATH, O_PATH | O_DIRECTORY | O_CLOEXEC) + 1;
	return state->class_fd;
}

static void close_unseen(struct netclass_state *state)
{
	for (size_t i = state->kept_count; i-- > 0;)
		if (!state->kept[i].seen)
			let_go(state, &state->kept[i]);
}

static int update(struct host *host, void *ctx)
{
	struct netclass_state *state = ctx;
	int error;

	state->host = host;
	for (size_t i = 0; i < NETCLASS_PROPERTIES; i++)
		state->found[i] = sheet_family(host->sheet, &properties[i]);
	for (size_t i = 0; i < state->kept_count; i++)
		state->kept[i].seen = false;
	if (agrees(host, state)) {
		error = links_each(host, tell_link, state);
	} else {
		host_at(host, NETCLASS_PATH);
		error = host_each(host->sys_fd, NETCLASS_PATH, tell_device, state);
	}
	close_unseen(state);
	return error == -ENOENT || error == -EACCES ? -ENODATA : error;
}

const struct collector host_netclass = {
	.state_size = sizeof(struct netclass_state),
	.start = start,
	.update = update,
	.stop = stop,
};
