/* SPDX-License-Identifier: Apache-2.0 */
/*
 * infiniband: /sys/class/infiniband (Documentation/ABI/stable/sysfs-class-infiniband). Which counters a port has
 * depends on its driver; before Linux 4.5 those of 64 bits were in counters_ext.
 */
#include "host/infiniband.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/internal.h"

#define CLASS "class/infiniband"
#define TEXT_SIZE 129        /* node_exporter reads 128 bytes of a file of sysfs */
#define BYTES_PER_GBIT 125e6 /* and second */

struct port {
	struct host *host;
	struct metric_label labels[2]; /* device, port */
	const struct infiniband_counter *counters;
	size_t count;
};

static const char *read_text(int directory, const char *path, char buffer[TEXT_SIZE])
{
	struct span text = { buffer, 0 };

	return host_read_small(directory, path, buffer, TEXT_SIZE, &text) ? "" : text.at;
}

/* What cannot be read is not told: counters that a driver does not keep answer with an error. */
static int tell_counter(void *ctx, int directory, const char *name)
{
	const struct port *port = ctx;
	struct metric_family family = { .unit = "", .help = "A counter of the port, as its driver keeps it." };
	char buffer[TEXT_SIZE];
	const char *text;
	uint64_t value;

	for (size_t i = 0; i < port->count; i++) {
		const struct infiniband_counter *counter = &port->counters[i];

		if (strcmp(counter->file, name) != 0)
			continue;
		text = read_text(directory, name, buffer);
		if (!*text || strstr(text, "N/A (no PMA)"))
			return 0;
		if (span_u64(span_of(text), &value))
			return -EINVAL;
		family.name = counter->name;
		family.type = counter->divide ? METRIC_GAUGE : METRIC_COUNTER;
		value = counter->divide ? value / counter->divide : value * counter->multiply;
		sheet_add_labelled(port->host->sheet, sheet_family_copied(port->host->sheet, &family), port->labels, 2,
				   (double)value);
	}
	return 0;
}

static int tell_counters(struct port *port, int directory, const char *name)
{
	char path[320];
	int error = 0;

	for (size_t i = 0; i < INFINIBAND_FOLDERS && !error; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, infiniband_folders[i].name);
		port->counters = infiniband_folders[i].counters;
		port->count = infiniband_folders[i].count;
		error = host_each(directory, path, tell_counter, port);
		error = error == -ENOENT ? 0 : error;
	}
	return error;
}

/* `4: ACTIVE` */
static int read_state(int directory, const char *port, const char *file, double *ret_state)
{
	char path[320], buffer[TEXT_SIZE];
	struct span text, number;
	uint64_t state;

	snprintf(path, sizeof(path), "%s/%s", port, file);
	text = span_of(read_text(directory, path, buffer));
	if (!scan_until(&text, ':', &number) || !text.length || span_u64(span_trim(number), &state) ||
	    state > UINT32_MAX)
		return -EINVAL;
	*ret_state = (double)state;
	return 0;
}

/* `100 Gb/sec (4X EDR)`: read as a float, as node_exporter does. */
static int read_rate(int directory, const char *port, double *ret_rate)
{
	char path[320], buffer[TEXT_SIZE];
	struct span text, number;
	double gbit;

	snprintf(path, sizeof(path), "%s/rate", port);
	text = span_of(read_text(directory, path, buffer));
	if (!scan_until(&text, ' ', &number) || !text.length || span_double(number, &gbit))
		return -EINVAL;
	return whole_number((double)(float)gbit * BYTES_PER_GBIT, ret_rate);
}

static int tell_port(void *ctx, int directory, const char *name)
{
	static const struct metric_family families[] = {
		FAMILY("node_infiniband_state_id", METRIC_GAUGE, "",
		       "State of the port: 1 down, 2 init, 3 armed, 4 active, 5 active and deferring."),
		FAMILY("node_infiniband_physical_state_id", METRIC_GAUGE, "",
		       "Physical state: 1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 recovering, 7 test."),
		FAMILY("node_infiniband_rate_bytes_per_second", METRIC_GAUGE, "", "Highest rate of the link."),
	};
	struct port *port = ctx;
	double values[3];
	uint64_t number;
	int error = span_u64(span_of(name), &number);

	port->labels[1] = (struct metric_label){ "port", name };
	if (!error)
		error = read_state(directory, name, "state", &values[0]);
	if (!error)
		error = read_state(directory, name, "phys_state", &values[1]);
	if (!error)
		error = read_rate(directory, name, &values[2]);
	for (size_t i = 0; i < 3 && !error; i++)
		host_tell_labels(port->host, &families[i], port->labels, 2, values[i]);
	return error ? error : tell_counters(port, directory, name);
}

static int tell_device(void *ctx, int directory, const char *name)
{
	static const struct metric_family info =
		FAMILY("node_infiniband_info", METRIC_GAUGE, "", "What the device says of itself; always 1.");
	static const char *const files[][2] = { { "board_id", "board_id" },
						{ "fw_ver", "firmware_version" },
						{ "hca_type", "hca_type" } };
	struct port port = { .host = ctx, .labels = { { "device", name } } };
	struct metric_label labels[4] = { { "device", name } };
	char path[320], texts[3][TEXT_SIZE];

	host_at(ctx, CLASS "/%s", name);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i][0]);
		labels[i + 1] = (struct metric_label){ files[i][1], read_text(directory, path, texts[i]) };
	}
	host_tell_labels(ctx, &info, labels, 4, 1);
	snprintf(path, sizeof(path), "%s/ports", name);
	return host_each(directory, path, tell_port, &port);
}

static int update(struct host *host, void *ctx)
{
	(void)ctx;
	return host_each_class(host, "infiniband", tell_device, host);
}

const struct collector host_infiniband = { .update = update };
