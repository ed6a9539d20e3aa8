/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection's life in the kernel: born at the first call that moves bytes in an observed process, announced to user
 * space, ended by the socket's own state. The key is the address of its struct sock, which the kernel reuses: the id is
 * what user space knows it by, never reused.
 */
#pragma once

#include "maps.h"
#include "select.h"

struct stream_positions {
	__u32 own;   /* of the first byte of this transfer in its direction */
	__u32 other; /* of the next byte of the other direction */
};

static __always_inline bool socket_is_stream(struct sock *sock, bool *ret_unix)
{
	__u16 family = kernel_read(sock, __sk_common.skc_family);

	if (kernel_read(sock, sk_type) != SOCK_STREAM)
		return false;
	*ret_unix = family == AF_UNIX;
	if (family == AF_UNIX)
		return capture_unix && !ports_selected;
	return (family == AF_INET || family == AF_INET6) && kernel_read(sock, sk_protocol) == IPPROTO_TCP;
}

/* How far the peer's bytes have come: received by the kernel, and read by the process. Its FIN has a sequence number
 * too, which tcp_recvmsg takes with the last byte: it is left out (SOCK_DONE is set by a FIN and by nothing else). */
struct tcp_received {
	__u32 end;
	__u32 copied;
};

static __always_inline struct tcp_received tcp_received_of(struct sock *sock)
{
	unsigned long flags = kernel_read(sock, __sk_common.skc_flags);
	__u32 fin = flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
	struct tcp_received received;

	received.copied = kernel_read((struct tcp_sock *)sock, copied_seq);
	if (!fin)
		return (struct tcp_received){ kernel_read((struct tcp_sock *)sock, rcv_nxt), received.copied };
	received.end = kernel_read((struct tcp_sock *)sock, rcv_nxt) - 1;
	if ((__s32)(received.copied - received.end) > 0)
		received.copied = received.end;
	return received;
}

static __always_inline struct stream_positions tcp_positions(const struct transfer *transfer)
{
	__u32 sent = kernel_read((struct tcp_sock *)transfer->sock, write_seq);
	__u32 received = tcp_received_of(transfer->sock).copied;
	struct stream_positions positions;

	positions.own = (transfer->direction == FLOW_SEND ? sent : received) - transfer->length - transfer->after;
	positions.other = transfer->direction == FLOW_SEND ? received : sent;
	return positions;
}

/* Had no byte crossed, either way, before this transfer? The SYN may count as one acknowledged byte, a FIN as one
 * received. */
static __always_inline bool tcp_from_start(struct sock *sock, const struct transfer *transfer)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sock;
	struct tcp_received positions = tcp_received_of(sock);
	__u64 arrived = kernel_read(tcp, bytes_received) - (kernel_read(tcp, rcv_nxt) - positions.end);
	__u64 received = arrived - (positions.end - positions.copied);
	__u64 sent = kernel_read(tcp, bytes_acked) + (kernel_read(tcp, write_seq) - kernel_read(tcp, snd_una));
	__u64 moved = (__u64)transfer->length + transfer->after;

	if (transfer->direction == FLOW_SEND)
		return received == 0 && sent <= moved + 1;
	return received <= moved && sent <= 1;
}

static __always_inline __u8 tcp_end_reason(struct sock *sock, int old_state)
{
	int error = BPF_CORE_READ(sock, sk_err);

	if (error == ERROR_TIMEDOUT)
		return END_REASON_TIMEOUT;
	if (error == ERROR_CONNRESET || error == ERROR_PIPE)
		return END_REASON_RESET;
	/* From an open state straight to TCP_CLOSE: this side aborted (unread data, or SO_LINGER 0). */
	if (old_state == TCP_ESTABLISHED || old_state == TCP_CLOSE_WAIT)
		return END_REASON_RESET;
	return END_REASON_NORMAL;
}

/* The call whose bytes are its first returns after TCP_CLOSE: on loopback a reset arrives inside of the call that it
 * answers, and a call that sleeps may see the kernel give up. Then the socket still has its error. */
