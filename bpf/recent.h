/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the hash maps answered last: a lookup costs some thirty nanoseconds, and a server asks for the same process and
 * the same few connections again and again. Each processor remembers for itself, so nothing here is shared but the
 * generations: whoever changes what a map says changes the generation after it, and what was remembered under an older
 * one is not believed. A generation is read before the map is.
 *
 * Remembered are verdicts, and TCP connections that are observed and announced and of which user space asks nothing: a
 * unix connection's positions are in the map's own value, which is needed in any case.
 */
#pragma once

#include "maps.h"

/* Of all verdicts. User space changes it too. */
__u64 verdict_generation = 0;
/* Of the connections whose sockets share a slot: one of them has ended, or user space asks something of it. */
__u32 ended_generations[RECENT_SLOTS] = {};

static __always_inline void verdicts_changed(void)
{
	__sync_fetch_and_add(&verdict_generation, 1);
}

/* Addresses of sockets differ in the middle: multiplied by 2^64 divided by the golden ratio, they differ at the top. */
static __always_inline __u32 recent_slot(__u64 sock)
{
	return sock * 0x9e3779b97f4a7c15ULL >> 56 & (RECENT_SLOTS - 1);
}

static __always_inline void recent_end(__u32 slot)
{
	__sync_fetch_and_add(&ended_generations[slot & (RECENT_SLOTS - 1)], 1);
}

/* Is the socket another one than that of which these ports were remembered? Its end has not been told then: a kernel
 * does not run a program everywhere (docs/KERNELS.md). The local port is 0 once TCP_CLOSE was reached. */
static __always_inline bool tcp_ports_differ(__u32 known, struct sock *sock)
{
	__u32 ports = kernel_read(sock, __sk_common.skc_portpair);

	return (__u16)(known ^ ports) || (ports >> 16 && known >> 16 != ports >> 16);
}

/* 0 when it is not remembered. */
static __always_inline __u64 recent_find(struct recent *recent, __u64 sock)
{
	__u32 slot = recent_slot(sock);
	struct recent_connection *found = &recent->connections[slot];

	if (found->sock != sock || found->generation != ended_generations[slot] ||
	    tcp_ports_differ(found->ports, (struct sock *)sock))
		return 0;
	return found->conn_id;
}

static __always_inline void recent_put(struct recent *recent, __u64 sock, const struct connection_value *connection,
				       __u32 generation)
{
	struct recent_connection *slot = &recent->connections[recent_slot(sock)];

	if (slot->conn_id != connection->conn_id)
		slot->shape = (struct head_shape){ .wait = 1 };
	slot->sock = sock;
	slot->conn_id = connection->conn_id;
	slot->ports = connection->tcp_ports;
	slot->generation = generation;
}

/* How much is waiting in the ring, about: asked for anew when this processor has added ring_look_bytes, and always
 * while user space is to be woken. */
static __always_inline __u64 recent_waiting(struct recent *recent, __u32 adding)
{
	recent->added += adding;
	if (recent->added >= ring_look_bytes || recent->waiting >= ring_wakeup_bytes) {
		recent->added = 0;
		recent->waiting = ring_waiting();
	}
	return recent->waiting;
}
