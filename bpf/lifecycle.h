/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of connections, from the tracepoints that every kernel has: TCP state changes and the destruction of a
 * socket.
 *
 * A connection ends when its socket is destroyed, not when it reaches TCP_CLOSE. After shutdown(SHUT_WR) it gets there
 * when the peer's FIN arrives, while the process has still the response to read; and a reset that answers a write
 * arrives, on loopback, before the write has returned: its segment would come after the connection's last event.
 */
#pragma once

#include "connection.h"
#include "perf_depth.h"

/* What perf's program missed is lost only if the one beside it did not run either: so that one says when it does. */
static __always_inline void stand_in_for_perf(void)
{
	struct counts *counts = perf_depth() ? counts_get() : NULL;

	if (counts)
		__sync_fetch_and_add(&counts->value[COUNT_STOOD_IN], 1);
}

static __always_inline bool tcp_fin_sent(int state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING || state == TCP_LAST_ACK ||
	       state == TCP_TIME_WAIT;
}

static __always_inline void tcp_end_positions(struct sock *sock, int old_state, struct end_event *end)
{
	end->position[FLOW_RECEIVE] = tcp_received_of(sock).copied;
	end->position[FLOW_SEND] = kernel_read((struct tcp_sock *)sock, write_seq) - (tcp_fin_sent(old_state) ? 1 : 0);
	end->positions_known = 1;
}

/* Kept, because tcp_disconnect, which an abort goes through, draws new sequence numbers before the socket is destroyed.
 */
static __always_inline void on_tcp_closed(struct sock *sock, struct connection_value *connection, int old_state,
					  struct end_event *end)
{
	connection->closed = 1;
	connection->end_reason = tcp_end_reason(sock, old_state);
	connection->end_position[FLOW_RECEIVE] = end->position[FLOW_RECEIVE];
	connection->end_position[FLOW_SEND] = end->position[FLOW_SEND];
	connection->receive_end = tcp_received_of(sock).end;
	end->position[FLOW_RECEIVE] = connection->receive_end;
	end_tell(connection, end, END_KIND_RECEIVE);
}

/* The last of a connection. What has been read since TCP_CLOSE has moved copied_seq, up to receive_end at most. */
static __always_inline void on_tcp_gone(struct connection_key *key, struct connection_value *connection,
					struct end_event *end)
{
	__u32 copied = end->position[FLOW_RECEIVE];

	if (connection->closed) {
		end->position[FLOW_RECEIVE] = connection->end_position[FLOW_RECEIVE];
		end->position[FLOW_SEND] = connection->end_position[FLOW_SEND];
		if ((__s32)(copied - connection->end_position[FLOW_RECEIVE]) > 0 &&
		    (__s32)(copied - connection->receive_end) <= 0)
			end->position[FLOW_RECEIVE] = copied;
	}
	connection_close(key, connection, end);
}

static __always_inline void on_tcp_state(struct sock *sock, int old_state, int new_state)
{
	struct connection_key key = { .sock = (__u64)sock };
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);
	struct end_event end = {};

	/* Each state comes once in a connection's life, but two programs may tell it. */
	if (!connection || connection->states & 1 << (new_state & 15))
		return;
	connection->states |= 1 << (new_state & 15);
	tcp_end_positions(sock, old_state, &end);
	switch (new_state) {
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		end_tell(connection, &end, END_KIND_SEND);
		return;
	case TCP_CLOSE_WAIT:
		end.position[FLOW_RECEIVE] = tcp_received_of(sock).end;
		end_tell(connection, &end, END_KIND_RECEIVE);
		return;
	case TCP_CLOSE:
		on_tcp_closed(sock, connection, old_state, &end);
		return;
	case TCP_SYN_SENT: /* disconnected, and connected anew */
		on_tcp_gone(&key, connection, &end);
		return;
	}
}

static __always_inline void on_tcp_destroy(struct sock *sock)
{
	struct connection_key key = { .sock = (__u64)sock };
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);
	struct end_event end = {};

	if (!connection)
		return;
	tcp_end_positions(sock, TCP_CLOSE, &end);
	on_tcp_gone(&key, connection, &end);
}
