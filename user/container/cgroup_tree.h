/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchy of cgroups in the file system: where it is mounted, which directory has which id.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define CGROUP_PATH_MAX 4096

/* Where the hierarchy of a v1 controller, or with "" the v2 tree, is mounted. `mounts` is a file like
 * /proc/self/mounts. -ENOENT when nowhere, -ENAMETOOLONG. */
MUST_CHECK int cgroup_tree_find(const char *mounts, const char *controller, char *ret_mount, size_t size);

/* Every cgroup with its path below the mount ("/" the root): those above come first. Not deeper than 64, not more than
 * `limit`; returns how many. What vanishes on the way is left out. */
size_t cgroup_tree_walk(const char *mount, size_t limit, void (*visit)(void *ctx, uint64_t id, const char *path),
			void *ctx);

/* Is there still a cgroup of this path and id? */
bool cgroup_tree_has(const char *mount, const char *path, uint64_t id);
