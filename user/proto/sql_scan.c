/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens to statements: where one ends, what it does, its summary. This is no grammar: it knows where the words that
 * matter may stand, and where in doubt it leaves a name out. Statements end at a semicolon outside of parentheses
 * (CREATE RULE has some inside) and of BEGIN ATOMIC ... END, the body of a function in SQL (CREATE FUNCTION).
 */
#include <string.h>

#include "proto/sql_keyword.h"

static void begin_statement(struct sql_scan *scan)
{
	scan->operation = scan->verb = 0;
	scan->previous = scan->before = KEY_NONE;
	scan->expect = EXPECT_NOTHING;
	scan->target_state = TARGET_NONE;
	scan->target_length = scan->collection_length = scan->summary_length = scan->cte_count = 0;
	scan->any = scan->cte_comes = scan->target_tabular = scan->summary_full = false;
	scan->depth = scan->expect_depth = scan->blocks = 0;
	scan->queries = scan->sources = scan->withs = 0;
}

static void end_statement(struct sql_scan *scan)
{
	struct sql_facts facts;

	sql_target_end(scan, false);
	facts = (struct sql_facts){
		.operation = scan->operation,
		.collection = { scan->collection, scan->collection_length },
		.summary = { scan->summary, scan->summary_length },
	};
	if (scan->writing) {
		facts.text = (struct text){ scan->writing->out, scan->writing->length };
		sql_writing_init(scan->writing, scan->writing->out, scan->writing->size);
	}
	if (scan->any)
		scan->sink(scan->ctx, &facts);
	begin_statement(scan);
}

/* Conventions: the summary is cut between its words, never inside one. */
void sql_summarise(struct sql_scan *scan, const char *text, size_t length)
{
	size_t blank = scan->summary_length > 0 ? 1 : 0;

	if (scan->summary_full || scan->summary_length + blank + length > SQL_SUMMARY_MAX) {
		scan->summary_full = true;
		return;
	}
	if (blank)
		scan->summary[scan->summary_length++] = ' ';
	memcpy(scan->summary + scan->summary_length, text, length);
	scan->summary_length = (uint8_t)(scan->summary_length + length);
}

/* Words behind which INSERT, UPDATE, DELETE and MERGE begin a query of their own: not FOR UPDATE, ON DELETE, THEN
 * INSERT, GRANT SELECT. */
static bool query_may_begin(const struct sql_scan *scan)
{
	switch (scan->previous) {
	case KEY_NONE:
		return !scan->operation && !scan->verb;
	case KEY_AS:
	case KEY_EXPLAIN:
	case KEY_ANALYZE:
	case KEY_VERBOSE:
	case BEFORE_OPEN:
	case BEFORE_CLOSE:
		return true;
	default:
		return false;
	}
}

static bool select_may_begin(const struct sql_scan *scan)
{
	bool is_query = !scan->verb && scan->operation < KEY_STATEMENTS_END && scan->operation != KEY_GRANT &&
			scan->operation != KEY_REVOKE;

	return is_query || scan->previous == KEY_AS || scan->previous == BEFORE_OPEN ||
	       scan->withs & sql_level(scan->depth);
}

/* SELECT, INSERT, UPDATE, DELETE or MERGE as the begin of a query, at whatever depth. */
static void begin_query(struct sql_scan *scan, enum sql_keyword keyword, struct text word)
{
	uint64_t level = sql_level(scan->depth);

	sql_summarise(scan, word.data, word.length);
	scan->withs &= ~level;
	scan->sources &= ~level;
	scan->queries |= level;
	scan->cte_comes = false;
	/* What stands inside of WITH is not what the statement does. */
	if (!scan->operation && !scan->withs)
		scan->operation = sql_statement_operation(keyword);
	if (keyword == KEY_INSERT || keyword == KEY_MERGE)
		sql_expect(scan, EXPECT_INTO);
	else
		sql_expect(scan, keyword == KEY_UPDATE ? EXPECT_TABLE : EXPECT_NOTHING);
}

/* WITH begins a query only where a query may begin: not TIMESTAMP WITH TIME ZONE, COPY ... WITH (...). */
static bool begin_with(struct sql_scan *scan)
{
	bool starts = query_may_begin(scan) && scan->previous != BEFORE_CLOSE;

	if (!starts && scan->operation != KEY_INSERT)
		return false;
	scan->withs |= sql_level(scan->depth);
	scan->cte_comes = true;
	scan->expect = EXPECT_NOTHING;
	return true;
}

