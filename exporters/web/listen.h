/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets from HOST:PORT texts. Says in words what went wrong and what to do.
 */
#pragma once

#include <netinet/in.h>

#include "exporters/web/web.h"

struct listener {
	int fd;
	char address[WEB_ADDRESS_SIZE]; /* as bound */
};

/* One address text: its parts. */
struct listen_address {
	char host[256]; /* "" for every address; without brackets */
	char port[6];   /* decimal, 0 to 65535 */
};

/* -EINVAL. */
MUST_CHECK int listen_address_parse(const char *text, struct listen_address *ret_address);

/* Opens the sockets of one address text, non-blocking, adding to the `*count` (at most WEB_LISTENERS_MAX) there are.
 * The caller closes what was added, after a failure too. A host with several addresses is content with those that the
 * machine has; an address in use is always an error. */
MUST_CHECK int listen_open(const char *text, struct listener *listeners, size_t *count,
			   struct exporter_error *ret_error);
