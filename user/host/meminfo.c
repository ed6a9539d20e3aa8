/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meminfo: the fields of /proc/meminfo that node_exporter knows; what the kernel tells beyond them (KReclaimable,
 * SecPageTables, FileHugePages...) it leaves out, and so does this. Those with the unit kB become bytes.
 */
#include <errno.h>

#include "host/internal.h"

struct meminfo_state {
	struct host_file file;
};

/* clang-format off */
#define FIELDS(BYTES, PAGES) \
	BYTES("Active", "Active") BYTES("Active(anon)", "Active_anon") BYTES("Active(file)", "Active_file") \
	BYTES("AnonHugePages", "AnonHugePages") BYTES("AnonPages", "AnonPages") BYTES("Bounce", "Bounce") \
	BYTES("Buffers", "Buffers") BYTES("Cached", "Cached") BYTES("CmaFree", "CmaFree") \
	BYTES("CmaTotal", "CmaTotal") BYTES("CommitLimit", "CommitLimit") BYTES("Committed_AS", "Committed_AS") \
	BYTES("DirectMap1G", "DirectMap1G") BYTES("DirectMap2M", "DirectMap2M") \
	BYTES("DirectMap4k", "DirectMap4k") BYTES("Dirty", "Dirty") \
	BYTES("HardwareCorrupted", "HardwareCorrupted") BYTES("Hugepagesize", "Hugepagesize") \
	BYTES("Inactive", "Inactive") BYTES("Inactive(anon)", "Inactive_anon") \
	BYTES("Inactive(file)", "Inactive_file") BYTES("KernelStack", "KernelStack") BYTES("Mapped", "Mapped") \
	BYTES("MemAvailable", "MemAvailable") BYTES("MemFree", "MemFree") BYTES("MemTotal", "MemTotal") \
	BYTES("Mlocked", "Mlocked") BYTES("NFS_Unstable", "NFS_Unstable") BYTES("PageTables", "PageTables") \
	BYTES("Percpu", "Percpu") BYTES("SReclaimable", "SReclaimable") BYTES("SUnreclaim", "SUnreclaim") \
	BYTES("Shmem", "Shmem") BYTES("ShmemHugePages", "ShmemHugePages") \
	BYTES("ShmemPmdMapped", "ShmemPmdMapped") BYTES("Slab", "Slab") BYTES("SwapCached", "SwapCached") \
	BYTES("SwapFree", "SwapFree") BYTES("SwapTotal", "SwapTotal") BYTES("Unevictable", "Unevictable") \
	BYTES("VmallocChunk", "VmallocChunk") BYTES("VmallocTotal", "VmallocTotal") \
	BYTES("VmallocUsed", "VmallocUsed") BYTES("Writeback", "Writeback") BYTES("WritebackTmp", "WritebackTmp") \
	BYTES("Zswap", "Zswap") BYTES("Zswapped", "Zswapped") \
	PAGES("HugePages_Free", "HugePages_Free") PAGES("HugePages_Rsvd", "HugePages_Rsvd") \
	PAGES("HugePages_Surp", "HugePages_Surp") PAGES("HugePages_Total", "HugePages_Total")
#define BYTES_ROW(field, name) \
	{ field, 1, FAMILY("node_memory_" name "_bytes", METRIC_GAUGE, "bytes", "Bytes of " field " in meminfo.") },
#define PAGES_ROW(field, name) \
	{ field, 0, FAMILY("node_memory_" name, METRIC_GAUGE, "", "Pages of " field " in meminfo.") },
/* clang-format on */

static const struct field {
	const char *name;
	bool in_bytes;
	struct metric_family family;
} fields[] = { FIELDS(BYTES_ROW, PAGES_ROW) };

static int start(struct host *host, void *ctx)
{
	(void)host;
	((struct meminfo_state *)ctx)->file.path = "meminfo";
	return 0;
}

static void stop(void *ctx)
{
	host_file_close(&((struct meminfo_state *)ctx)->file);
}

static const struct field *find_field(struct span name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (span_is(name, fields[i].name))
			return &fields[i];
	return NULL;
}

/* `Name:   value kB`, or without a unit. */
static int tell_line(struct host *host, struct span line)
{
	const struct field *field;
	struct span name, unit;
	uint64_t value;

	if (!scan_until(&line, ':', &name) || !scan_u64(&line, &value))
		return -EINVAL;
	field = find_field(name);
	if (!field)
		return 0;
	if (scan_word(&line, &unit)) {
		if (!span_is(unit, "kB"))
			return -EINVAL;
		value *= 1024;
	}
	host_tell(host, &field->family, (double)value);
	return 0;
}

static int update(struct host *host, void *ctx)
{
	struct meminfo_state *state = ctx;
	struct span text, line;
	int error = host_read(host, host->proc_fd, &state->file, &text);

	if (!error && !text.length)
		return -EINVAL;
	while (!error && scan_line(&text, &line))
		error = line.length ? tell_line(host, line) : 0;
	return error;
}

const struct collector host_meminfo = {
	.state_size = sizeof(struct meminfo_state),
	.start = start,
	.update = update,
	.stop = stop,
};
