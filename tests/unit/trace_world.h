/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of trace share: a trace whose spans are kept, and exchanges made from a few words.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/trace.h"

#define SEEN_MAX 64
#define MS UINT64_C(1000000)

struct seen_span {
	struct span span; /* its pointers are not to be followed, but for these: */
	char name[128];
	char service[64];
	char state[128];
	char attributes[2048]; /* "key=value\n" of each */
};

struct trace_world {
	struct trace_config config;
	struct trace *trace;
	struct endpoint client;
	struct endpoint server;
	uint64_t now_ns;
	enum trace_runtime runtime;
	bool outlier; /* what is said of the exchanges that end */
	struct seen_span seen[SEEN_MAX];
	size_t count;
};

int trace_world_setup(void **state);
int trace_world_teardown(void **state);
/* After changes of world->config. */
void trace_world_restart(struct trace_world *world);

/* A GET of `path`, complete with status 200, whose both ends have the positions (position, 9000 + position). */
struct exchange trace_exchange(struct trace_world *world, enum side side, uint64_t conn_id, uint32_t position,
			       uint32_t tid, const char *path);
void trace_world_begin(struct trace_world *world, const struct exchange *exchange);
void trace_world_end(struct trace_world *world, const struct exchange *exchange);
/* Time passes; 0 lets go of everything that is held. */
void trace_world_pass(struct trace_world *world, uint64_t ns);

/* The value of one of trace's counters: "sonde_trace_parents_total{source=thread}". */
double trace_world_figure(struct trace_world *world, const char *name);
bool span_is_child(const struct seen_span *child, const struct seen_span *parent);
bool span_has(const struct seen_span *span, const char *line);
