/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP as each cgroup suffers it: connections that take long or fail, segments sent again, resets, listening sockets
 * that drop, round-trip times and bytes of connections. socket_owner.h says whose a socket is.
 */
#pragma once

#include "socket_owner.h"

#define PROTOCOL_TCP 6
#define ERROR_NETUNREACH 101
#define ERROR_CONNREFUSED 111
#define ERROR_HOSTUNREACH 113

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64); /* address of the socket */
	__type(value, struct connecting);
} connects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64); /* address of the socket */
	__type(value, struct listening);
} listeners SEC(".maps");

/* NULL is as for events_of; a socket without an owner is counted as lost. */
static __always_inline struct event_usage *events_of_owner(const struct sock *sock)
{
	__u64 cgroup = sock_cgroup_id(sock);

	if (hierarchy < 0 || cgroup)
		return events_of(cgroup);
	if (!selected_cgroup_count)
		count_loss(USAGE_LOST_OWNER);
	return NULL;
}

/* Only sockets that are whole: requests and those in TIME_WAIT have no cgroup. */
static __always_inline struct event_usage *events_of_sock(const struct sock *sock)
{
	__u8 state;

	if (!sock)
		return NULL;
	state = BPF_CORE_READ(sock, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return NULL;
	return events_of_owner(sock);
}

/* A buffer that is sent again may be cut into several segments on its way; the kernel's RetransSegs counts those. What
 * TCP knows of a buffer is in its cb (include/net/tcp.h, TCP_SKB_CB). */
static __always_inline __u64 segments_of(const struct sk_buff *skb)
{
	const struct tcp_skb_cb *known = (const void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	__u16 segments = 0;

	if (bpf_core_read(&segments, sizeof(segments), &known->tcp_gso_segs) || !segments)
		return 1;
	return segments;
}

static __always_inline enum connect_failure connect_failure(const struct sock *sock)
{
	switch (BPF_CORE_READ(sock, sk_err)) {
	case 0:
		return CONNECT_ABORTED;
	case ERROR_CONNREFUSED:
		return CONNECT_REFUSED;
	case ERROR_TIMEDOUT:
		return CONNECT_TIMEOUT;
	case ERROR_NETUNREACH:
	case ERROR_HOSTUNREACH:
		return CONNECT_UNREACHABLE;
	}
	return CONNECT_OTHER;
}

static __always_inline void connect_begin(const struct sock *sock)
{
	struct connecting connecting = { .start_ns = bpf_ktime_get_ns(), .cgroup = sock_cgroup_id(sock) };
	__u64 key = (__u64)sock;

	if (!bpf_map_lookup_elem(&event_usages, &connecting.cgroup))
		return;
	if (bpf_map_update_elem(&connects, &key, &connecting, BPF_ANY))
		count_loss(USAGE_LOST_SOCKET);
}

static __always_inline void connect_end(const struct sock *sock, int state)
{
	__u64 key = (__u64)sock;
	struct connecting *connecting = bpf_map_lookup_elem(&connects, &key);
	struct event_usage *events;

	if (!connecting || state == TCP_SYN_RECV) /* both ends connect at once: not over yet */
		return;
	events = events_of(connecting->cgroup);
	if (events && state == TCP_CLOSE)
		__sync_fetch_and_add(&events->connect_failures[connect_failure(sock)], 1);
	else if (events)
		add_latency(&events->connect, bpf_ktime_get_ns() - connecting->start_ns);
	bpf_map_delete_elem(&connects, &key);
}

static __always_inline __u32 listener_drops(const struct sock *sock)
{
	return BPF_CORE_READ(sock, sk_drops.counter);
}

static __always_inline void listener_begin(const struct sock *sock)
{
	struct listening listener = { .cgroup = sock_cgroup_id(sock), .drops = listener_drops(sock) };
	__u64 key = (__u64)sock;

	if (!bpf_map_lookup_elem(&event_usages, &listener.cgroup))
		return;
	if (bpf_map_update_elem(&listeners, &key, &listener, BPF_ANY))
		count_loss(USAGE_LOST_SOCKET);
}

/* Adds what has been dropped since the last look. */
static __always_inline void listener_look(const struct sock *sock)
{
	__u64 key = (__u64)sock;
	__u32 drops = listener_drops(sock);
	struct listening *listener = bpf_map_lookup_elem(&listeners, &key); /* after the read: so it was still one */
	struct event_usage *events = listener ? events_of(listener->cgroup) : NULL;

	if (!events)
		return;
	__sync_fetch_and_add(&events->accept_drops, (__u32)(drops - listener->drops));
	listener->drops = drops;
}

static __always_inline void listener_end(const struct sock *sock)
{
	__u64 key = (__u64)sock;

	listener_look(sock);
	bpf_map_delete_elem(&listeners, &key);
}

/* Smoothed, in microseconds; 0: nothing was acknowledged yet. */
static __always_inline __u32 round_trip_of(const struct sock *sock)
{
	return BPF_CORE_READ((const struct tcp_sock *)sock, srtt_us) >> 3; /* kept eightfold */
}

/* A connection, if it is open. Those of cgroups without a record are others' or will have one: no loss. */
static __always_inline void connection_look(const struct sock *sock)
{
	__u32 round_trip_us = round_trip_of(sock);
	__u64 cgroup = sock_cgroup_id(sock);
	struct event_usage *events;

	if (!round_trip_us || BPF_CORE_READ(sock, __sk_common.skc_state) != TCP_ESTABLISHED)
		return;
	events = bpf_map_lookup_elem(&event_usages, &cgroup);
	if (events)
		add_latency(&events->open_round_trip, round_trip_us * 1000ULL);
}

/* The figures of a connection that is over: tcp_sock keeps them. What was sent again counts once; a FIN is one of the
 * bytes received, and SOCK_DONE says that there was one. */
static __always_inline void connection_end(const struct sock *sock)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sock;
	struct event_usage *events = events_of_owner(sock);
	__u32 round_trip_us = round_trip_of(sock);
	__u64 fin = BPF_CORE_READ(sock, __sk_common.skc_flags) >> SOCK_DONE & 1;

	if (!events)
		return;
	__sync_fetch_and_add(&events->sent_bytes, BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans));
	__sync_fetch_and_add(&events->received_bytes, BPF_CORE_READ(tcp, bytes_received) - fin);
	if (round_trip_us)
		add_latency(&events->round_trip, round_trip_us * 1000ULL);
}

static __always_inline void on_sock_state(const struct sock *sock, int old_state, int new_state)
{
	if (BPF_CORE_READ(sock, sk_protocol) != PROTOCOL_TCP)
		return;
	if (old_state == TCP_SYN_SENT)
		connect_end(sock, new_state);
	if (old_state == TCP_LISTEN)
		listener_end(sock);
	if (new_state == TCP_SYN_SENT || new_state == TCP_LISTEN)
		sock_claim(sock);
	if (new_state == TCP_SYN_SENT)
		connect_begin(sock);
	else if (new_state == TCP_LISTEN)
		listener_begin(sock);
	else if (new_state == TCP_CLOSE && old_state != TCP_LISTEN && old_state != TCP_SYN_SENT)
		connection_end(sock);
}
