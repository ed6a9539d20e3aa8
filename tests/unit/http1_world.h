/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1 connection for tests of the parser's contract: positions and peer positions follow by themselves, what the
 * parser tells is written down. Golden cases show what comes out of sound bytes; these tests show what feed answers.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/proto.h"

#define HTTP1_SEEN_MAX 2100

struct http1_seen {
	struct exchange exchange;
	char path[1100];
	char host[300];
};

struct http1_world {
	void *state;
	struct proto_sink sink;
	struct stream_losses losses;
	struct http1_seen *seen; /* owned */
	size_t seen_count;
	uint64_t asked[64]; /* skip_until, as bytes from the flow's start */
	size_t asked_count;
	int active;
	int active_max;
	uint64_t now_ns; /* goes on by 10 with each chunk */
	uint32_t start[2];
	uint64_t offset[2]; /* bytes taken */
	uint32_t tgid;
	size_t consumed; /* of the last feed */
	bool blind;      /* peer_position is not told */
	bool no_wait;
};

/* Both flows begin at `start`. */
void http1_world_init(struct http1_world *world, uint32_t start);
void http1_world_done(struct http1_world *world);
/* Offers bytes; moves on by what was taken. */
enum proto_status http1_world_bytes(struct http1_world *world, enum proto_flow flow, const char *bytes, size_t length);
enum proto_status http1_world_text(struct http1_world *world, enum proto_flow flow, const char *text);
enum proto_status http1_world_gap(struct http1_world *world, enum proto_flow flow, size_t length);
void http1_world_close(struct http1_world *world, enum connection_end_reason reason);

#define request(world, text) assert_int_equal(http1_world_text(world, FLOW_REQUEST, text), PROTO_OK)
#define response(world, text) assert_int_equal(http1_world_text(world, FLOW_RESPONSE, text), PROTO_OK)
