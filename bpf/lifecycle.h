/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of connections, from the tracepoints that every kernel has: TCP state changes and the destruction of a socket.
 *
 * A connection ends when its socket is destroyed, not when it reaches TCP_CLOSE. After shutdown(SHUT_WR) it gets there when
 * the peer's FIN arrives, while the process has still the response to read; and a reset that answers a write arrives, on
 * loopback, before the write has returned: its segment would come after the connection's last event.
 */
#pragma once

#include "connection.h"

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

/* One past the last byte the peer sent, its FIN left out. */
static __always_inline __u32 tcp_receive_end(struct tcp_sock *tcp)
{
	__u32 end = BPF_CORE_READ(tcp, rcv_nxt);

	if (BPF_CORE_READ((struct sock *)tcp, sk_shutdown) & SHUTDOWN_RECEIVE)
		end -= 1;
	return end;
}

static __always_inline bool tcp_fin_sent(int state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING || state == TCP_LAST_ACK ||
	       state == TCP_TIME_WAIT;
}

static __always_inline void tcp_end_positions(struct tcp_sock *tcp, bool fin_sent, struct end_event *end)
{
	__u32 received_end = tcp_receive_end(tcp);
	__u32 copied = BPF_CORE_READ(tcp, copied_seq);

	if ((__s32)(copied - received_end) > 0)
		copied = received_end;
	end->position[FLOW_RECEIVE] = copied;
	end->position[FLOW_SEND] = BPF_CORE_READ(tcp, write_seq) - (fin_sent ? 1 : 0);
	end->positions_known = 1;
}

static __always_inline void on_tcp_state(struct sock *sock, int old_state, int new_state)
{
	struct connection_key key = {.sock = (__u64)sock};
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);
	struct tcp_sock *tcp = (struct tcp_sock *)sock;
	struct end_event end = {};

	if (!connection)
		return;
	tcp_end_positions(tcp, tcp_fin_sent(old_state), &end);
	switch (new_state) {
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		end_tell(connection, &end, END_KIND_SEND);
		return;
	case TCP_CLOSE_WAIT:
		end.position[FLOW_RECEIVE] = tcp_receive_end(tcp);
		end_tell(connection, &end, END_KIND_RECEIVE);
		return;
	case TCP_CLOSE:
		connection->end_reason = tcp_end_reason(sock, old_state);
		connection->fin_sent = tcp_fin_sent(old_state);
		end.position[FLOW_RECEIVE] = tcp_receive_end(tcp);
		end_tell(connection, &end, END_KIND_RECEIVE);
		return;
	case TCP_SYN_SENT: /* disconnected, and connected anew */
		connection_close(&key, connection, &end);
		return;
	}
}

static __always_inline void on_tcp_destroy(struct sock *sock)
{
	struct connection_key key = {.sock = (__u64)sock};
	struct connection_value *connection = bpf_map_lookup_elem(&connections, &key);
	struct end_event end = {};

	if (!connection)
		return;
	tcp_end_positions((struct tcp_sock *)sock, connection->fin_sent, &end);
	connection_close(&key, connection, &end);
}
