/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HOST:PORT as --web.listen-address takes it: checked here, resolved by who binds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define ADDRESS_HOST_SIZE 256 /* the longest DNS name and its NUL */

/*
 * "HOST:PORT", "[IPV6]:PORT" ("[fe80::1%eth0]:80" too) or ":PORT". The host, without brackets, "" when there is none,
 * goes to ret_host. Port 0 is allowed: the kernel chooses. -EINVAL.
 */
MUST_CHECK int address_split(const char *text, char ret_host[ADDRESS_HOST_SIZE], uint16_t *ret_port);