static __always_inline void connection_born_closed(struct sock *sock, struct connection_value *connection)
{
	struct tcp_received received = tcp_received_of(sock);

	connection->closed = 1;
	connection->end_reason = tcp_end_reason(sock, TCP_CLOSE);
	connection->end_position[FLOW_RECEIVE] = received.copied;
	connection->end_position[FLOW_SEND] = kernel_read((struct tcp_sock *)sock, write_seq);
	connection->receive_end = received.end;
}

static __always_inline void on_unix_connected(struct sock *sock)
{
	struct connection_key key = { .sock = (__u64)sock };
	__u8 yes = 1;

	if (sock && kernel_read(sock, __sk_common.skc_family) == AF_UNIX)
		bpf_map_update_elem(&unix_born, &key, &yes, BPF_ANY);
}

/* A unix socket whose bytes move before anything is told. */
static __always_inline void unix_is_old(struct sock *sock, __u64 inode)
{
	struct connection_key key = { .sock = (__u64)sock };

	if (unix_by_age && inode)
		bpf_map_update_elem(&unix_old, &key, &inode, BPF_ANY);
}

/* Was the connection made since the agent came? Its connecting end is in the map, or it is not among the old ones. */
static __always_inline bool unix_from_start(struct sock *sock, __u64 inode)
{
	struct connection_key key = { .sock = (__u64)sock };

	if (unix_by_age) {
		__u64 *old = bpf_map_lookup_elem(&unix_old, &key);

		return !old || *old != inode;
	}
	if (bpf_map_lookup_elem(&unix_born, &key))
		return true;
	key.sock = (__u64)kernel_read((struct unix_sock *)sock, peer);
	return bpf_map_lookup_elem(&unix_born, &key) != NULL;
}

static __always_inline void open_fill_unix(struct open_event *open, struct sock *sock)
{
	struct unix_sock *unix_sock = (struct unix_sock *)sock;
	struct unix_address *address = BPF_CORE_READ(unix_sock, addr);
	__u32 length;

	open->peer = (__u64)BPF_CORE_READ(unix_sock, peer);
	if (!address) {
		struct unix_sock *peer = (struct unix_sock *)BPF_CORE_READ(unix_sock, peer);

		open->name_is_remote = 1;
		address = BPF_CORE_READ(peer, addr);
	}
	if (!address)
		return;
	/* struct sockaddr_un: two bytes of family, then the name. */
	length = BPF_CORE_READ(address, len);
	if (length <= sizeof(__u16))
		return;
	length -= sizeof(__u16);
	if (length > UNIX_NAME_BYTES)
		length = UNIX_NAME_BYTES;
	if (!bpf_probe_read_kernel(open->unix_name, length, (void *)&address->name[0] + sizeof(__u16)))
		open->name_length = length;
}

static __always_inline void open_fill_inet(struct open_event *open, struct sock *sock)
{
	if (open->family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)open->local, sock, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)open->remote, sock, __sk_common.skc_daddr);
		return;
	}
	bpf_probe_read_kernel(open->local, 16, &sock->__sk_common.skc_v6_rcv_saddr);
	bpf_probe_read_kernel(open->remote, 16, &sock->__sk_common.skc_v6_daddr);
}

/* Built in the scratch: the stack has 512 bytes for all the functions of a program. */
static __noinline void connection_announce(struct scratch *scratch, struct connection_value *connection, __u32 own,
					   __u32 other)
{
	struct transfer *transfer = &scratch->transfer;
	struct sock *sock = transfer->sock;
	struct open_event *open = &scratch->open;

	__builtin_memset(open, 0, sizeof(*open));
	open->header.type = EVENT_OPEN;
	open->header.length = sizeof(*open);
	open->conn_id = connection->conn_id;
	open->time_ns = bpf_ktime_get_ns();
	open->inode = connection->inode;
	open->tgid = bpf_get_current_pid_tgid() >> 32;
	open->family = BPF_CORE_READ(sock, __sk_common.skc_family);
	open->sock = (__u64)sock;
	open->position[FLOW_RECEIVE] = transfer->direction == FLOW_RECEIVE ? own : other;
	open->position[FLOW_SEND] = transfer->direction == FLOW_SEND ? own : other;
	if (connection->family_unix) {
		open->from_start = unix_from_start(sock, connection->inode);
		open_fill_unix(open, sock);
	} else {
		open->local_port = BPF_CORE_READ(sock, __sk_common.skc_num);
		open->remote_port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
		open->from_start = tcp_from_start(sock, transfer);
		open_fill_inet(open, sock);
	}
	if (!ring_put(open, sizeof(*open), 0))
		connection->announced = 1;
}

