/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of SQL: found without regard to case, by first letter.
 */
#include <string.h>
#include <strings.h>

#include "proto/sql_keyword.h"

#define VERB_COUNT 3
#define OBJECT_COUNT (KEY_OBJECTS_END - KEY_STATEMENTS_END)
#define WORD_MAX 12

static const char words[KEY_COUNT][WORD_MAX + 1] = {
#define X(WORD) [KEY_##WORD] = #WORD,
	SQL_STATEMENTS(X) SQL_OBJECTS(X) SQL_OTHERS(X)
#undef X
};

/* Ends with KEY_NONE. test_sql.c knows when a word is missing here. */
#define LETTER_MAX 14
static const uint8_t by_letter[26][LETTER_MAX + 1] = {
	['A' - 'A'] = { KEY_ABORT, KEY_ACCESS, KEY_AGGREGATE, KEY_ALTER, KEY_ANALYZE, KEY_AS },
	['B' - 'A'] = { KEY_BEGIN },
	['C' - 'A'] = { KEY_CALL, KEY_CASE, KEY_CAST, KEY_CHECKPOINT, KEY_CLOSE, KEY_CLUSTER, KEY_COLLATION,
			KEY_COMMENT, KEY_COMMIT, KEY_CONCURRENTLY, KEY_CONVERSION, KEY_COPY, KEY_CREATE, KEY_CROSS },
	['D' - 'A'] = { KEY_DATABASE, KEY_DEALLOCATE, KEY_DECLARE, KEY_DEFAULT, KEY_DELETE, KEY_DISCARD, KEY_DISTINCT,
			KEY_DO, KEY_DOMAIN, KEY_DROP },
	['E' - 'A'] = { KEY_END, KEY_EXCEPT, KEY_EXECUTE, KEY_EXISTS, KEY_EXPLAIN, KEY_EXTENSION },
	['F' - 'A'] = { KEY_FALSE, KEY_FETCH, KEY_FOR, KEY_FREEZE, KEY_FROM, KEY_FULL, KEY_FUNCTION },
	['G' - 'A'] = { KEY_GRANT, KEY_GROUP },
	['H' - 'A'] = { KEY_HAVING },
	['I' - 'A'] = { KEY_IF, KEY_IMPORT, KEY_IN, KEY_INDEX, KEY_INNER, KEY_INSERT, KEY_INTERSECT, KEY_INTO, KEY_IS },
	['J' - 'A'] = { KEY_JOIN },
	['L' - 'A'] = { KEY_LANGUAGE, KEY_LATERAL, KEY_LEFT, KEY_LIMIT, KEY_LISTEN, KEY_LOAD, KEY_LOCK },
	['M' - 'A'] = { KEY_MATERIALIZED, KEY_MERGE, KEY_MOVE },
	['N' - 'A'] = { KEY_NATURAL, KEY_NOT, KEY_NOTIFY },
	['O' - 'A'] = { KEY_OFFSET, KEY_ON, KEY_ONLY, KEY_OPERATOR, KEY_ORDER, KEY_OWNED },
	['P' - 'A'] = { KEY_POLICY, KEY_PREPARE, KEY_PROCEDURE, KEY_PROGRAM, KEY_PUBLICATION },
	['R' - 'A'] = { KEY_REASSIGN, KEY_RECURSIVE, KEY_REFRESH, KEY_REINDEX, KEY_RELEASE, KEY_RESET, KEY_RETURNING,
			KEY_REVOKE, KEY_RIGHT, KEY_ROLE, KEY_ROLLBACK, KEY_ROUTINE, KEY_RULE },
	['S' - 'A'] = { KEY_SAVEPOINT, KEY_SCHEMA, KEY_SECURITY, KEY_SELECT, KEY_SEQUENCE, KEY_SERVER, KEY_SET,
			KEY_SHOW, KEY_START, KEY_STATISTICS, KEY_STDIN, KEY_SUBSCRIPTION, KEY_SYSTEM },
	['T' - 'A'] = { KEY_TABLE, KEY_TABLESPACE, KEY_TEXT, KEY_THEN, KEY_TO, KEY_TRANSFORM, KEY_TRIGGER, KEY_TRUE,
			KEY_TRUNCATE, KEY_TYPE },
	['U' - 'A'] = { KEY_UNION, KEY_UNLISTEN, KEY_UPDATE, KEY_USER, KEY_USING },
	['V' - 'A'] = { KEY_VACUUM, KEY_VALUES, KEY_VERBOSE, KEY_VIEW },
	['W' - 'A'] = { KEY_WHEN, KEY_WHERE, KEY_WINDOW, KEY_WITH },
};

/* Index 0 of each verb: its object is not known. */
static const char *const object_texts[VERB_COUNT][OBJECT_COUNT] = {
	{ "CREATE",
#define X(WORD) "CREATE " #WORD,
	  SQL_OBJECTS(X)
#undef X
	},
	{ "ALTER",
#define X(WORD) "ALTER " #WORD,
	  SQL_OBJECTS(X)
#undef X
	},
	{ "DROP",
#define X(WORD) "DROP " #WORD,
	  SQL_OBJECTS(X)
#undef X
	},
};

_Static_assert(KEY_STATEMENTS_END + VERB_COUNT * OBJECT_COUNT < 256, "an operation is a byte");

const char *sql_operation_text(sql_operation operation)
{
	unsigned int object;

	if (operation < KEY_STATEMENTS_END)
		return operation ? words[operation] : NULL;
	object = operation - KEY_STATEMENTS_END;
	return object < VERB_COUNT * OBJECT_COUNT ? object_texts[object / OBJECT_COUNT][object % OBJECT_COUNT] : NULL;
}

sql_operation sql_statement_operation(enum sql_keyword keyword)
{
	switch (keyword) {
	case KEY_START: /* START TRANSACTION; END and ABORT likewise are other words for the same */
		return KEY_BEGIN;
	case KEY_END:
		return KEY_COMMIT;
	case KEY_ABORT:
		return KEY_ROLLBACK;
	case KEY_VALUES: /* both are SELECT to the server, as its command tags say */
	case KEY_TABLE:
		return KEY_SELECT;
	default:
		return keyword < KEY_STATEMENTS_END ? (sql_operation)keyword : 0;
	}
}

sql_operation sql_object_operation(enum sql_keyword verb, enum sql_keyword object)
{
	unsigned int row = verb == KEY_CREATE ? 0 : verb == KEY_ALTER ? 1 : 2;
	unsigned int column = object > KEY_STATEMENTS_END && object < KEY_OBJECTS_END ? object - KEY_STATEMENTS_END : 0;

	return (sql_operation)(KEY_STATEMENTS_END + row * OBJECT_COUNT + column);
}

enum sql_keyword sql_keyword_of(struct text word)
{
	const uint8_t *candidates;
	unsigned int letter;

	if (word.length < 2 || word.length > WORD_MAX)
		return KEY_NONE;
	letter = (unsigned int)((unsigned char)word.data[0] & ~0x20) - 'A';
	if (letter >= 26)
		return KEY_NONE;
	for (candidates = by_letter[letter]; *candidates; candidates++) {
		const char *known = words[*candidates];

		if (known[1] == (word.data[1] & ~0x20) && known[word.length] == '\0' &&
		    strncasecmp(known, word.data, word.length) == 0)
			return (enum sql_keyword) * candidates;
	}
	return KEY_NONE;
}
