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
	struct usage_events events;
};

/* Figures of an owner that are told apart by more than its labels: those of `key`, added up over its cgroups. */
struct usage_series {
	struct usage_series *next;
	struct usage_detail retired;
	struct usage_detail now;
};

struct usage_owner {
	struct hash_node node;
	char *path;                  /* owned */
	char *id;                    /* owned; the path as a label */
	struct usage_sums retired;   /* of cgroups that are gone */
	struct usage_sums now;       /* at the last refresh: those that are there, and the retired ones */
	struct usage_series *series; /* owned; as many as there are devices, operations and victims */
	uint64_t cgroup;             /* one of its cgroups: the way to the labels */
	enum cgroup_controller of;   /* whose id that is */
	size_t cgroups;              /* that are there, or not yet retired */
	uint64_t gone_ns;            /* when the last one was retired; 0 */
};

/* A cgroup that has a record in the kernel. */
struct usage_cgroup {
	struct hash_node node;
	uint64_t id;
	char *path;                /* owned; NULL: gone before its name was seen */
	struct usage_owner *owner; /* NULL until it is resolved */
	struct usage_tree *tree;
	struct usage_sums sums;
	bool asked;       /* the kernel side, for its path */
	uint64_t gone_ns; /* when the directory was first missed; 0 */
};

/* A hierarchy whose cgroups have records in the kernel. */
struct usage_tree {
	char mount[CGROUP_PATH_MAX]; /* "" when there is none */
	enum cgroup_controller controller;
	struct hash_table cgroups; /* of usage_cgroup, by id */
	size_t unresolved;         /* cgroups without an owner */
};

struct usage_table {
	struct usage_table_config config;
	struct usage_tree tree;
	struct usage_tree blocks; /* of the v1 block controller, when that is another one */
	struct hash_table owners; /* of usage_owner, by path */
	uint64_t now_ns;          /* of the refresh at hand */
	uint64_t unnamed;         /* cgroups that were gone before their name was seen */
	uint64_t made_room;       /* owners that are gone and left before their time */
	uint64_t refused;         /* records that found no room in the table, each time */
};

/* The one that has a detail; NULL when there is none. */
struct usage_cgroup *usage_cgroup_of(const struct usage_table *table, const struct usage_detail *detail);

/* --- usage_sums.c */
void usage_sums_add(struct usage_sums *sum, const struct usage_sums *more);
/* Reads the kernel side's details anew, each to the series of its cgroup's owner. */
void usage_series_refresh(struct usage_table *table);
/* Keeps the details of a cgroup that is gone with its owner. */
void usage_series_retire(struct usage_table *table, const struct usage_cgroup *cgroup);
/* The whole list. Takes NULL. */
void usage_series_free(struct usage_series *series);

/* --- usage_device.c: "/dev/sda"; "8:0" when sysfs does not know it */
void usage_device_name(const char *sysfs, uint32_t major, uint32_t minor, char *ret_name, size_t size);
