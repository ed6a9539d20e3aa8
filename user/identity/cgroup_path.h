/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup's path to what made it: the container that it belongs to, as far as runtimes write that into the path. Pure;
 * what the path does not tell (name, image, pod) is in state files: identity/containers.h.
 *
 *   /system.slice/docker-<64 hex>.scope, /docker/<64 hex>                         Docker
 *   /kubepods.slice/[...]/kubepods-[qos-]pod<uid>.slice/cri-containerd-<hex>.scope  containerd, of Kubernetes
 *   /kubepods/[qos/]pod<uid>/<64 hex>                                               whichever runtime knows the id
 *   .../crio-<hex>.scope, .../crio-<hex>                                            CRI-O
 *   /machine.slice/libpod-<hex>.scope[/container], /libpod_parent/libpod-<hex>      Podman
 *   /<namespace>/<id>, .../nerdctl-<hex>.scope                                      containerd
 *   /<id>, .../runc-<id>.scope                                                      runc
 *   /lxc.payload.<name>, /lxc/<name>                                                LXC
 *   /machine.slice/systemd-nspawn@<name>.service, machine-<name>.scope              systemd-machined
 */
#pragma once

#include "identity/slice.h"

enum runtime {
	RUNTIME_UNKNOWN, /* the id is one; which runtime's, its state files tell */
	RUNTIME_DOCKER,
	RUNTIME_CONTAINERD,
	RUNTIME_CRIO,
	RUNTIME_PODMAN,
	RUNTIME_RUNC,
	RUNTIME_LXC,
	RUNTIME_MACHINE,
	RUNTIME_COUNT,
};

struct cgroup_container {
	enum runtime runtime;
	bool sure;          /* false: only a state file that names this path makes it a container */
	struct slice path;  /* of the container's own cgroup: the given path, or the beginning of it */
	struct slice id;    /* as in the path: a machine's name is still escaped */
	struct slice above; /* the component above: containerd's namespace; "" */
};

/* The innermost container of `path`; false when the path tells none. */
bool cgroup_path_container(struct slice path, struct cgroup_container *ret_container);
/* When nothing is sure: the component at `depth` from the end (0: the last) as a container that a state file may
 * confirm. False when there is no such component, or one that is systemd's own. */
bool cgroup_path_candidate(struct slice path, unsigned int depth, struct cgroup_container *ret_container);

/* The uid of the pod whose own cgroup this is, "" for every other: "kubepods-besteffort-pod<uid>.slice", "pod<uid>". */
struct slice cgroup_path_pod(struct slice path);

/* True for a container's id as all of today's engines draw it: 64 hexadecimal digits. */
bool is_container_id(struct slice text);
