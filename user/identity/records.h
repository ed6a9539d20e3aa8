/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that identity knows, by tgid: a bounded table with two orders, the dead by when they died and the
 * living by when they were last asked for. When it is full the longest dead leaves, then the least recently asked.
 * Texts are shared: ten thousand forks of a server hold one name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash_table.h"

/* A counted string. */
struct shared_text {
	size_t users;
	char text[];
};

/* NULL for "" and when memory is short. */
struct shared_text *shared_text_new(const char *text);
struct shared_text *shared_text_take(struct shared_text *text);
void shared_text_drop(struct shared_text *text);
/* "" for NULL. */
const char *shared_text_get(const struct shared_text *text);

struct record {
	struct hash_node node;
	struct record *newer; /* in its order */
	struct record *older;
	uint32_t tgid;
	bool dead;
	bool titled; /* forks are named by their own titles */
	bool named_by_environment;
	bool asked;           /* for its name, since its service was told of it */
	uint8_t settle_tries; /* so often its container is looked for again */
	uint64_t start_ticks; /* 0: not known */
	uint64_t checked_ns;  /* when /proc last agreed that this is the process */
	uint64_t dead_ns;
	uint64_t settle_ns;             /* with settle_tries: when */
	struct shared_text *name;       /* NULL: unknown */
	struct shared_text *unit;       /* NULL: in none */
	struct shared_text *executable; /* NULL: unknown */
	struct shared_text *place;      /* NULL: in no container */
	struct shared_text *declared;   /* NULL: its environment declares nothing */
	struct shared_text *resource;   /* made when it is asked for; NULL: not yet */
};

struct record_order {
	struct record *newest;
	struct record *oldest;
};

struct records {
	struct hash_table table;
	struct record_order living;
	struct record_order departed;
	struct record *last; /* the one last found */
	uint64_t hash_seed;
	void (*leave)(void *ctx, struct record *record); /* before a record goes; NULL */
	void *leave_ctx;
};

void records_init(struct records *records, size_t limit, uint64_t hash_seed);
void records_done(struct records *records);

/* NULL when unknown. */
struct record *records_find(struct records *records, uint32_t tgid);
/* A living, empty record for a tgid; one that is there is emptied. NULL when memory is short. */
struct record *records_renew(struct records *records, uint32_t tgid);
void records_remove(struct records *records, struct record *record);
/* The record was asked for. */
void records_touch(struct records *records, struct record *record);
void records_bury(struct records *records, struct record *record, uint64_t now_ns);
