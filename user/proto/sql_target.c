/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of tables: [schema .] name where sql_scan.c expects one. A name with a parenthesis behind it is a function
 * unless the table's columns may stand there; the names of WITH are no tables. Quoted names keep their quotes in the
 * summary (the conventions' own examples do) and lose them in the collection.
 */
#include <ctype.h>
#include <string.h>

#include "proto/sql_keyword.h"

/* FNV-1a, of folded case: enough to know a name again. */
static uint64_t hash_name(struct text name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.length; i++)
		hash = (hash ^ (uint64_t)tolower((unsigned char)name.data[i])) * UINT64_C(0x100000001b3);
	return hash;
}

void sql_target_cte(struct sql_scan *scan, struct text name)
{
	if (scan->cte_count < SQL_CTES_MAX)
		scan->ctes[scan->cte_count++] = hash_name(name);
}

static bool is_cte(const struct sql_scan *scan, struct text name)
{
	uint64_t hash = hash_name(name);

	for (size_t i = 0; i < scan->cte_count; i++) {
		if (scan->ctes[i] == hash)
			return true;
	}
	return false;
}

static void keep_collection(struct sql_scan *scan)
{
	for (size_t i = 0; i < scan->target_length; i++) {
		if (scan->target[i] != '"')
			scan->collection[scan->collection_length++] = scan->target[i];
	}
}

void sql_target_end(struct sql_scan *scan, bool open)
{
	struct text name = { scan->target, scan->target_length };
	bool routine = scan->expect == EXPECT_ROUTINE;

	if (scan->target_state == TARGET_NONE)
		return;
	scan->target_state = TARGET_NONE;
	scan->expect = EXPECT_NOTHING;
	if ((open && scan->target_tabular) || is_cte(scan, name))
		return;
	sql_summarise(scan, name.data, name.length);
	if (scan->collection_length == 0 && !routine)
		keep_collection(scan);
}

/* False: it does not fit, and what is cut would be another name. */
static bool append(struct sql_scan *scan, const struct sql_token *token)
{
	size_t quotes = token->kind == SQL_QUOTED ? 2 : 0;
	char *to = scan->target + scan->target_length;

	if (token->cut || scan->target_length + token->text.length + quotes > SQL_COLLECTION_MAX)
		return false;
	if (quotes)
		*to++ = '"';
	memcpy(to, token->text.data, token->text.length);
	if (quotes)
		to[token->text.length] = '"';
	scan->target_length = (uint8_t)(scan->target_length + token->text.length + quotes);
	return true;
}

static void drop(struct sql_scan *scan)
{
	scan->target_state = TARGET_NONE;
	scan->expect = EXPECT_NOTHING;
}

/* Words that may stand between what announces a table and its name. */
static bool is_passed_over(const struct sql_scan *scan, enum sql_keyword keyword)
{
	switch (keyword) {
	case KEY_ONLY:
	case KEY_LATERAL:
	case KEY_IF:
	case KEY_NOT:
	case KEY_EXISTS:
	case KEY_CONCURRENTLY:
	case KEY_FULL:
	case KEY_FREEZE:
	case KEY_VERBOSE:
	case KEY_MATERIALIZED:
		return true;
	case KEY_TABLE:
	case KEY_VIEW:
	case KEY_ANALYZE:
		return scan->expect == EXPECT_TABLE;
	default:
		return false;
	}
}

/* Names of statements and objects may be names of tables as well, but for these (documentation, appendix C). */
static bool is_reserved(enum sql_keyword keyword)
{
	if (keyword == KEY_NONE)
		return false;
	if (keyword < KEY_STATEMENTS_END)
		return keyword == KEY_SELECT || keyword == KEY_FETCH || keyword == KEY_DO || keyword == KEY_GRANT ||
		       keyword == KEY_SET || keyword == KEY_INSERT || keyword == KEY_UPDATE || keyword == KEY_DELETE;
	if (keyword < KEY_OBJECTS_END)
		return keyword == KEY_TABLE || keyword == KEY_USER || keyword == KEY_GROUP || keyword == KEY_DEFAULT;
	return keyword != KEY_START && keyword != KEY_ABORT && keyword != KEY_PROGRAM && keyword != KEY_STDIN;
}

static bool continues(struct sql_scan *scan, const struct sql_token *token)
{
	bool is_name = token->kind == SQL_WORD || token->kind == SQL_QUOTED;
	char mark = token->kind == SQL_MARK ? token->text.data[0] : '\0';

	if (scan->target_state == TARGET_DOT && is_name) {
		if (append(scan, token))
			scan->target_state = TARGET_NAME;
		else
			drop(scan);
		return true;
	}
	if (scan->target_state == TARGET_DOT) {
		drop(scan);
		return false;
	}
	if (mark == '.' && scan->target_length < SQL_COLLECTION_MAX) {
		scan->target[scan->target_length++] = '.';
		scan->target_state = TARGET_DOT;
		return true;
	}
	sql_target_end(scan, mark == '(');
	return false;
}

bool sql_target_takes(struct sql_scan *scan, const struct sql_token *token, enum sql_keyword keyword)
{
	if (scan->target_state != TARGET_NONE)
		return continues(scan, token);
	if (scan->expect == EXPECT_NOTHING || scan->expect == EXPECT_INTO || scan->expect == EXPECT_INDEX_ON ||
	    scan->expect_depth != scan->depth)
		return false;
	if (token->kind == SQL_WORD && is_passed_over(scan, keyword))
		return true;
	if (token->kind == SQL_WORD && is_reserved(keyword))
		return false;
	scan->target_length = 0;
	scan->target_tabular = scan->expect == EXPECT_SOURCE || scan->expect == EXPECT_USING;
	scan->target_state = TARGET_NAME;
	if (!append(scan, token))
		drop(scan);
	return true;
}
