/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcpstat (off by default): TCP sockets by state, and what their queues hold. Asked by netlink (linux/inet_diag.h);
 * read from net/tcp and net/tcp6 where that is not the kernel's own procfs or inet_diag is not there.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "host/internal.h"

#define REPLY_BYTES ((size_t)64 << 10)
#define ALL_STATES 0xfff

/* include/net/tcp_states.h, from 1 on. */
static const char *const states[] = {
	"unknown",   "established", "syn_sent",   "syn_recv", "fin_wait1", "fin_wait2",
	"time_wait", "close",       "close_wait", "last_ack", "listen",    "closing",
};

#define STATES (sizeof(states) / sizeof(states[0]))

struct tcpstat_state {
	char *reply; /* owned */
	uint32_t sequence;
	uint64_t counts[STATES];
	uint64_t received, sent; /* bytes in queues */
	bool any;
};

static void stop(void *ctx)
{
	free(((struct tcpstat_state *)ctx)->reply);
}

static void count(struct tcpstat_state *state, uint64_t number, uint64_t sent, uint64_t received)
{
	state->counts[number < STATES ? number : 0]++;
	state->sent += sent;
	state->received += received;
	state->any = true;
}

/* `sl local rem st tx:rx ...`, in hex. */
static int read_file(struct host *host, struct tcpstat_state *state, const char *path)
{
	struct span text, line, word, part;
	uint64_t number, sent, received;
	int error = host_read_kept(host, host->proc_fd, path, &text);

	if (error)
		return error;
	if (!scan_line(&text, &line))
		return -EINVAL;
	while (scan_line(&text, &line)) {
		for (size_t i = 0; i < 4; i++)
			if (!scan_word(&line, &word))
				return -EINVAL;
		if (span_hex(word, &number) || !scan_word(&line, &word) || !scan_until(&word, ':', &part) ||
		    span_hex(part, &sent) || span_hex(word, &received))
			return -EINVAL;
		count(state, number, sent, received);
	}
	return 0;
}

static int read_files(struct host *host, struct tcpstat_state *state)
{
	int error = read_file(host, state, "net/tcp"), error_6;

	if (error)
		return error;
	error_6 = read_file(host, state, "net/tcp6");
	return error_6 == -ENOENT ? 0 : error_6;
}

static int ask(struct tcpstat_state *state, int fd, uint8_t family)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = ++state->sequence },
		.body = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ALL_STATES },
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* One part of the answer. 1 when it was the last. */
static int take_part(struct tcpstat_state *state, int fd)
{
	ssize_t got = recv(fd, state->reply, REPLY_BYTES, MSG_TRUNC);
	struct nlmsghdr *message = (struct nlmsghdr *)(void *)state->reply;
	size_t left = got < 0 ? 0 : (size_t)got;

	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	if (left > REPLY_BYTES)
		return -EMSGSIZE;
	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		const struct inet_diag_msg *body = NLMSG_DATA(message);

		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(message))->error ?: 1;
		if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(*body)))
			count(state, body->idiag_state, body->idiag_wqueue, body->idiag_rqueue);
	}
	return 0;
}

static int read_netlink(struct tcpstat_state *state)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int result;

	if (!state->reply)
		state->reply = malloc(REPLY_BYTES);
	if (!state->reply)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < 2; i++) {
		result = ask(state, fd, families[i]);
		while (!result)
			result = take_part(state, fd);
		if (result < 0)
			return result;
	}
	return 0;
}

static void tell(struct host *host, const struct tcpstat_state *state)
{
	static const struct metric_family family = FAMILY("node_tcp_connection_states", METRIC_GAUGE, "",
							  "TCP sockets by state, and bytes in their queues.");

	for (size_t i = 0; i < STATES; i++)
		if (state->counts[i])
			host_tell_of(host, &family, "state", states[i], (double)state->counts[i]);
	if (!state->any)
		return;
	host_tell_of(host, &family, "state", "rx_queued_bytes", (double)state->received);
	host_tell_of(host, &family, "state", "tx_queued_bytes", (double)state->sent);
}

static void forget(struct tcpstat_state *state)
{
	*state = (struct tcpstat_state){ .reply = state->reply, .sequence = state->sequence };
}

static int update(struct host *host, void *ctx)
{
	struct tcpstat_state *state = ctx;
	int error = -ENOENT;

	forget(state);
	host_at(host, "netlink, SOCK_DIAG_BY_FAMILY");
	if (host->proc_is_procfs)
		error = read_netlink(state);
	if (error == -ENOENT || error == -EPROTONOSUPPORT) {
		forget(state);
		error = read_files(host, state);
	}
	if (!error)
		tell(host, state);
	return error;
}

const struct collector host_tcpstat = {
	.state_size = sizeof(struct tcpstat_state),
	.update = update,
	.stop = stop,
};
