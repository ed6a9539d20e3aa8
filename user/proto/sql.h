/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text to what may be told of it: the operation, the first table, a summary without literals, and the text itself
 * with its literals taken out. Lexical rules are PostgreSQL's (documentation, section 4.1). Text comes in pieces of any
 * size and is never kept: what is kept is a word at a time. Pure, no allocation.
 *   sql_lexer.c     bytes to tokens
 *   sql_keyword.c   words that matter
 *   sql_scan.c      tokens to statements; sql_target.c: which of their names are tables
 *   sql_sanitise.c  tokens to text again
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/exchange.h"

#define SQL_TEXT_MAX 128       /* bytes of a word, quoted identifier or dollar tag that are kept */
#define SQL_COLLECTION_MAX 127 /* schema and table: names have at most 63 bytes (NAMEDATALEN) */
#define SQL_SUMMARY_MAX 255    /* db.query.summary, by OpenTelemetry's conventions */
#define SQL_CTES_MAX 8         /* names of WITH that are known not to be tables */

/* --- tokens */
enum sql_token_kind {
	SQL_WORD,      /* keyword or identifier, as written */
	SQL_QUOTED,    /* "identifier", without the quotes; "" inside is " */
	SQL_LITERAL,   /* string, number, bit string: its text is not told */
	SQL_PARAMETER, /* $1: text is the digits */
	SQL_MARK,      /* any other byte */
};

struct sql_token {
	enum sql_token_kind kind;
	bool spaced; /* white space or a comment stands before it */
	bool cut;    /* longer than SQL_TEXT_MAX: the rest is not in `text` */
	struct text text;
};

/* Whether a backslash in '...' escapes what follows: the server's standard_conforming_strings. */
enum sql_strings {
	SQL_STRINGS_UNKNOWN, /* where it would matter, nothing more is told of the text */
	SQL_STRINGS_STANDARD,
	SQL_STRINGS_ESCAPE,
};

typedef void (*sql_token_sink)(void *ctx, const struct sql_token *token);

struct sql_lexer {
	uint8_t state;
	uint8_t length;  /* of text */
	uint8_t matched; /* bytes of the closing dollar tag seen */
	bool spaced;
	bool cut;
	bool escapes;      /* the string at hand, or the one just ended, has backslash escapes */
	bool line_ended;   /* since the last token: a string that follows continues the one before */
	uint8_t strings;   /* enum sql_strings */
	uint32_t comments; /* nesting of block comments */
	char text[SQL_TEXT_MAX];
};

void sql_lexer_init(struct sql_lexer *lexer, enum sql_strings strings);
void sql_lexer_feed(struct sql_lexer *lexer, const char *bytes, size_t length, sql_token_sink sink, void *ctx);
/* The text ends: what was open is told. */
void sql_lexer_end(struct sql_lexer *lexer, sql_token_sink sink, void *ctx);

/* --- statements */
/* What a statement does: "SELECT", "CREATE TABLE"; in a byte. 0: not known. */
typedef uint8_t sql_operation;

/* NULL for 0. */
const char *sql_operation_text(sql_operation operation);

struct sql_facts {
	sql_operation operation;
	struct text collection; /* the first table, as written but for quotes; may be empty */
	struct text summary;    /* operations and tables in the order and case of the text; may be empty */
	struct text text;       /* the statement, sanitised, where the scan has a writing for it; else empty */
};

typedef void (*sql_statement_sink)(void *ctx, const struct sql_facts *facts);

/* --- text again
 * Literals, booleans among them, become `?`; lists of them behind IN become `(?)`; comments go, white space becomes one
 * blank. Parameters stay. What does not fit is left out from there on; a token is never cut. */
struct sql_writing {
	char *out;
	size_t size;
	size_t length;
	bool full;
	uint8_t list;
};

void sql_writing_init(struct sql_writing *writing, char *out, size_t size);
void sql_write(struct sql_writing *writing, const struct sql_token *token);

struct sql_scan {
	struct sql_lexer lexer;
	sql_statement_sink sink;
	void *ctx;
	struct sql_writing *writing; /* borrowed: where the statement at hand is written; NULL after sql_scan_init */
	sql_operation operation;
	uint8_t verb;     /* enum sql_keyword: CREATE, ALTER or DROP whose object has not come */
	uint8_t previous; /* the token before: enum sql_keyword, or one of enum sql_before */
	uint8_t before;   /* the one before that */
	uint8_t expect;   /* enum sql_expect */
	uint8_t target_state;
	uint8_t target_length;
	uint8_t collection_length;
	uint8_t summary_length;
	uint8_t cte_count;
	bool any;            /* the statement has a token */
	bool cte_comes;      /* the next word is the name of a WITH query */
	bool target_tabular; /* what is followed by a parenthesis is a function */
	bool summary_full;
	uint16_t depth; /* of parentheses */
	uint16_t expect_depth;
	uint16_t blocks;             /* BEGIN ATOMIC and CASE inside of it */
	uint64_t queries;            /* by depth: a query stands there */
	uint64_t sources;            /* ... and what stands there is its list of tables */
	uint64_t withs;              /* ... and what stands there is a list of WITH */
	uint64_t ctes[SQL_CTES_MAX]; /* hashes of names */
	char target[SQL_COLLECTION_MAX + 1];
	char collection[SQL_COLLECTION_MAX];
	char summary[SQL_SUMMARY_MAX];
};

/* `sink` is called at the end of each statement that is not empty. */
void sql_scan_init(struct sql_scan *scan, enum sql_strings strings, sql_statement_sink sink, void *ctx);
void sql_scan_feed(struct sql_scan *scan, const char *bytes, size_t length);
void sql_scan_end(struct sql_scan *scan);

/* The operation that a text begins with: of a command tag, for instance. */
sql_operation sql_operation_of(const char *text, size_t length);

/* Returns the length written, at most `size`. */
size_t sql_sanitise(const char *text, size_t length, enum sql_strings strings, char *out, size_t size);
