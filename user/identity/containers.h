/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers by the paths of their cgroups: names, images and pods, out of the state files that runtimes leave on disk.
 * No daemon is asked. A file that is not there yet, or half written, is tried again: soon at first, then once a minute.
 * Bounded; the oldest leave when it is full.
 */
#pragma once

#include "base/cleanup.h"
#include "identity/facts.h"
#include "identity/state_file.h"

struct containers;

/* What is known of one container. Texts are UTF-8, "" when not known. Counted: see container_info_take. */
struct container_info {
	size_t users;
	enum runtime runtime;
	bool sandbox;
	uint32_t init_pid;   /* 0: not known */
	uint64_t created_ns; /* since the epoch; 0: not known */
	const char *name;
	const char *image;
	const char *container; /* in its pod */
	const char *pod;
	const char *name_space;
	const char *service; /* what its processes' service_name is */
	const char *lines;   /* more of its processes' resource: facts_lines */
	char text[];
};

struct containers_config {
	const char *rootfs; /* where the host's "/" is: "/" */
	size_t limit;       /* containers known at the same time */
	uint64_t hash_seed;
};

MUST_CHECK int containers_new(const struct containers_config *config, struct containers **ret_containers);
/* Takes NULL. */
void containers_free(struct containers *containers);

/*
 * The container whose cgroup `path` is or lies in; NULL when it is in none, or nothing is known of it yet. *ret_own is
 * the part of `path` that is the container's own cgroup, "" when there is none; it may be set while the answer is NULL.
 * The info is the table's: take it to keep it beyond the next call.
 */
const struct container_info *containers_find(struct containers *containers, struct slice path, uint64_t now_ns,
					     struct slice *ret_own);
/* Any container of the pod whose own cgroup `path` is, for its pod and name_space; NULL. */
const struct container_info *containers_find_pod(struct containers *containers, struct slice path);
/* What is not known of a container yet is looked for at the next call, whatever time it is: its end is near. */
void containers_hurry(struct containers *containers, struct slice path);
/* The cgroup is gone. */
void containers_forget(struct containers *containers, struct slice path);

/* State files that were refused, by reason. */
uint64_t containers_refused(const struct containers *containers, enum state_refusal refusal);

/* Both take NULL. */
struct container_info *container_info_take(const struct container_info *info);
void container_info_drop(struct container_info *info);
