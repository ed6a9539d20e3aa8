/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_address and server_port of a client's exchange: what the Host field says, else the remote end of the
 * connection. Pure functions; no name is ever resolved.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/connection.h"
#include "model/exchange.h"

#define PEER_HOST_MAX 253 /* RFC 1035 section 2.3.4: 255 octets on the wire */
#define PEER_TEXT_MAX 324 /* a unix path whose every byte was replaced */

/* Takes "host", "host:port", "[v6]:port" apart, lower-cased and without brackets and user information. Returns the
 * length written (NUL-terminated), 0 when this is no host; *ret_port is 0 when there is none. */
size_t peer_from_host(struct text host, char out[PEER_TEXT_MAX + 1], uint16_t *ret_port);

/* The endpoint's own address in text, IPv4-mapped as IPv4, a unix socket's path. 0 when it has none. */
size_t peer_from_endpoint(const struct endpoint *endpoint, char out[PEER_TEXT_MAX + 1]);