static void expect_by_statement(struct sql_scan *scan, enum sql_keyword keyword)
{
	switch (keyword) {
	case KEY_COPY:
	case KEY_TRUNCATE:
	case KEY_LOCK:
	case KEY_VACUUM:
	case KEY_ANALYZE:
	case KEY_TABLE:
		sql_expect(scan, EXPECT_TABLE);
		break;
	case KEY_CALL:
		sql_expect(scan, EXPECT_ROUTINE);
		break;
	case KEY_REFRESH: /* MATERIALIZED VIEW is passed over */
		sql_expect(scan, EXPECT_TABLE);
		break;
	default:
		break;
	}
}

/* The first word. */
static void begin_by(struct sql_scan *scan, enum sql_keyword keyword, struct text word)
{
	if (keyword == KEY_CREATE || keyword == KEY_ALTER || keyword == KEY_DROP) {
		scan->verb = (uint8_t)keyword;
		scan->operation = sql_object_operation(keyword, KEY_NONE);
		sql_summarise(scan, word.data, word.length);
		return;
	}
	scan->operation = sql_statement_operation(keyword);
	if (!scan->operation)
		return;
	sql_summarise(scan, word.data, word.length);
	expect_by_statement(scan, keyword);
}

/* CREATE [ OR REPLACE ] [ UNIQUE ] ... OBJECT: the first word that is one. */
static void find_object(struct sql_scan *scan, enum sql_keyword keyword, struct text word)
{
	enum sql_keyword verb = (enum sql_keyword)scan->verb;

	if (keyword <= KEY_STATEMENTS_END || keyword >= KEY_OBJECTS_END)
		return;
	scan->operation = sql_object_operation(verb, keyword);
	scan->verb = 0;
	sql_summarise(scan, word.data, word.length);
	if (keyword == KEY_TABLE || keyword == KEY_VIEW)
		sql_expect(scan, EXPECT_TABLE);
	else if (keyword == KEY_INDEX && verb == KEY_CREATE)
		sql_expect(scan, EXPECT_INDEX_ON);
}

static bool is_function(sql_operation operation)
{
	return operation == sql_object_operation(KEY_CREATE, KEY_FUNCTION) ||
	       operation == sql_object_operation(KEY_CREATE, KEY_PROCEDURE);
}

/* True inside of a function's body, where nothing is told. */
static bool follow_blocks(struct sql_scan *scan, enum sql_keyword keyword)
{
	if (!is_function(scan->operation))
		return false;
	if (keyword == KEY_BEGIN || (keyword == KEY_CASE && scan->blocks > 0))
		scan->blocks++;
	else if (keyword == KEY_END && scan->blocks > 0)
		scan->blocks--;
	return scan->blocks > 0;
}

/* Words that say where tables follow, or where their list ends. */
static void follow_clause(struct sql_scan *scan, enum sql_keyword keyword)
{
	uint64_t level = sql_level(scan->depth);

	switch (keyword) {
	case KEY_FROM:
		/* Not IS DISTINCT FROM; and not EXTRACT(day FROM x), which stands where no query does. */
		if (!(scan->queries & level) || (scan->previous == KEY_DISTINCT && scan->before != KEY_SELECT))
			return;
		scan->sources |= level;
		sql_expect(scan, EXPECT_SOURCE);
		return;
	case KEY_JOIN:
		scan->sources |= level;
		sql_expect(scan, EXPECT_SOURCE);
		return;
	case KEY_USING:
		/* DELETE ... USING and MERGE ... USING name tables, JOIN ... USING columns. */
		sql_expect(scan, scan->operation == KEY_DELETE || scan->operation == KEY_MERGE ? EXPECT_USING :
												 EXPECT_NOTHING);
		return;
	case KEY_INTO:
		if (scan->queries & level)
			sql_expect(scan, EXPECT_TABLE);
		return;
	case KEY_ON:
		sql_expect(scan, scan->expect == EXPECT_INDEX_ON ? EXPECT_TABLE : EXPECT_NOTHING);
		return;
	case KEY_WHERE:
	case KEY_GROUP:
	case KEY_HAVING:
	case KEY_ORDER:
	case KEY_LIMIT:
	case KEY_OFFSET:
	case KEY_UNION:
	case KEY_EXCEPT:
	case KEY_INTERSECT:
	case KEY_WINDOW:
	case KEY_FETCH:
	case KEY_FOR:
	case KEY_RETURNING:
	case KEY_SET:
	case KEY_VALUES:
	case KEY_WHEN:
	case KEY_TO:
		scan->sources &= ~level;
		sql_expect(scan, EXPECT_NOTHING);
		return;
	default:
		return;
	}
}

