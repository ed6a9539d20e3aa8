/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings to dense ids and back, so that a series' key is a few integers. Ids count their users: a string leaves with
 * the last one, and its id is given again. Id 0 is the empty string and is always there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/hash_table.h"

#define INTERN_EMPTY 0

struct intern_entry;

struct intern {
	struct hash_table table;
	struct intern_entry **entries; /* by id - 1; owned */
	uint32_t entry_count;          /* ids ever given */
	uint32_t capacity;
	uint32_t free_id; /* first of the chain of ids to be given again; 0: none */
	uint64_t seed;
};

/* Keeps at most `limit` strings. Allocates nothing yet. */
void intern_init(struct intern *intern, uint32_t limit, uint64_t seed);
/* Frees all strings, used or not. */
void intern_done(struct intern *intern);

/* The id of these bytes, with one more user. -ENOSPC at the limit, -ENOMEM. */
MUST_CHECK int intern_acquire(struct intern *intern, const char *bytes, size_t length, uint32_t *ret_id);
/* One more, one fewer user of an id that has users. */
void intern_retain(struct intern *intern, uint32_t id);
void intern_release(struct intern *intern, uint32_t id);

/* NUL-terminated; valid while the id has users. */
const char *intern_text(const struct intern *intern, uint32_t id);
