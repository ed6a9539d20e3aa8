/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup of our own, processes in it that say what the kernel's files tell of them, and the usage programs that are
 * to count the same. Selected by the cgroup: nothing else on the machine is observed.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "load/usage.h"

#define NS_PER_MS 1000000ULL

/* What /proc tells of a process: /proc/self/schedstat and getrusage. */
struct witness {
	uint64_t run_ns, wait_ns, runs, involuntary;
};

struct world {
	char directory[300];
	char accounting[300]; /* the same group where CPU time is accounted: "" when that is `directory` itself */
	char *selected[1];
	uint64_t id;
	struct config config;
	struct usage *usage;
};

static inline uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static inline bool in_test_vm(void)
{
	return getenv("IN_TEST_VM") != NULL;
}

/* Where a v1 controller is mounted, else the v2 tree. */
static inline void find_hierarchy(const char *controller, char *ret_directory, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	ret_directory[0] = '\0';
	assert_non_null(mounts);
	while ((entry = getmntent(mounts))) {
		if (!strcmp(entry->mnt_type, "cgroup2") && !ret_directory[0])
			snprintf(ret_directory, size, "%s", entry->mnt_dir);
		if (!strcmp(entry->mnt_type, "cgroup") && hasmntopt(entry, controller))
			snprintf(ret_directory, size, "%s", entry->mnt_dir);
	}
	endmntent(mounts);
	assert_true(ret_directory[0]);
}

static inline void enter_cgroup(const char *directory)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(101);
	close(fd);
}

static inline void enter_world(const struct world *world)
{
	enter_cgroup(world->directory);
	if (world->accounting[0])
		enter_cgroup(world->accounting);
}

/* CPU time by the cgroup's own account: cpu.stat of v2, cpuacct.usage of v1. */
static inline uint64_t accounted_ns(const struct world *world)
{
	const char *directory = world->accounting[0] ? world->accounting : world->directory;
	unsigned long long value = 0;
	char path[400], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cpuacct.usage", directory);
	file = fopen(path, "re");
	if (file) {
		assert_int_equal(fscanf(file, "%llu", &value), 1);
		fclose(file);
		return value;
	}
	snprintf(path, sizeof(path), "%s/cpu.stat", directory);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "usage_usec %llu", &value) != 1)
		;
	fclose(file);
	return value * 1000;
}

static inline struct witness read_witness(void)
{
	struct witness witness = { 0 };
	struct rusage usage;
	FILE *file = fopen("/proc/self/schedstat", "re");
	unsigned long long run, wait, runs;

	if (!file || fscanf(file, "%llu %llu %llu", &run, &wait, &runs) != 3 || getrusage(RUSAGE_SELF, &usage))
		_exit(102);
	fclose(file);
	witness.run_ns = run;
	witness.wait_ns = wait;
	witness.runs = runs;
	witness.involuntary = (uint64_t)usage.ru_nivcsw;
	return witness;
}

/* The kernel lets a cgroup go when its last dead process is reaped. */
static inline void remove_cgroup(const char *directory)
{
	for (int i = 0; i < 500 && rmdir(directory) && errno == EBUSY; i++)
		usleep(2000);
}

static inline void world_close(struct world *world)
{
	usage_free(world->usage);
	remove_cgroup(world->directory);
	if (world->accounting[0])
		remove_cgroup(world->accounting);
}

static inline void world_open(struct world *world)
{
	struct capture_error error = { "" };
	char hierarchy[200], other[200];
	struct stat status;

	memset(world, 0, sizeof(*world));
	find_hierarchy("cpu", hierarchy, sizeof(hierarchy));
	find_hierarchy("cpuacct", other, sizeof(other));
	snprintf(world->directory, sizeof(world->directory), "%s/sonde-usage-%d", hierarchy, (int)getpid());
	assert_int_equal(mkdir(world->directory, 0755), 0);
	snprintf(world->accounting, sizeof(world->accounting), "%s/sonde-usage-%d", other, (int)getpid());
	if (mkdir(world->accounting, 0755))
		world->accounting[0] = '\0'; /* there already: mounted together */
	assert_int_equal(stat(world->directory, &status), 0);
	world->id = status.st_ino;
	world->selected[0] = world->directory;
	world->config.select_cgroups.items = world->selected;
	world->config.select_cgroups.count = 1;
	world->config.usage_scheduler = world->config.usage_memory = true;
	world->config.usage_block = world->config.usage_tcp = true;
	if (usage_new(&world->config, &world->usage, &error)) {
		world_close(world);
		fail_msg("%s", error.text);
	}
}
