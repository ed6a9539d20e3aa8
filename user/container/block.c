/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block I/O by device: v2's io.stat, v1's blkio.throttle.*. A device that is no longer told keeps its last figures:
 * counters do not go back.
 */
#include <string.h>

#include "container/files.h"

#define DEVICES_MAX 256

static struct io_values *values_of(struct record *record, uint32_t major, uint32_t minor)
{
	struct device_values *grown;

	for (size_t i = 0; i < record->device_count; i++)
		if (record->devices[i].major == major && record->devices[i].minor == minor)
			return &record->devices[i].io;
	if (record->device_count == DEVICES_MAX)
		return NULL;
	if (record->device_count == record->device_capacity) {
		grown = reallocarray(record->devices, record->device_capacity + 4, sizeof(*grown));
		if (!grown)
			return NULL;
		record->devices = grown;
		record->device_capacity += 4;
	}
	record->devices[record->device_count] = (struct device_values){ .major = major, .minor = minor };
	return &record->devices[record->device_count++].io;
}

void block_read_unified(const struct reading *reading, const struct file_rule *rule)
{
	const char *text = reading->text;
	uint32_t major, minor;
	struct io_values io;

	(void)rule;
	while (parse_io_stat(&text, &major, &minor, &io)) {
		struct io_values *values = values_of(reading->record, major, minor);

		if (values)
			*values = io;
	}
}

static void read_v1(const struct reading *reading, size_t read_at, size_t write_at, size_t discard_at)
{
	const char *text = reading->text, *operation;
	uint32_t major, minor;
	uint64_t number;
	size_t length;

	while (parse_blkio(&text, &major, &minor, &operation, &length, &number)) {
		char *values = (char *)values_of(reading->record, major, minor);

		if (!values)
			continue;
		if (length == 4 && !memcmp(operation, "Read", 4))
			memcpy(values + read_at, &number, sizeof(number));
		else if (length == 5 && !memcmp(operation, "Write", 5))
			memcpy(values + write_at, &number, sizeof(number));
		else if (length == 7 && !memcmp(operation, "Discard", 7))
			memcpy(values + discard_at, &number, sizeof(number));
	}
}

void block_read_bytes(const struct reading *reading, const struct file_rule *rule)
{
	(void)rule;
	read_v1(reading, offsetof(struct io_values, read_bytes), offsetof(struct io_values, write_bytes),
		offsetof(struct io_values, discard_bytes));
}

void block_read_operations(const struct reading *reading, const struct file_rule *rule)
{
	(void)rule;
	read_v1(reading, offsetof(struct io_values, reads), offsetof(struct io_values, writes),
		offsetof(struct io_values, discards));
}
