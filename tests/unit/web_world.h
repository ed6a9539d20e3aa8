/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for the web server: a snapshot of adjustable size, a clock that stands still until told, and clients whose
 * sockets are served by the same thread, so that nothing in a test depends on timing.
 */
#pragma once

#include <stdbool.h>

#include "exporters/web/web.h"

struct web_world {
	struct web *web;
	struct snapshot snapshot;
	uint64_t now_ns;
	size_t samples; /* of the one family that the snapshot has */
	size_t refreshes;
	struct web_check checks[WEB_CHECKS_MAX];
	size_t check_count;
};

/* An answer, split. Both parts are NUL-terminated and owned. */
struct web_answer {
	unsigned int status; /* 0: the connection ended without an answer */
	char *head;
	char *body;
	size_t body_length;
};

/* A configuration for this world on 127.0.0.1, with no more than the defaults. */
struct web_config web_world_config(struct web_world *world);
/* Starts the server; fails the test when it cannot. */
void web_world_start(struct web_world *world, const struct web_config *config);
void web_world_stop(struct web_world *world);

/* Lets the server do all that it can do now. */
void web_world_settle(struct web_world *world);
/* Settles, lets time pass, settles. */
void web_world_pass(struct web_world *world, uint64_t ns);

/* A connected non-blocking socket. receive_buffer: SO_RCVBUF in bytes, 0 for the default. */
int web_client_connect(struct web_world *world, int receive_buffer);
/* Sends all of the text while the server runs. */
void web_client_send(struct web_world *world, int fd, const char *text);
/* Reads one answer while the server runs: to its Content-Length, or to the end of the stream. head_only: to a HEAD. */
struct web_answer web_client_receive(struct web_world *world, int fd, bool head_only);
/* Whether the server has ended the connection and nothing is left to read. */
bool web_client_ended(struct web_world *world, int fd);
/* One request on its own connection. `fields` are header lines, each with its CRLF. */
struct web_answer web_ask(struct web_world *world, const char *method, const char *path, const char *fields);
void web_answer_done(struct web_answer *answer);
/* The value of a header field, by its name as the server writes it; "" when there is none. Valid until the next call.
 */
const char *web_answer_field(const struct web_answer *answer, const char *name);
