/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of cgroups: what each one is (a container, a pod, a systemd unit, a slice), under which labels its figures
 * appear, and what cAdvisor's families say of it. Reads cgroup files when scraped; births and deaths come from the
 * kernel side (load/cgroups.h) or, where that does not load, from a look at the tree. Nobody is asked: names come from
 * identity, which knows the runtimes' state files.
 *
 * A cgroup that is gone keeps its record, with the values last read, for `keep_gone_ns`, so that the next scrape tells
 * them. Bounded: at most `limit` records; what finds no room is counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/cgroup.h"
#include "model/snapshot.h"

struct container_table;

/* Where a cgroup's id is from: each v1 hierarchy numbers its own cgroups. On a host with v2 alone all but
 * CGROUP_UNIFIED lead to the v2 tree as well; where controllers are mounted together they share ids. */
enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_MEMORY,
	CGROUP_IO,
	CGROUP_PIDS,
	CGROUP_UNIFIED, /* the v2 tree, empty or not */
	CGROUP_CONTROLLER_COUNT,
};

/* One cgroup path, in all hierarchies that have it. Borrowed: valid until the table is changed (container_on_*,
 * container_refresh). */
struct container {
	uint32_t slot;    /* below container_limit(): an index for arrays of one's own */
	const char *path; /* as /proc/PID/cgroup tells it: "/system.slice/nginx.service"; "/" the root */
	const struct metric_label *labels; /* id, name, image, container, pod, namespace; those that apply */
	size_t label_count;
	const struct container *parent; /* the nearest cgroup above that is in the table; NULL for the uppermost */
	bool gone;
};

#define CONTAINER_LABELS_MAX 6

struct containers;

struct container_config {
	const char *procfs; /* "/proc" */
	const char *sysfs;  /* "/sys" */
	size_t limit;
	uint64_t keep_gone_ns;
	uint64_t hash_seed;
	const char *const *selected; /* directories of cgroups; only they and what is below them is told; none: all */
	size_t selected_count;
	struct containers *containers; /* borrowed */
};

/* -ENOENT when no cgroups are mounted. */
MUST_CHECK int container_table_new(const struct container_config *config, struct container_table **ret_table);
/* Takes NULL. */
void container_table_free(struct container_table *table);
/* Reads everything that a walk of the source tells. `now_ns` is CLOCK_MONOTONIC, `realtime_ns` since the epoch. */
void container_refresh(struct container_table *table, uint64_t now_ns, uint64_t realtime_ns);
/* Names the newly born, lets the long gone go. Cheap: for every few milliseconds. */
void container_tick(struct container_table *table, uint64_t now_ns);
/* Whether births and deaths are told (container_on_life); else the trees are looked through every ten seconds. */
void container_watched(struct container_table *table, bool watched);
/* `realtime_ns`: of the event. */
void container_on_life(struct container_table *table, const struct cgroup_life *life, uint64_t realtime_ns);
/* So many events, in all, were lost: the trees are looked through. */
void container_on_loss(struct container_table *table, uint64_t lost);
/* True while cgroups are so young that their names may still come: then container_tick is worth every ten milliseconds.
 */
bool container_young(const struct container_table *table, uint64_t now_ns);
/* The families, as container_refresh has read them. */
struct snapshot_source container_source(struct container_table *table);

/* `cgroup_id`: the kernel's (kernfs node id, inode number of the directory). NULL when not in the table. */
const struct container *container_find(const struct container_table *table, enum cgroup_controller controller,
				       uint64_t cgroup_id);
/* Is `controller`'s hierarchy the v2 tree? */
bool container_is_unified(const struct container_table *table, enum cgroup_controller controller);
/* Slots are below this. */
size_t container_limit(const struct container_table *table);
/* Every record, those of gone cgroups too, uppermost not necessarily first. */
void container_each(const struct container_table *table, void (*visit)(void *ctx, const struct container *container),
		    void *ctx);
