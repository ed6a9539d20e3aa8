/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole collectors over one file of the host: the first byte picks the file, the rest is its content. Nothing may
 * crash, hang, read past the end, or be told under a name or label that no exposition may hold.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct {
	const char *path, *collector;
} files[] = {
	{ "spl/kstat/zfs/arcstats", "zfs" },
	{ "spl/kstat/zfs/tank/objset-1", "zfs" },
	{ "spl/kstat/zfs/tank/io", "zfs" },
	{ "fs/xfs/sda/stats/stats", "xfs" },
	{ "net/rpc/nfs", "nfs" },
	{ "net/rpc/nfsd", "nfsd" },
	{ "net/ip_vs", "ipvs" },
	{ "net/ip_vs_stats", "ipvs" },
	{ "class/infiniband/a/ports/1/rate", "infiniband" },
	{ "fs/bcache/a-b/bdev0/writeback_rate_debug", "bcache" },
	{ "fs/bcache/a-b/btree_cache_size", "bcache" },
	{ "fs/btrfs/a-b/commit_stats", "btrfs" },
	{ "class/fc_host/host0/statistics/rx_frames", "fibrechannel" },
	{ "vmstat", "vmstat" },
	{ "net/netstat", "netstat" },
	{ "net/snmp6", "netstat" },
	{ "meminfo", "meminfo" },
	{ "diskstats", "diskstats" },
	{ "interrupts", "interrupts" },
	{ "net/sockstat", "sockstat" },
	{ "1/mountinfo", "filesystem" },
};

/* What a scrape needs beside the file at hand. */
static const char *const others[][2] = {
	{ "net/ip_vs_stats", "a\nb\n1 2 3 4 5\n" },
	{ "net/ip_vs", "" },
	{ "net/netstat", "" },
	{ "net/snmp", "" },
	{ "class/infiniband/a/ports/1/state", "4: A\n" },
	{ "class/infiniband/a/ports/1/phys_state", "5: A\n" },
	{ "fs/btrfs/a-b/devices/sda/size", "1\n" },
	{ "fs/btrfs/a-b/allocation/data/single/used_bytes", "1\n" },
	{ "fs/btrfs/a-b/allocation/metadata/flags", "1\n" },
	{ "fs/btrfs/a-b/allocation/system/flags", "1\n" },
};

static char folder[] = "/tmp/sonde-fuzz-XXXXXX";
static struct config config;
static struct host *host;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	char full[256];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	for (char *slash = strchr(full + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(full, 0700);
		*slash = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info;
	(void)kind;
	(void)walk;
	return remove(path);
}

static void remove_all(void)
{
	host_free(host);
	config_free(&config);
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void ignore(void *ctx, enum host_collector collector, int error, const char *what)
{
	(void)ctx;
	(void)collector;
	check(error < 0 && strlen(what) < 4096);
}

static void set_up(void)
{
	char flags[3][64], error[CONFIG_ERROR_SIZE];
	char *arguments[] = { flags[0], flags[1], flags[2] };
	const struct host_config host_config = { .config = &config, .version = "1", .revision = "2", .failed = ignore };

	check(mkdtemp(folder) != NULL);
	snprintf(flags[0], sizeof(flags[0]), "--path.procfs=%s", folder);
	snprintf(flags[1], sizeof(flags[1]), "--path.sysfs=%s", folder);
	snprintf(flags[2], sizeof(flags[2]), "--collector.interrupts");
	check(!config_load(3, arguments, NULL, &config, error, sizeof(error)));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		write_file(others[i][0], others[i][1], strlen(others[i][1]));
	check(!host_new(&host_config, &host));
	atexit(remove_all);
}

static bool is_name(const char *text, bool colons)
{
	if (!*text || (*text >= '0' && *text <= '9'))
		return false;
	for (; *text; text++)
		if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
		      (*text >= '0' && *text <= '9') || *text == '_' || (colons && *text == ':')))
			return false;
	return true;
}

static void family_begin(void *ctx, const struct metric_family *family)
{
	(void)ctx;
	check(is_name(family->name, true));
}

static void sample(void *ctx, const struct metric_label *labels, size_t count, double value)
{
	(void)ctx;
	(void)value;
	for (size_t i = 0; i < count; i++)
		check(is_name(labels[i].name, false) && strlen(labels[i].value) < ((size_t)1 << 20));
}

static void family_end(void *ctx)
{
	(void)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct metric_visitor visitor = { .family_begin = family_begin,
						.sample = sample,
						.family_end = family_end };
	struct snapshot_filter filter = { .count = 1 };
	struct snapshot_source source;
	const char *name;
	size_t at;

	if (!size)
		return 0;
	if (!host)
		set_up();
	at = *bytes % (sizeof(files) / sizeof(files[0]));
	write_file(files[at].path, bytes + 1, size - 1);
	filter.names[0] = files[at].collector;
	check(!host_collect(host, &filter, &name));
	source = host_source(host);
	source.visit(source.ctx, &visitor);
	/* What others need is as it was for the next one. */
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(files[at].path, others[i][0]))
			write_file(others[i][0], others[i][1], strlen(others[i][1]));
	return 0;
}
