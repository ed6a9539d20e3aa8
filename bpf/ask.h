/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space asks of the kernel side while it observes: small programs that it runs itself, attached to nothing.
 * They change maps in its place, because a system call on a map keeps perf's programs from running on its processor
 * meanwhile (bpf_disable_instrumentation), and where it may be preempted, meanwhile is long.
 */
#pragma once

#include "connection.h"
#include "process.h"

/* Is the unix socket at `sock` still the one with `inode`? When it is not, its end is told. */
static __always_inline enum socket_answer on_socket_asked(struct sock *sock, __u64 inode, __u64 conn_id)
{
	struct connection_key key = { .sock = (__u64)sock };
	struct socket *owner = BPF_CORE_READ(sock, sk_socket);
	struct connection_value *connection;

	if (owner && BPF_CORE_READ(owner, file, f_inode, i_ino) == inode)
		return SOCKET_ALIVE;
	connection = bpf_map_lookup_elem(&connections, &key);
	if (!connection || connection->conn_id != conn_id)
		return SOCKET_UNKNOWN;
	unix_close(&key, connection);
	return SOCKET_ENDED;
}

static __always_inline void on_request_asked(__u64 sock, __u64 conn_id, enum request_kind kind, __u32 position)
{
	struct connection_key key = { .sock = sock };
	struct request_value *found = bpf_map_lookup_elem(&requests, &key);
	struct request_value value = { .conn_id = conn_id };

	if (found && found->conn_id == conn_id)
		value = *found;
	switch (kind) {
	case REQUEST_MUTE:
		value.mute = 1;
		break;
	case REQUEST_SKIP_SEND:
		value.skip[FLOW_SEND] = 1;
		value.skip_until[FLOW_SEND] = position;
		break;
	case REQUEST_ENDS_RECEIVE:
	case REQUEST_ENDS_SEND:
		value.ends = 1 + (kind == REQUEST_ENDS_SEND ? FLOW_SEND : FLOW_RECEIVE);
		value.ends_until = position;
		break;
	default:
		value.skip[FLOW_RECEIVE] = 1;
		value.skip_until[FLOW_RECEIVE] = position;
	}
	/* A hint that is not taken costs copying, nothing else. */
	if (!bpf_map_update_elem(&requests, &key, &value, BPF_ANY) && !found)
		__sync_fetch_and_add(&request_count, 1);
	recent_end(recent_slot(sock));
}

/* An executable has been looked up. Processes that the kernel has not met yet get their cgroup's verdict at their first
 * call. */
static __always_inline void on_verdict_asked(__u32 tgid, bool selected)
{
	__u8 *found = bpf_map_lookup_elem(&processes, &tgid);
	__u8 verdict = found ? *found : 0;

	verdict &= ~(VERDICT_EXE | VERDICT_EXE_PENDING);
	verdict_put(tgid, selected ? verdict | VERDICT_EXE : verdict);
}
