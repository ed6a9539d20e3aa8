/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case of container_truth.c: TCP over a loopback that delays and loses packets, in a network namespace of its own.
 * The namespace's own counters are the witness, and the delay that was asked for.
 */
#pragma once

#include "container_lab.h"

#define DELAY_MS 20.0 /* each way */
#define CONNECTIONS 6
#define PAYLOAD (512 << 10) /* bytes of each */

struct netem_result {
	bool done;
	double retransmitted; /* Tcp: RetransSegs */
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

static void lose_packets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pairs[CONNECTIONS][2];
	socklen_t size = sizeof(address);

	/* Small segments, so that one is sent again as one; connected before anything is lost: an answer to a SYN that
	 * is sent again belongs to no socket yet. */
	if (unshare(CLONE_NEWNET) ||
	    !run_tool("/usr/sbin/ip link set lo mtu 1500 up && /usr/sbin/tc qdisc add dev lo root netem delay 20ms") ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		_exit(1);
	close(listener);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* of the new namespace */
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		_exit(1);
	for (int i = 0; i < CONNECTIONS; i++)
		open_pair(listener, &address, pairs[i]);
	if (!run_tool("/usr/sbin/tc qdisc change dev lo root netem delay 20ms loss 3%"))
		_exit(1);
	for (int i = 0; i < CONNECTIONS; i++)
		send_all(pairs[i]);
	if (!run_tool("/usr/sbin/tc qdisc change dev lo root netem delay 20ms"))
		_exit(1);
	pause_ms(1500); /* what is still to be acknowledged, and the ends */
	netem_result->retransmitted = retransmitted();
	netem_result->done = true;
	raise(SIGSTOP);
}

static void report_netem(struct lab *lab)
{
	double told, count, mean;

	scrape(lab);
	told = sample(lab, "container_tcp_retransmitted_segments_total", "netem", "");
	count = sample(lab, "container_tcp_round_trip_seconds_count", "netem", "");
	mean = sample(lab, "container_tcp_round_trip_seconds_sum", "netem", "") / count;
	report(lab, "a network that delays and loses",
	       told == netem_result->retransmitted && told > 0 && count == 2 * CONNECTIONS &&
		       mean >= 2 * DELAY_MS / 1000 && mean < 3 * DELAY_MS / 1000,
	       "the namespace sent %.0f segments again, sonde: %.0f; %.0f ms to and fro, sonde: %.1f ms of %.0f ends",
	       netem_result->retransmitted, told, 2 * DELAY_MS, mean * 1000, count);
}
