/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scene for tests of the join: connections that records cross, sessions that speak the fake protocol of
 * stream_world.h, and what the join asks for.
 */
#pragma once

#include "stream/tls.h"
#include "stream_world.h"

#define HOLD_NS 1000000
#define TLS(n) (PLAIN_ID_BIT | (n))

struct scene_skip {
	uint64_t tls_id;
	enum direction direction;
	uint32_t position;
};

struct scene {
	struct world world;
	struct stream_table *streams;
	struct tls_table *tls;
	struct tls_handshake handshakes[8];
	size_t handshake_count;
	uint64_t unjoined;
	uint64_t joined[8], forgotten[8], session_mutes[8];
	size_t joined_count, forgotten_count, session_mute_count;
	struct scene_skip skip;   /* the last one */
	uint32_t positions[8][2]; /* of connections */
	uint32_t plain[8][2];     /* of sessions */
	uint64_t entered_ns;
};

void scene_begin(struct scene *scene);
void scene_finish(struct scene *scene);
void scene_open_conn(struct scene *scene, uint64_t conn_id);
/* A record of `length` bytes whose last ones are `mark`. */
void scene_cross(struct scene *scene, uint64_t conn_id, enum direction direction, uint32_t tid, uint8_t type,
		 size_t length, uint8_t mark);
void scene_hello(struct scene *scene, uint64_t conn_id);
/* In clear, on the connection itself. */
void scene_speak(struct scene *scene, uint64_t conn_id, enum direction direction, const char *text);
/* The next call begins now. */
void scene_enter(struct scene *scene);
/* Plaintext of a session, not told yet: for what say() does not set. */
struct plain_segment scene_plain(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid,
				 const char *text);
void scene_say(struct scene *scene, unsigned int session, enum direction direction, uint32_t tid, const char *text);
void scene_end_conn(struct scene *scene, uint64_t conn_id);
/* The exchange is on this connection; 0: on none that is known. */
void scene_peer(const struct scene *scene, size_t index, uint64_t conn_id);
