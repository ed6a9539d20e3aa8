/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Births and deaths of cgroups from the kernel side: loads and attaches bpf/cgroup.bpf.c, drains its ring. Independent
 * of the capture of connections: where one does not load the other may.
 */
#pragma once

#include "base/cleanup.h"
#include "model/cgroup.h"

struct cgroup_watch;

/* `told` is called from cgroup_watch_drain only. */
MUST_CHECK int cgroup_watch_new(void (*told)(void *ctx, const struct cgroup_life *life), void *ctx,
				struct cgroup_watch **ret_watch);
/* Takes NULL. */
void cgroup_watch_free(struct cgroup_watch *watch);
/* Becomes readable with the first event. */
int cgroup_watch_fd(const struct cgroup_watch *watch);
void cgroup_watch_drain(struct cgroup_watch *watch);
/* Events that found no room in the ring. */
uint64_t cgroup_watch_lost(const struct cgroup_watch *watch);