static void take_keyword(struct sql_scan *scan, enum sql_keyword keyword, struct text word)
{
	if (scan->verb) {
		find_object(scan, keyword, word);
		return;
	}
	if (keyword == KEY_SELECT && select_may_begin(scan)) {
		begin_query(scan, keyword, word);
		return;
	}
	if ((keyword == KEY_INSERT || keyword == KEY_UPDATE || keyword == KEY_DELETE || keyword == KEY_MERGE) &&
	    query_may_begin(scan)) {
		begin_query(scan, keyword, word);
		return;
	}
	if (keyword == KEY_WITH && begin_with(scan))
		return;
	if (!scan->operation && !scan->withs && !scan->queries) {
		begin_by(scan, keyword, word);
		return;
	}
	follow_clause(scan, keyword);
}

static void take_word(struct sql_scan *scan, const struct sql_token *token)
{
	enum sql_keyword keyword = token->kind == SQL_WORD ? sql_keyword_of(token->text) : KEY_NONE;

	if (follow_blocks(scan, keyword))
		return;
	if (scan->cte_comes && keyword != KEY_RECURSIVE && !(keyword == KEY_SELECT)) {
		sql_target_cte(scan, token->text);
		scan->cte_comes = false;
	} else if (!sql_target_takes(scan, token, keyword) && keyword != KEY_NONE) {
		take_keyword(scan, keyword, token->text);
	}
	scan->before = scan->previous;
	scan->previous = keyword != KEY_NONE ? (uint8_t)keyword : BEFORE_OTHER;
}

static void open_parenthesis(struct sql_scan *scan)
{
	if (scan->depth < UINT16_MAX)
		scan->depth++;
	/* FROM (a JOIN b ...) or FROM (SELECT ...): which, the next word tells. */
	if (scan->expect == EXPECT_SOURCE && scan->expect_depth + 1 == scan->depth)
		scan->expect_depth = scan->depth;
	else if (scan->expect == EXPECT_USING)
		scan->expect = EXPECT_NOTHING;
}

static void close_parenthesis(struct sql_scan *scan)
{
	uint64_t level = sql_level(scan->depth);

	scan->queries &= ~level;
	scan->sources &= ~level;
	scan->withs &= ~level;
	if (scan->depth > 0)
		scan->depth--;
}

static void take_mark(struct sql_scan *scan, char mark)
{
	uint64_t level = sql_level(scan->depth);

	/* Where a table is expected and something else comes, no later word is one. */
	if (mark != '(' && scan->expect_depth == scan->depth)
		scan->expect = EXPECT_NOTHING;
	if (mark == '(')
		open_parenthesis(scan);
	else if (mark == ')')
		close_parenthesis(scan);
	else if (mark == ',' && scan->withs & level)
		scan->cte_comes = true;
	else if (mark == ',' && scan->sources & level)
		sql_expect(scan, EXPECT_SOURCE);
	scan->before = scan->previous;
	scan->previous = mark == '(' ? BEFORE_OPEN : mark == ')' ? BEFORE_CLOSE : BEFORE_OTHER;
}

static void take(void *ctx, const struct sql_token *token)
{
	struct sql_scan *scan = ctx;
	char mark = token->kind == SQL_MARK ? token->text.data[0] : '\0';

	if (mark == ';' && scan->depth == 0 && scan->blocks == 0) {
		end_statement(scan);
		return;
	}
	if (scan->writing)
		sql_write(scan->writing, token);
	scan->any = true;
	if (scan->target_state != TARGET_NONE && sql_target_takes(scan, token, KEY_NONE))
		return;
	if (token->kind == SQL_WORD || token->kind == SQL_QUOTED) {
		take_word(scan, token);
	} else if (mark) {
		take_mark(scan, mark);
	} else {
		if (scan->expect_depth == scan->depth)
			scan->expect = EXPECT_NOTHING;
		scan->before = scan->previous;
		scan->previous = BEFORE_OTHER;
	}
}

void sql_scan_init(struct sql_scan *scan, enum sql_strings strings, sql_statement_sink sink, void *ctx)
{
	sql_lexer_init(&scan->lexer, strings);
	scan->sink = sink;
	scan->ctx = ctx;
	scan->writing = NULL;
	begin_statement(scan);
}

void sql_scan_feed(struct sql_scan *scan, const char *bytes, size_t length)
{
	sql_lexer_feed(&scan->lexer, bytes, length, take, scan);
}

void sql_scan_end(struct sql_scan *scan)
{
	sql_lexer_end(&scan->lexer, take, scan);
	end_statement(scan);
}

static void keep_operation(void *ctx, const struct sql_facts *facts)
{
	*(sql_operation *)ctx = facts->operation;
}

sql_operation sql_operation_of(const char *text, size_t length)
{
	sql_operation operation = 0;
	struct sql_scan scan;

	sql_scan_init(&scan, SQL_STRINGS_UNKNOWN, keep_operation, &operation);
	sql_scan_feed(&scan, text, length);
	sql_scan_end(&scan);
	return operation;
}
