/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of SQL that matter to sql_*.c, and the operations that they name. Included by sql_*.c only.
 */
#pragma once

#include "proto/sql.h"

/* The formatter would make a staircase of them. */
/* clang-format off */
/* Words that begin a statement, each with an operation of its own name. */
#define SQL_STATEMENTS(X)                                                                                              \
	X(SELECT)                                                                                                      \
	X(INSERT)                                                                                                      \
	X(UPDATE)                                                                                                      \
	X(DELETE) X(MERGE) X(COPY) X(BEGIN) X(COMMIT) X(ROLLBACK) X(SAVEPOINT) X(RELEASE) X(SET) X(SHOW) X(RESET)      \
		X(EXPLAIN) X(PREPARE) X(EXECUTE) X(DEALLOCATE) X(DECLARE) X(FETCH) X(MOVE) X(CLOSE) X(LISTEN)          \
			X(UNLISTEN) X(NOTIFY) X(LOCK) X(TRUNCATE) X(VACUUM) X(ANALYZE) X(CALL) X(DO) X(GRANT)          \
				X(REVOKE) X(COMMENT) X(CHECKPOINT) X(CLUSTER) X(REINDEX) X(DISCARD) X(REFRESH) X(LOAD) \
					X(IMPORT) X(REASSIGN) X(SECURITY)

/* What CREATE, ALTER and DROP are about. */
#define SQL_OBJECTS(X)                                                                                             \
	X(TABLE)                                                                                                   \
	X(INDEX)                                                                                                   \
	X(VIEW)                                                                                                    \
	X(SEQUENCE) X(SCHEMA) X(DATABASE) X(FUNCTION) X(PROCEDURE) X(TRIGGER) X(TYPE) X(EXTENSION) X(ROLE) X(USER) \
		X(GROUP) X(POLICY) X(RULE) X(DOMAIN) X(AGGREGATE) X(OPERATOR) X(CAST) X(COLLATION) X(CONVERSION)   \
			X(TABLESPACE) X(PUBLICATION) X(SUBSCRIPTION) X(SERVER) X(LANGUAGE) X(STATISTICS) X(SYSTEM) \
				X(TEXT) X(ACCESS) X(TRANSFORM) X(ROUTINE) X(DEFAULT) X(OWNED)

/* Other words that say where tables stand, or where a list of them ends. */
#define SQL_OTHERS(X)                                                                                              \
	X(CREATE)                                                                                                  \
	X(ALTER)                                                                                                   \
	X(DROP)                                                                                                    \
	X(END) X(ABORT) X(START) X(VALUES) X(WITH) X(FROM) X(JOIN) X(INTO) X(USING) X(ON) X(AS) X(WHERE) X(HAVING) \
		X(ORDER) X(LIMIT) X(OFFSET) X(UNION) X(EXCEPT) X(INTERSECT) X(WINDOW) X(FOR) X(RETURNING) X(WHEN)  \
			X(THEN) X(TO) X(ONLY) X(LATERAL) X(IF) X(NOT) X(EXISTS) X(CONCURRENTLY) X(FULL) X(FREEZE)  \
				X(VERBOSE) X(DISTINCT) X(IS) X(RECURSIVE) X(MATERIALIZED) X(CASE) X(IN) X(TRUE)    \
					X(FALSE) X(LEFT) X(RIGHT) X(INNER) X(CROSS) X(NATURAL) X(STDIN) X(PROGRAM)

/* clang-format on */
enum sql_keyword {
	KEY_NONE,
#define X(WORD) KEY_##WORD,
	SQL_STATEMENTS(X)
#undef X
	KEY_STATEMENTS_END,
#define X(WORD) KEY_##WORD,
	SQL_OBJECTS(X)
#undef X
	KEY_OBJECTS_END,
#define X(WORD) KEY_##WORD,
	SQL_OTHERS(X)
#undef X
	KEY_COUNT,
};

_Static_assert(KEY_COUNT < 200, "tokens that are no keywords come behind, in a byte");

/* KEY_NONE: an identifier, or a keyword that does not matter. */
enum sql_keyword sql_keyword_of(struct text word);

/* What a keyword does at the begin of a statement; 0: it begins none. */
sql_operation sql_statement_operation(enum sql_keyword keyword);
/* `verb` is KEY_CREATE, KEY_ALTER or KEY_DROP; an object of KEY_NONE: not known which. */
sql_operation sql_object_operation(enum sql_keyword verb, enum sql_keyword object);

/* sql_target.c: names of tables among the words of a statement. */
enum sql_expect {
	EXPECT_NOTHING,
	EXPECT_SOURCE,   /* a table; with a parenthesis behind it a function, in parentheses a query or a join */
	EXPECT_USING,    /* likewise; but parentheses are not for it */
	EXPECT_TABLE,    /* a table; a parenthesis behind it opens its list of columns */
	EXPECT_INTO,     /* INTO, then a table */
	EXPECT_INDEX_ON, /* ON, then a table */
	EXPECT_ROUTINE,  /* a procedure: for the summary only */
};

/* Tokens before, where they are no keywords. */
enum sql_before {
	BEFORE_OPEN = 200, /* ( */
	BEFORE_CLOSE,      /* ) */
	BEFORE_OTHER,
};

enum sql_target_state {
	TARGET_NONE,
	TARGET_NAME, /* a name stands, a dot may follow */
	TARGET_DOT,  /* a dot stands, a name must follow */
};

/* One bit for each depth; none for those that nobody writes. */
static inline uint64_t sql_level(unsigned int depth)
{
	return depth < 64 ? UINT64_C(1) << depth : 0;
}

static inline void sql_expect(struct sql_scan *scan, enum sql_expect expect)
{
	scan->expect = (uint8_t)expect;
	scan->expect_depth = scan->depth;
}

/* Adds a word to the summary, unless it does not fit: then nothing more is added. */
void sql_summarise(struct sql_scan *scan, const char *text, size_t length);
/* True: the token is part of a table's name, and of nothing else. */
bool sql_target_takes(struct sql_scan *scan, const struct sql_token *token, enum sql_keyword keyword);
/* The name at hand is whole; `open`: a parenthesis follows. */
void sql_target_end(struct sql_scan *scan, bool open);
/* The name of a WITH query: not a table. */
void sql_target_cte(struct sql_scan *scan, struct text name);
