/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ids.h. 64 bits of positions are spread over the ids by splitmix64 (Steele, Lea, Flood: "Fast Splittable
 * Pseudorandom Number Generators", 2014), a bijection: two calls have one client span id only when both their sequence
 * numbers are equal.
 */
#include "trace/ids.h"

#include <endian.h>
#include <string.h>

#define GAMMA UINT64_C(0x9e3779b97f4a7c15)
#define STREAM_SPAN 1
#define STREAM_TRACE_HIGH 2
#define STREAM_TRACE_LOW 3

static uint64_t splitmix64(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint64_t key_of(uint32_t request_position, uint32_t response_position)
{
	return splitmix64(((uint64_t)request_position << 32 | response_position) + GAMMA);
}

static uint64_t derive(uint64_t key, uint64_t stream)
{
	uint64_t value = splitmix64(key + stream * GAMMA);

	return value ? value : GAMMA;
}

uint64_t ids_client_span(uint32_t request_position, uint32_t response_position)
{
	return derive(key_of(request_position, response_position), STREAM_SPAN);
}

uint64_t ids_trace_low(uint32_t request_position, uint32_t response_position)
{
	return derive(key_of(request_position, response_position), STREAM_TRACE_LOW);
}

void ids_trace(uint32_t request_position, uint32_t response_position, uint8_t ret_trace_id[TRACE_ID_BYTES])
{
	uint64_t key = key_of(request_position, response_position);

	ids_write(derive(key, STREAM_TRACE_HIGH), ret_trace_id);
	ids_write(derive(key, STREAM_TRACE_LOW), ret_trace_id + SPAN_ID_BYTES);
}

uint64_t ids_server_span(uint64_t conn_id, uint32_t request_position, uint64_t seed)
{
	uint64_t value = splitmix64(splitmix64(conn_id + seed + GAMMA) ^ ((uint64_t)request_position + 1) * GAMMA);

	return value ? value : GAMMA;
}

void ids_write(uint64_t id, uint8_t ret_bytes[SPAN_ID_BYTES])
{
	uint64_t big = htobe64(id);

	memcpy(ret_bytes, &big, sizeof(big));
}

uint64_t ids_read(const uint8_t bytes[SPAN_ID_BYTES])
{
	uint64_t big;

	memcpy(&big, bytes, sizeof(big));
	return be64toh(big);
}
