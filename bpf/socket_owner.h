/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose a socket is. On v2 the kernel keeps the cgroup of its maker in it. A v1 cgroup it does not keep, so it is kept
 * here, in the socket's storage: that of the thread which lets it connect or listen. An accepted socket is a copy of
 * its listener's, storage included; of those that were there before, the owner is the first process that has it open.
 * Sockets that none of this has reached have no owner, which is counted, and the next look at open files asks again.
 *
 * Considered: a map by the socket's address. What an accepted socket was copied from is not told, and it has a size.
 */
#pragma once

#include "usage_maps.h"

/* Until 5.14 one word: a pointer, or with bit 0 a class of net_cls or net_prio; bit 1 says that it is not counted
 * (8520e224f547 made it a pointer). COMPAT(kernel 5.14) */
struct sock_cgroup_data___until_5_14 {
	u64 val;
} __attribute__((preserve_access_index));

struct sock_cgroup_data___since_5_15 {
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

/* On v1 alone. Tracing programs may use it since 5.11 (8e4597c627fb). */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u64); /* the cgroup's id */
} socket_owners SEC(".maps");

static __always_inline __u64 sock_unified_id(const struct sock *sock)
{
	struct cgroup *cgroup = NULL;
	const void *data = &sock->sk_cgrp_data;

	if (bpf_core_field_exists(((struct sock_cgroup_data___until_5_14 *)0)->val)) {
		__u64 word = BPF_CORE_READ((struct sock_cgroup_data___until_5_14 *)data, val);

		cgroup = word & 1 ? NULL : (struct cgroup *)(word & ~3ULL);
	} else {
		cgroup = BPF_CORE_READ((struct sock_cgroup_data___since_5_15 *)data, cgroup);
	}
	return cgroup ? BPF_CORE_READ(cgroup, kn, id) : 1; /* the root's id */
}

/* The cgroup's id; 0: nobody's. On v1 the verifier must know the pointer to be a socket's. */
static __always_inline __u64 sock_cgroup_id(const struct sock *sock)
{
	__u64 *owner;

	if (hierarchy < 0)
		return sock_unified_id(sock);
	owner = bpf_sk_storage_get(&socket_owners, (void *)sock, NULL, 0);
	return owner ? *owner : 0;
}

static __always_inline void sock_give(const struct sock *sock, __u64 cgroup)
{
	__u64 *owner;

	if (!bpf_map_lookup_elem(&event_usages, &cgroup)) { /* not selected */
		bpf_sk_storage_delete(&socket_owners, (void *)sock);
		return;
	}
	owner = bpf_sk_storage_get(&socket_owners, (void *)sock, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		*owner = cgroup;
	else
		count_loss(USAGE_LOST_SOCKET);
}

/* The current thread lets it connect or listen. */
static __always_inline void sock_claim(const struct sock *sock)
{
	if (hierarchy >= 0)
		sock_give(sock, task_cgroup_id_read((struct task_struct *)bpf_get_current_task()));
}

/* A process has it open. */
static __always_inline void sock_found(const struct sock *sock, struct task_struct *task)
{
	if (hierarchy >= 0 && !sock_cgroup_id(sock))
		sock_give(sock, task_cgroup_id_read(task));
}

/* The socket of an open file; NULL when it is none. */
static __always_inline const struct sock *sock_of_file(struct file *file)
{
	struct socket *socket;

	if (hierarchy < 0) {
		if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
			return NULL;
		socket = BPF_CORE_READ(file, private_data);
		return BPF_CORE_READ(socket, sk);
	}
	socket = bpf_sock_from_file(file); /* since 5.11 */
	return socket ? socket->sk : NULL;
}
