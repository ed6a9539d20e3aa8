/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of cgroup files to values. Pure. What a text does not hold stays as it was; a text that is not of the form
 * changes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Times in nanoseconds, sizes in bytes, moments since the epoch in nanoseconds. */
enum value {
	CPU_USAGE,
	CPU_USER,
	CPU_SYSTEM,
	CPU_PERIODS,
	CPU_THROTTLED_PERIODS,
	CPU_THROTTLED,
	CPU_BURSTS,
	CPU_BURST,
	MEMORY_USAGE,
	MEMORY_MAX_USAGE,
	MEMORY_WORKING_SET,
	MEMORY_CACHE,
	MEMORY_RSS,
	MEMORY_SWAP,
	MEMORY_KERNEL,
	MEMORY_MAPPED_FILE,
	MEMORY_ACTIVE_FILE,
	MEMORY_INACTIVE_FILE,
	MEMORY_DIRTY,
	MEMORY_WRITEBACK,
	MEMORY_SCANNED,
	MEMORY_STOLEN,
	MEMORY_REFAULT_FILE,
	MEMORY_REFAULT_ANON,
	MEMORY_FAILURES, /* usage hit the limit */
	MEMORY_EVENTS_HIGH,
	MEMORY_EVENTS_MAX,
	MEMORY_OOM_KILLS,
	PAGE_FAULTS,
	PAGE_FAULTS_MAJOR,
	PAGE_FAULTS_OWN, /* v1 tells them without those of cgroups below as well */
	PAGE_FAULTS_MAJOR_OWN,
	PRESSURE_CPU_SOME,
	PRESSURE_CPU_FULL,
	PRESSURE_MEMORY_SOME,
	PRESSURE_MEMORY_FULL,
	PRESSURE_IO_SOME,
	PRESSURE_IO_FULL,
	PROCESSES,
	THREADS,
	THREADS_MAX,
	FILE_DESCRIPTORS,
	SPEC_CPU_PERIOD, /* microseconds, like the kernel's */
	SPEC_CPU_QUOTA,
	SPEC_CPU_SHARES,
	SPEC_MEMORY_LIMIT,
	SPEC_SWAP_LIMIT,
	SPEC_RESERVATION,
	START_TIME,
	CREATION_TIME,
	LAST_SEEN,
	VALUE_COUNT,
};
_Static_assert(VALUE_COUNT <= 64, "presence is one word");

/* Where values go: an array by enum value, and a bit for each that is set. */
struct value_sink {
	uint64_t *values;
	uint64_t *present;
};

struct key_value {
	const char *key;
	enum value value;
	uint64_t scale; /* of the text's number to the value's unit */
};

/* "KEY NUMBER" lines (memory.stat, cpu.stat, memory.events). `keys` ends in a NULL key. A key may come twice. */
void parse_flat(const char *text, size_t length, const struct key_value *keys, const struct value_sink *sink);
/* One number; "max" and, for cpu.cfs_quota_us, -1 say -ENODATA: no limit. -EINVAL. */
MUST_CHECK int parse_number(const char *text, uint64_t *ret_value);
/* "some avg10=... total=MICROSECONDS" and the same of "full". */
void parse_pressure(const char *text, size_t length, enum value some, enum value full, const struct value_sink *sink);
/* "QUOTA PERIOD" of cpu.max. */
void parse_cpu_max(const char *text, const struct value_sink *sink);
/* cpu.weight to v1's shares, as runtimes translate them. */
uint64_t shares_of_weight(uint64_t weight);

#define IO_COSTS 4

struct io_values {
	uint64_t read_bytes, write_bytes, discard_bytes;
	uint64_t reads, writes, discards;
	uint64_t cost_us[IO_COSTS]; /* usage, wait, indebt, indelay; from the io.cost model, when it is on */
	bool has_cost;
};

/* One line of io.stat "MAJOR:MINOR rbytes=... ..."; takes it out of *text. False at the end. Lines that are not of the
 * form, as of devices without a number, are passed over. */
bool parse_io_stat(const char **text, uint32_t *ret_major, uint32_t *ret_minor, struct io_values *ret_io);
/* One line of v1's blkio.*: "MAJOR:MINOR Read 12"; the sums at the end are passed over. */
bool parse_blkio(const char **text, uint32_t *ret_major, uint32_t *ret_minor, const char **ret_operation,
		 size_t *ret_operation_length, uint64_t *ret_value);

enum network_counter {
	RECEIVE_BYTES,
	RECEIVE_PACKETS,
	RECEIVE_ERRORS,
	RECEIVE_DROPPED,
	TRANSMIT_BYTES,
	TRANSMIT_PACKETS,
	TRANSMIT_ERRORS,
	TRANSMIT_DROPPED,
	NETWORK_COUNTERS,
};

/* One interface of /proc/PID/net/dev; takes it out of *text. False at the end. Heads are passed over. */
bool parse_net_dev(const char **text, char ret_name[16], uint64_t ret_counters[NETWORK_COUNTERS]);
