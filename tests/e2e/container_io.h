/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of container_truth.c: known bytes past the page cache, and how long the requests took. The witnesses are the
 * program, which knows what it asked for, and the kernel's account of the disk.
 */
#pragma once

#include "container_lab.h"

#include <sys/sysmacros.h>

#define IO_FILE "/var/tmp/sonde-truth"

/* The kernel's account of a disk: requests, and milliseconds that they took. */
struct disk {
	double reads, read_ms, writes, write_ms;
};

static const char *io_disk(void)
{
	return getenv("TRUTH_DISK"); /* in a VM a whole disk, without a filesystem */
}

static bool disk_number(dev_t *ret_device)
{
	const char *name = io_disk();
	struct stat info;

	if (stat(name ? name : "/var/tmp", &info))
		return false;
	*ret_device = name ? info.st_rdev : info.st_dev;
	return true;
}

static bool disk_read(struct disk *ret_disk)
{
	char path[PATH_SIZE];
	FILE *stream;
	dev_t device;
	int got;

	if (!disk_number(&device))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(device), minor(device));
	stream = fopen(path, "re");
	if (!stream)
		return false;
	got = fscanf(stream, "%lf %*f %*f %lf %lf %*f %*f %lf", &ret_disk->reads, &ret_disk->read_ms, &ret_disk->writes,
		     &ret_disk->write_ms);
	fclose(stream);
	return got == 4;
}

/* 8 MiB written and 4 MiB of them read, past the page cache. */
static void write_and_stop(void)
{
	const char *disk = io_disk();
	int fd = disk ? open(disk, O_RDWR | O_DIRECT | O_CLOEXEC) :
			open(IO_FILE, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	void *block = NULL;

	if (fd < 0 || posix_memalign(&block, 4096, MIB))
		_exit(1);
	memset(block, 1, MIB);
	for (int i = 0; i < 8; i++)
		if (write(fd, block, MIB) != MIB)
			_exit(1);
	for (int i = 0; i < 4; i++)
		if (pread(fd, block, MIB, (off_t)i * MIB) != MIB)
			_exit(1);
	unlink(IO_FILE);
	raise(SIGSTOP);
}

/* v1 counts where a throttle is configured alone (6.1 and 6.18 do): one that holds nobody back. */
static void let_v1_count(const struct lab *lab)
{
	char text[64];
	dev_t device;

	if (lab->unified || !disk_number(&device) || !major(device))
		return;
	snprintf(text, sizeof(text), "%u:%u 1099511627776", major(device), minor(device));
	set_group(lab, "io", "blkio", "blkio.throttle.write_bps_device", text);
	set_group(lab, "io", "blkio", "blkio.throttle.read_bps_device", text);
}

static double requests(const struct lab *lab, const char *what, const char *operation)
{
	char family[64], label[32];

	snprintf(family, sizeof(family), "container_blkio_latency_seconds_%s", what);
	snprintf(label, sizeof(label), "operation=\"%s\"", operation);
	return sample(lab, family, "io", label);
}

/* Others may use the disk, but in a VM: so the disk's account is the most that there can be, and there it is exact. */
static void report_requests(struct lab *lab, const struct disk *before, const struct disk *after)
{
	double reads = requests(lab, "count", "Read"), writes = requests(lab, "count", "Write");
	double read_ms = requests(lab, "sum", "Read") * 1000, write_ms = requests(lab, "sum", "Write") * 1000;
	double most_reads = after->reads - before->reads, most_writes = after->writes - before->writes;
	bool own = io_disk();

	report(lab, "how long block requests took",
	       reads >= 4 && writes >= 8 && reads <= most_reads && writes <= most_writes &&
		       (!own || (reads == most_reads && writes == most_writes)) && read_ms > 0 && write_ms > 0 &&
		       read_ms <= after->read_ms - before->read_ms + 1 &&
		       write_ms <= after->write_ms - before->write_ms + 1 &&
		       (!own || (read_ms >= after->read_ms - before->read_ms - 1 &&
				 write_ms >= after->write_ms - before->write_ms - 1)),
	       "the disk did %.0f writes in %.0f ms, %.0f reads in %.0f ms; sonde: %.0f in %.1f, %.0f in %.1f",
	       most_writes, after->write_ms - before->write_ms, most_reads, after->read_ms - before->read_ms, writes,
	       write_ms, reads, read_ms);
}

static void case_io(struct lab *lab)
{
	double written, got, writes, reads;
	struct disk before, after;
	bool known;
	pid_t child;

	make_group(lab, "io");
	let_v1_count(lab);
	known = disk_read(&before);
	child = start(lab, "io", write_and_stop);
	if (!stopped(child)) {
		skip(lab, "known bytes past the page cache", "no disk that takes O_DIRECT here");
		remove_group(lab, "io");
		return;
	}
	known = known && disk_read(&after);
	scrape(lab);
	if (known)
		report_requests(lab, &before, &after);
	else
		skip(lab, "how long block requests took", "no disk here");
	if (!group_has_devices(lab, "io")) {
		skip(lab, "known bytes past the page cache", "the kernel counts none in this tree");
		end(child);
		remove_group(lab, "io");
		return;
	}
	written = sample(lab, "container_fs_writes_bytes_total", "io", "");
	got = sample(lab, "container_fs_reads_bytes_total", "io", "");
	writes = sample(lab, "container_fs_writes_total", "io", "");
	reads = sample(lab, "container_fs_reads_total", "io", "");
	/* What the program itself is read from comes on top. */
	report(lab, "known bytes past the page cache",
	       written >= 8 * MIB && written < 9 * MIB && got >= 4 * MIB && got < 5 * MIB && writes >= 8 && reads >= 4,
	       "8 MiB were written, 4 MiB read; sonde: %.0f in %.0f requests, %.0f in %.0f", written, writes, got,
	       reads);
	end(child);
	remove_group(lab, "io");
}