/* Its opening found no room, and what it moves means nothing to user space without. The next call tries again. */
static __always_inline void connection_cut(struct connection_value *connection, const struct transfer *transfer)
{
	count_add(COUNT_CUT_OPENINGS, !connection->cut);
	connection->cut = 1;
	count_lost(transfer->direction, transfer->length);
}

static __noinline struct connection_value *connection_new(struct transfer *transfer)
{
	struct connection_key key = { .sock = (__u64)transfer->sock };
	struct connection_value connection = {};
	struct sock *sock = transfer->sock;
	bool is_unix = false;

	if (!socket_is_stream(sock, &is_unix))
		return NULL;
	/* Unique: one CPU does not do this twice in a nanosecond. */
	connection.conn_id = bpf_ktime_get_ns() << 10 | (bpf_get_smp_processor_id() & 1023);
	connection.inode = transfer->inode;
	connection.family_unix = is_unix;
	connection.state = CONNECTION_OBSERVED;
	connection.recent_slot = recent_slot(key.sock);
	if (!is_unix)
		connection.tcp_ports = kernel_read(sock, __sk_common.skc_portpair);
	if (!is_unix && BPF_CORE_READ(sock, __sk_common.skc_state) == TCP_CLOSE)
		connection_born_closed(sock, &connection);
	if (!is_unix &&
	    !ports_pass(kernel_read(sock, __sk_common.skc_num), bpf_ntohs(kernel_read(sock, __sk_common.skc_dport))))
		connection.state = CONNECTION_IGNORED;
	if (bpf_map_update_elem(&connections, &key, &connection, BPF_ANY)) {
		count_add(LOST_CONNECTIONS_FULL, 1);
		return NULL;
	}
	return bpf_map_lookup_elem(&connections, &key);
}

static __always_inline void requests_forget(struct connection_key *key)
{
	if (request_count && !bpf_map_delete_elem(&requests, key))
		__sync_fetch_and_add(&request_count, -1);
}

static __always_inline void end_tell(struct connection_value *connection, struct end_event *end, __u8 kind)
{
	end->header.type = EVENT_END;
	end->header.length = sizeof(*end);
	end->conn_id = connection->conn_id;
	end->time_ns = bpf_ktime_get_ns();
	end->kind = kind;
	end->reason = connection->end_reason;
	end->skipped[FLOW_RECEIVE] = connection->silent[FLOW_RECEIVE];
	end->skipped[FLOW_SEND] = connection->silent[FLOW_SEND];
	if (connection->announced && ring_put(end, sizeof(*end), 0))
		count_add(COUNT_CUT_ENDS, 1);
}

/* The socket is gone. */
static __always_inline void connection_close(struct connection_key *key, struct connection_value *connection,
					     struct end_event *end)
{
	__u32 slot = connection->recent_slot;

	end_tell(connection, end, END_KIND_CLOSED);
	requests_forget(key);
	bpf_map_delete_elem(&connections, key);
	recent_end(slot);
}

/* A unix socket is gone; its positions are the map's own. */
static __always_inline void unix_close(struct connection_key *key, struct connection_value *connection)
{
	struct end_event end = {};

	end.position[FLOW_RECEIVE] = connection->unix_position[FLOW_RECEIVE];
	end.position[FLOW_SEND] = connection->unix_position[FLOW_SEND];
	end.positions_known = 1;
	connection_close(key, connection, &end);
}
