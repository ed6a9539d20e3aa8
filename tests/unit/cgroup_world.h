/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that a test writes: a root directory with /proc, /sys/fs/cgroup and runtimes' state files below it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "container/container.h"
#include "identity/containers.h"

struct cgroup_world {
	char root[64];
	char procfs[80];
	char sysfs[80];
	struct containers *containers;
	struct container_table *table; /* NULL until world_table */
};

int world_setup(void **state);
int world_teardown(void **state);

/* Writes a file below the root, with the directories above it. */
void world_write(const struct cgroup_world *world, const char *path, const char *text);
void world_write_bytes(const struct cgroup_world *world, const char *path, const void *bytes, size_t length);
void world_mkdir(const struct cgroup_world *world, const char *path);
void world_link(const struct cgroup_world *world, const char *path, const char *target);
/* Removes a file or a whole directory. */
void world_remove(const struct cgroup_world *world, const char *path);

/* A cgroup with what the kernel shows of it: `tree` is "" for v2 alone, else the folder of the hierarchy. */
void world_cgroup(const struct cgroup_world *world, const char *tree, const char *path, unsigned int number);
void world_table(struct cgroup_world *world, size_t limit, const char *const *selected, size_t selected_count);

/* The value of a sample with exactly these labels, written as id="/a",name="b"; NAN when there is none. */
double world_sample(const struct cgroup_world *world, const char *family, const char *labels);
/* Samples of a family; and, in *ret_duplicates, how many have the labels of another one. */
size_t world_count(const struct cgroup_world *world, const char *family, size_t *ret_duplicates);
/* The container's info at a path. */
const struct container_info *world_find(const struct cgroup_world *world, const char *path, uint64_t now_ns);
