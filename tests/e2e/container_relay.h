/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network that delays and loses packets, where the kernel has no netem: a TUN device, and a process that takes what
 * is sent to THERE and hands it back as if THERE had sent it to HERE, later or never. So both ends of a connection are
 * in one network namespace, as over the loopback; the swap of two addresses leaves checksums as they are.
 */
#pragma once

#include "container_lab.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define HERE "10.99.0.1"
#define THERE "10.99.0.2"
#define RELAY_PACKETS 4096

struct relayed {
	double due;
	ssize_t length;
	unsigned char bytes[1504];
};

struct relay {
	int device;
	double delay;       /* s, of each packet */
	volatile int *lost; /* how many of a hundred; shared */
	unsigned int dice;
	size_t first, count;
	struct relayed packets[RELAY_PACKETS];
};

static bool relay_loses(struct relay *relay)
{
	relay->dice = relay->dice * 1103515245 + 12345;
	return (int)(relay->dice >> 16) % 100 < *relay->lost;
}

static void relay_take(struct relay *relay)
{
	struct relayed *packet = &relay->packets[(relay->first + relay->count) % RELAY_PACKETS];
	unsigned char address[4];

	packet->length = read(relay->device, packet->bytes, sizeof(packet->bytes));
	if (packet->length < 20 || packet->bytes[0] >> 4 != 4 || relay->count == RELAY_PACKETS - 1 ||
	    relay_loses(relay))
		return;
	memcpy(address, packet->bytes + 12, 4);
	memcpy(packet->bytes + 12, packet->bytes + 16, 4);
	memcpy(packet->bytes + 16, address, 4);
	packet->due = now() + relay->delay;
	relay->count++;
}

static void relay_give(struct relay *relay)
{
	while (relay->count && relay->packets[relay->first].due <= now()) {
		const struct relayed *packet = &relay->packets[relay->first];

		if (write(relay->device, packet->bytes, (size_t)packet->length) != packet->length)
			_exit(1);
		relay->first = (relay->first + 1) % RELAY_PACKETS;
		relay->count--;
	}
}

static void relay_run(struct relay *relay)
{
	struct pollfd ready = { .fd = relay->device, .events = POLLIN };

	for (;;) {
		double wait = relay->count ? relay->packets[relay->first].due - now() : 1;
		struct timespec time = { wait >= 1, wait > 0 && wait < 1 ? (long)(wait * 1e9) : 0 };

		if (ppoll(&ready, 1, &time, NULL) > 0)
			relay_take(relay);
		relay_give(relay);
	}
}

/* In a network namespace of one's own: the relay's pid, or -1. It ends with the thread that made it. */
static pid_t relay_start(double delay, volatile int *lost)
{
	static struct relay relay;
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	pid_t child;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "relay0");
	relay.device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	relay.delay = delay;
	relay.lost = lost;
	if (relay.device < 0 || ioctl(relay.device, TUNSETIFF, &request))
		return -1;
	child = fork();
	if (!child && !prctl(PR_SET_PDEATHSIG, SIGKILL))
		relay_run(&relay);
	return child;
}
