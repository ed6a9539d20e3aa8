/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the usage table share. For container/usage*.c only.
 */
#pragma once

#include "base/hash_table.h"
#include "container/cgroup_tree.h"
#include "container/usage.h"

/* What a container or service has used, all its cgroups together. */
struct usage_sums {
	struct usage_cpu cpu;
};

struct usage_owner {
	struct hash_node node;
	char *path;                /* owned; the `id` label */
	struct usage_sums retired; /* of cgroups that are gone */
	struct usage_sums now;     /* at the last refresh: those that are there, and the retired ones */
	size_t cgroups;            /* that are there, or not yet retired */
	uint64_t gone_ns;          /* when the last one was retired; 0 */
};

/* A cgroup that has a record in the kernel. */
struct usage_cgroup {
	struct hash_node node;
	uint64_t id;
	char *path;                /* owned; NULL: gone before its name was seen */
	struct usage_owner *owner; /* NULL until it is resolved */
	struct usage_sums sums;
	uint64_t gone_ns; /* when the directory was first missed; 0 */
};

struct usage_table {
	struct usage_table_config config;
	char mount[CGROUP_PATH_MAX];
	struct hash_table cgroups; /* of usage_cgroup, by id */
	struct hash_table owners;  /* of usage_owner, by path */
	uint64_t now_ns;           /* of the refresh at hand */
	size_t unresolved;         /* cgroups without an owner */
	uint64_t unnamed;          /* cgroups that were gone before their name was seen */
	uint64_t refused;          /* records that found no room in the table, each time */
};
