/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of all network devices in one answer (RTM_GETLINK of linux/rtnetlink.h), asked once in a scrape
 * for all collectors that want it.
 */
#pragma once

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct host;

/* Zeroed before its first use. */
struct links {
	int fd; /* plus one */
	uint32_t sequence;
	uint64_t scrape; /* that the messages are of */
	char *messages;  /* owned */
	size_t length, capacity;
};

/* The callback is given each device's message, which lasts until the next scrape; what it returns other than 0 ends the
 * walk and is returned. */
MUST_CHECK int links_each(struct host *host, int (*each)(void *ctx, struct nlmsghdr *message), void *ctx);
void links_done(struct links *links);
