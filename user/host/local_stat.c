/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not only the filesystem itself must not hang, the way to it must not either: /mnt/gone/data may be ext4 below an NFS
 * that is gone. RESOLVE_CACHED (Linux 5.12, fs/namei.c) goes the way by what the kernel has in memory or not at all;
 * the names of mount points and of what is above them are always there. That what is found is not another filesystem,
 * mounted over it since, is seen by its device, without asking it (AT_STATX_DONT_SYNC).
 */
#include "host/local_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/internal.h"

#define ANSWERS_MAX ((size_t)1 << 20)

/* ext4_statfs sums counters of each processor, shmem_statfs and simple_statfs read a few numbers. Not here: xfs (waits
 * for work on inodes), btrfs (waits for transactions), vfat (may read the whole FAT). */
bool local_stat_knows(const char *type)
{
	static const char *const types[] = { "ext4", "tmpfs", "ext3", "ext2", "ramfs" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

static bool is_device(int fd, const char *major, const char *minor)
{
	uint64_t numbers[2];
	struct statx info;

	return !span_u64(span_of(major), &numbers[0]) && !span_u64(span_of(minor), &numbers[1]) &&
	       !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &info) &&
	       info.stx_dev_major == numbers[0] && info.stx_dev_minor == numbers[1];
}

int local_stat_ask(struct local_stats *stats, const char *path, const char *major, const char *minor, size_t *ret_index)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED };
	CLEANUP_FD int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat_answer answer = { .state = STAT_DONE };

	if (fd < 0 || !is_device(fd, major, minor))
		return -EAGAIN;
	answer.error = fstatfs(fd, &answer.info) ? -errno : 0;
	if (stats->count == stats->capacity) {
		struct stat_answer *grown = host_grow(stats->answers, &stats->capacity, sizeof(answer), ANSWERS_MAX);

		if (!grown)
			return -ENOMEM;
		stats->answers = grown;
	}
	stats->answers[stats->count] = answer;
	*ret_index = stats->count++;
	return 0;
}

void local_stats_done(struct local_stats *stats)
{
	free(stats->answers);
	*stats = (struct local_stats){ 0 };
}
