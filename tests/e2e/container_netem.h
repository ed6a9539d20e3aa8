/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case of container_truth.c: TCP over a network that delays and loses packets, in a namespace of its own.
 * The namespace's own counters are the witness, and the delay that was asked for.
 */
#pragma once

#include "container_lab.h"
#include "container_relay.h"

#include <arpa/inet.h>

#define DELAY_MS 20.0 /* each way */
#define CONNECTIONS 6
#define HANDSHAKES 8
#define PAYLOAD (512 << 10) /* bytes of each */

struct netem_result {
	bool done;
	double retransmitted; /* Tcp: RetransSegs */
	volatile int lost;    /* of a hundred packets, now */
};

static struct netem_result *netem_result; /* shared with the child */

static bool run_tool(const char *line)
{
	int status;
	pid_t child = fork();

	if (!child) {
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

/* RetransSegs is the 12th number of the second line of Tcp. */
static double retransmitted(void)
{
	char line[1024];
	double value = NAN;
	int lines = 0;
	FILE *stream = fopen("/proc/self/net/snmp", "re");

	while (stream && fgets(line, sizeof(line), stream)) {
		char *at = line;

		if (strncmp(line, "Tcp:", 4) != 0 || ++lines != 2)
			continue;
		for (int i = 0; i < 12 && at; i++)
			at = strchr(at + 1, ' ');
		value = at ? strtod(at, NULL) : NAN;
	}
	if (stream)
		fclose(stream);
	return value;
}

static void open_pair(int listener, const struct sockaddr_in *address, int pair[2])
{
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(pair[0], (const struct sockaddr *)address, sizeof(*address)))
		_exit(1);
	pair[1] = accept(listener, NULL, NULL);
	if (pair[1] < 0)
		_exit(1);
}

/* Another process reads, so that the writer may block. */
static void send_all(int pair[2])
{
	static char block[16 << 10];
	pid_t reader = fork();

	if (!reader) {
		close(pair[0]);
		while (read(pair[1], block, sizeof(block)) > 0)
			;
		_exit(0);
	}
	close(pair[1]);
	for (int sent = 0; sent < PAYLOAD; sent += (int)sizeof(block))
		if (write(pair[0], block, sizeof(block)) != sizeof(block))
			_exit(1);
	close(pair[0]);
	waitpid(reader, NULL, 0);
}

/* The network: where to listen, where to connect to. */
struct wire {
	struct sockaddr_in here, there;
	bool relayed;
};

static bool wire_set(const struct wire *wire, int percent)
{
	char line[128];

	netem_result->lost = percent;
	snprintf(line, sizeof(line), "/usr/sbin/tc qdisc replace dev lo root netem delay 20ms loss %d%%", percent);
	return wire->relayed || run_tool(line);
}

/* In a network namespace of its own: the kernel's netem on the loopback, where it is; else a relay. Small segments, so
 * that one is sent again as one. */
static bool wire_open(struct wire *wire)
{
	const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*wire = (struct wire){ .here = local, .there = local };
	if (unshare(CLONE_NEWNET) || !run_tool("/usr/sbin/ip link set lo mtu 1500 up"))
		return false;
	if (wire_set(wire, 0))
		return true;
	wire->relayed = true;
	return inet_pton(AF_INET, HERE, &wire->here.sin_addr) == 1 &&
	       inet_pton(AF_INET, THERE, &wire->there.sin_addr) == 1 &&
	       relay_start(DELAY_MS / 1000, &netem_result->lost) > 0 &&
	       run_tool("/usr/sbin/ip address add " HERE "/24 dev relay0 && /usr/sbin/ip link set relay0 mtu 1500 up");
}

static int wire_listen(struct wire *wire)
{
	socklen_t size = sizeof(wire->here);
	int listener;

	if (!wire_open(wire))
		_exit(1);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&wire->here, sizeof(wire->here)) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&wire->here, &size))
		_exit(1);
	wire->there.sin_port = wire->here.sin_port;
	return listener;
}

static void wire_done(const struct wire *wire)
{
	if (!wire_set(wire, 0))
		_exit(1);
	pause_ms(1500); /* what is still to be acknowledged, and the ends */
	netem_result->retransmitted = retransmitted();
	netem_result->done = true;
	raise(SIGSTOP);
}

static void lose_packets(void)
{
	int pairs[CONNECTIONS][2];
	struct wire wire;
	int listener = wire_listen(&wire);

	for (int i = 0; i < CONNECTIONS; i++)
		open_pair(listener, &wire.there, pairs[i]);
	if (!wire_set(&wire, 3))
		_exit(1);
	for (int i = 0; i < CONNECTIONS; i++)
		send_all(pairs[i]);
	wire_done(&wire);
}

/* SYNs and their answers, of which the latter belong to no socket but the listening one. */
static void lose_handshakes(void)
{
	struct wire wire;
	int listener = wire_listen(&wire);

	if (!wire_set(&wire, 40))
		_exit(1);
	for (int i = 0; i < HANDSHAKES; i++) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (!connect(client, (const struct sockaddr *)&wire.there, sizeof(wire.there)) || errno != EINPROGRESS)
			_exit(1);
	}
	pause_ms(3500); /* each is sent again after one second, and after two more */
	if (!wire_set(&wire, 0))
		_exit(1);
	for (int i = 0; i < HANDSHAKES; i++)
		if (accept(listener, NULL, NULL) < 0)
			_exit(1);
	wire_done(&wire);
}

/* On the running machine an interrupt may come while a process is current in which the kernel runs none of our
 * programs; what it would tell is missing then. Not in the VM. */
static bool almost_all(const struct lab *lab, double told, double all)
{
	return lab->whole_host ? told == all : told <= all && told >= all * 0.95 - 1;
}

static void report_handshakes(struct lab *lab)
{
	double told;

	scrape(lab);
	told = sample(lab, "container_tcp_retransmitted_segments_total", "syn", "");
	report(lab, "a network that loses handshakes", almost_all(lab, told, netem_result->retransmitted) && told > 0,
	       "the namespace sent %.0f segments again, sonde: %.0f", netem_result->retransmitted, told);
}

static void report_netem(struct lab *lab)
{
	double told, count, mean;

	scrape(lab);
	told = sample(lab, "container_tcp_retransmitted_segments_total", "netem", "");
	count = sample(lab, "container_tcp_round_trip_seconds_count", "netem", "");
	mean = sample(lab, "container_tcp_round_trip_seconds_sum", "netem", "") / count;
	report(lab, "a network that delays and loses",
	       almost_all(lab, told, netem_result->retransmitted) && told > 0 && count == 2 * CONNECTIONS &&
		       mean >= 2 * DELAY_MS / 1000 && mean < 3 * DELAY_MS / 1000,
	       "the namespace sent %.0f segments again, sonde: %.0f; %.0f ms to and fro, sonde: %.1f ms of %.0f ends",
	       netem_result->retransmitted, told, 2 * DELAY_MS, mean * 1000, count);
}
