/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block I/O families. A device is named as in /dev, found by its number in sysfs once.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/number.h"
#include "container/tell.h"

struct field {
	const char *name;
	const char *help;
	size_t offset;
	double divisor;
	const char *unit;
	bool cost; /* only where the io.cost model is on */
};

#define FIELD(family, member, text)                                            \
	{                                                                      \
		family, text, offsetof(struct io_values, member), 1, "", false \
	}
#define COST(family, index, text)                                                                                    \
	{                                                                                                            \
		family, text, offsetof(struct io_values, cost_us) + (index) * sizeof(uint64_t), 1e6, "seconds", true \
	}

static const struct field fields[] = {
	FIELD("container_fs_reads_bytes_total", read_bytes, "Bytes read from the device."),
	FIELD("container_fs_reads_total", reads, "Reads from the device."),
	FIELD("container_fs_writes_bytes_total", write_bytes, "Bytes written to the device."),
	FIELD("container_fs_writes_total", writes, "Writes to the device."),
	COST("container_fs_io_cost_usage_seconds_total", 0, "Device time by the cost model."),
	COST("container_fs_io_cost_wait_seconds_total", 1, "Time waited for the cost model's budget."),
	COST("container_fs_io_cost_indebt_seconds_total", 2, "Time in debt to the cost model."),
	COST("container_fs_io_cost_indelay_seconds_total", 3, "Time delayed by debt to the cost model."),
};

/* "/dev/sda"; "8:0" when sysfs does not know it. Names with '/' have '!' there. */
static void find_name(const struct container_table *table, struct device_name *device)
{
	char link[64], target[PATH_BYTES];
	const char *base;
	ssize_t length;

	snprintf(device->number, sizeof(device->number), "%u:%u", device->major, device->minor);
	snprintf(link, sizeof(link), "dev/block/%s", device->number);
	length = readlinkat(table->sysfs, link, target, sizeof(target) - 1);
	if (length <= 0) {
		snprintf(device->name, sizeof(device->name), "%s", device->number);
		return;
	}
	target[length] = '\0';
	base = strrchr(target, '/');
	snprintf(device->name, sizeof(device->name), "/dev/%.48s", base ? base + 1 : target);
	for (char *c = device->name; *c; c++)
		if (*c == '!')
			*c = '/';
}

void device_names_learn(struct container_table *table, const struct record *record)
{
	for (size_t i = 0; i < record->device_count; i++) {
		struct device_name *device;

		if (table->device_count == DEVICE_NAMES_MAX ||
		    device_name(table, record->devices[i].major, record->devices[i].minor))
			continue;
		device = &table->devices[table->device_count++];
		device->major = record->devices[i].major;
		device->minor = record->devices[i].minor;
		find_name(table, device);
	}
}

const struct device_name *device_name(const struct container_table *table, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < table->device_count; i++)
		if (table->devices[i].major == major && table->devices[i].minor == minor)
			return &table->devices[i];
	return NULL;
}

static void visit_field(const struct container_table *table, const struct field *field,
			const struct metric_visitor *out)
{
	family_begin(out, field->name, field->help, METRIC_COUNTER, field->unit);
	for (size_t i = 0; i < table->slot_count; i++) {
		const struct record *record = table->slots[i];

		for (size_t j = 0; record && j < record->device_count; j++) {
			const struct device_values *values = &record->devices[j];
			const struct device_name *device = device_name(table, values->major, values->minor);
			uint64_t number;

			if (!device || (field->cost && !values->io.has_cost))
				continue;
			memcpy(&number, (const char *)&values->io + field->offset, sizeof(number));
			sample(out, record, &(struct metric_label){ "device", device->name }, 1,
			       (double)number / field->divisor);
		}
	}
	out->family_end(out->ctx);
}

static void tell_usage(const struct metric_visitor *out, const struct record *record,
		       const struct device_values *values, const struct device_name *device)
{
	const struct {
		const char *operation;
		uint64_t bytes;
	} rows[] = { { "Read", values->io.read_bytes },
		     { "Write", values->io.write_bytes },
		     { "Discard", values->io.discard_bytes } };
	char major[16], minor[16];

	snprintf(major, sizeof(major), "%u", values->major);
	snprintf(minor, sizeof(minor), "%u", values->minor);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct metric_label extra[] = { { "device", device->name },
						      { "major", major },
						      { "minor", minor },
						      { "operation", rows[i].operation } };

		sample(out, record, extra, 4, (double)rows[i].bytes);
	}
}

void visit_devices(const struct container_table *table, const struct metric_visitor *out)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		visit_field(table, &fields[i], out);
	family_begin(out, "container_blkio_device_usage_total", "Bytes by device and operation.", METRIC_COUNTER, "");
	for (size_t i = 0; i < table->slot_count; i++) {
		const struct record *record = table->slots[i];

		for (size_t j = 0; record && j < record->device_count; j++) {
			const struct device_name *device =
				device_name(table, record->devices[j].major, record->devices[j].minor);

			if (device)
				tell_usage(out, record, &record->devices[j], device);
		}
	}
	out->family_end(out->ctx);
}
