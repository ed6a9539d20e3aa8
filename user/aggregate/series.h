/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label sets and the budget on them. A series is a record that begins with struct series, found by a key of interned
 * ids; a table holds those of one metric (or of several that share their label sets). Beyond the table's limit, or
 * without memory, everything goes to one overflow record, which is counted, so that sums stay right.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregate/intern.h"
#include "base/cleanup.h"
#include "base/hash_table.h"

#define SERIES_RECENT 128 /* a power of two */

/* Interned strings of a key, in the order of series_key.ids. */
#define SERIES_KEY_IDS 7

/* Compared as bytes: no padding. Zero is "label absent" wherever the label may be. */
struct series_key {
	union {
		struct {
			uint32_t service;
			uint32_t address;
			union {
				uint32_t route;     /* HTTP */
				uint32_t operation; /* databases, as the four below */
			};
			uint32_t name_space;
			uint32_t collection;
			uint32_t summary;
			uint32_t code; /* the database's own status */
		};
		uint32_t ids[SERIES_KEY_IDS];
	};
	uint16_t port;
	uint16_t status;
	uint8_t method;
	uint8_t version;
	uint8_t error;
	uint8_t reason;
	uint8_t protocol;
	uint8_t failed; /* the database answered with an error */
	uint8_t tls;    /* enum tls_version */
	uint8_t zero;
};
_Static_assert(sizeof(struct series_key) == 40, "whole words and no padding in what is compared and hashed");
_Static_assert(offsetof(struct series_key, code) == (SERIES_KEY_IDS - 1) * sizeof(uint32_t), "ids name every string");

struct series {
	struct hash_node node;
	struct series_key key;
	bool touched;           /* since the last expiry */
	uint64_t idle_since_ns; /* time of the last expiry that found it touched */
};

struct series_kind {
	size_t record_size;
	void (*init)(struct series *series);       /* NULL: zeroed is right */
	void (*done)(struct series *series);       /* NULL: holds nothing */
	bool (*idle)(const struct series *series); /* false keeps it whatever its age; NULL: always true */
};

struct series_table {
	struct hash_table table;
	const struct series_kind *kind;
	struct intern *intern;   /* borrowed */
	struct series *overflow; /* owned, always there */
	uint64_t overflowed;     /* observations that went there */
	uint64_t expired;        /* series that left */
	uint64_t seed;
	struct series *recent[SERIES_RECENT]; /* by a cheaper hash: spares most lookups in the table */
};

/* -ENOMEM. */
MUST_CHECK int series_table_init(struct series_table *table, const struct series_kind *kind, size_t limit,
				 struct intern *intern, uint64_t seed);
/* Takes a table that was never initialised (zeroed). */
void series_table_done(struct series_table *table);

/* The record of this key, made if need be; the overflow record (counted) when it cannot be made. Never NULL. A new
 * series takes its own use of the key's ids. */
struct series *series_table_get(struct series_table *table, const struct series_key *key);
/* NULL when there is none. Does not count as use. */
struct series *series_table_find(struct series_table *table, const struct series_key *key);
struct series *series_table_overflow(struct series_table *table);

/* Lets series go that were not used for idle_ns, counted from the first call after the last use. */
void series_table_expire(struct series_table *table, uint64_t now_ns, uint64_t idle_ns);
/* Iterates: NULL starts, NULL ends. Without the overflow record. */
const struct series *series_table_next(const struct series_table *table, const struct series *series);
