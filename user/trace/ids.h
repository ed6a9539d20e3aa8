/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that two observers of one call derive alike, with nothing added to the traffic: from the stream positions at
 * which its request and its response begin. These are TCP's sequence numbers: the same on both ends, through address
 * translation, inside TLS. Every agent must derive the same, of whatever version: never change this.
 */
#pragma once

#include <stdint.h>

#include "model/span.h"

/* The span of the client's end. Never 0. */
uint64_t ids_client_span(uint32_t request_position, uint32_t response_position);
/* The trace of a call that is the first of its trace. Never all zeroes; its last 56 bits are as good as random. */
void ids_trace(uint32_t request_position, uint32_t response_position, uint8_t ret_trace_id[TRACE_ID_BYTES]);
/* Its last eight bytes, as a number. */
uint64_t ids_trace_low(uint32_t request_position, uint32_t response_position);
/* The span of a server's end, which nobody else needs to know: unique in this run of the agent. Never 0. */
uint64_t ids_server_span(uint64_t conn_id, uint32_t request_position, uint64_t seed);

/* Network byte order. */
void ids_write(uint64_t id, uint8_t ret_bytes[SPAN_ID_BYTES]);
uint64_t ids_read(const uint8_t bytes[SPAN_ID_BYTES]);
