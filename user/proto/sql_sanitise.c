/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL text without what it is about: OpenTelemetry's rules for db.query.text. Literals become `?`, lists of them behind
 * IN become one, comments go. What does not fit is left out from there on, never cut inside of a token.
 */
#include <string.h>

#include "proto/sql_keyword.h"

enum list {
	LIST_NONE,
	LIST_IN,    /* after IN */
	LIST_OPEN,  /* after its parenthesis */
	LIST_VALUE, /* after a value that was written */
	LIST_COMMA, /* after a comma that is held back: if a value follows, both go */
};

static void write_text(struct sql_writing *writing, bool spaced, const char *text, size_t length)
{
	size_t blank = spaced && writing->length > 0 ? 1 : 0;

	if (writing->full || writing->length + blank + length > writing->size) {
		writing->full = true;
		return;
	}
	if (blank)
		writing->out[writing->length++] = ' ';
	memcpy(writing->out + writing->length, text, length);
	writing->length += length;
}

/* True: the token is part of a list that is folded, and is not to be written. */
static bool fold(struct sql_writing *writing, bool value, char mark)
{
	switch (writing->list) {
	case LIST_IN:
		writing->list = mark == '(' ? LIST_OPEN : LIST_NONE;
		return false;
	case LIST_OPEN:
		if (mark == '-' || mark == '+')
			return true;
		writing->list = value ? LIST_VALUE : LIST_NONE;
		return false;
	case LIST_VALUE:
		writing->list = mark == ',' ? LIST_COMMA : LIST_NONE;
		return mark == ',';
	case LIST_COMMA:
		if (mark == '-' || mark == '+')
			return true;
		writing->list = value ? LIST_VALUE : LIST_NONE;
		if (!value)
			write_text(writing, false, ",", 1);
		return value;
	default:
		return false;
	}
}

static void write_quoted(struct sql_writing *writing, const struct sql_token *token)
{
	char quoted[2 * SQL_TEXT_MAX + 2];
	size_t length = 0;

	quoted[length++] = '"';
	for (size_t i = 0; i < token->text.length; i++) {
		if (token->text.data[i] == '"')
			quoted[length++] = '"';
		quoted[length++] = token->text.data[i];
	}
	quoted[length++] = '"';
	write_text(writing, token->spaced, quoted, length);
}

static void write_parameter(struct sql_writing *writing, const struct sql_token *token)
{
	char parameter[SQL_TEXT_MAX + 1] = "$";

	memcpy(parameter + 1, token->text.data, token->text.length);
	write_text(writing, token->spaced, parameter, token->text.length + 1);
}

void sql_writing_init(struct sql_writing *writing, char *out, size_t size)
{
	*writing = (struct sql_writing){ .size = size };
	writing->out = out;
}

void sql_write(struct sql_writing *writing, const struct sql_token *token)
{
	enum sql_keyword keyword = token->kind == SQL_WORD ? sql_keyword_of(token->text) : KEY_NONE;
	bool literal = token->kind == SQL_LITERAL || keyword == KEY_TRUE || keyword == KEY_FALSE;
	char mark = token->kind == SQL_MARK ? token->text.data[0] : '\0';

	if (fold(writing, literal || token->kind == SQL_PARAMETER, mark))
		return;
	if (literal)
		write_text(writing, token->spaced, "?", 1);
	else if (token->kind == SQL_QUOTED)
		write_quoted(writing, token);
	else if (token->kind == SQL_PARAMETER)
		write_parameter(writing, token);
	else
		write_text(writing, token->spaced, token->text.data, token->text.length);
	if (keyword == KEY_IN)
		writing->list = LIST_IN;
}

static void take(void *ctx, const struct sql_token *token)
{
	sql_write(ctx, token);
}

size_t sql_sanitise(const char *text, size_t length, enum sql_strings strings, char *out, size_t size)
{
	struct sql_writing writing;
	struct sql_lexer lexer;

	sql_writing_init(&writing, out, size);
	sql_lexer_init(&lexer, strings);
	sql_lexer_feed(&lexer, text, length, take, &writing);
	sql_lexer_end(&lexer, take, &writing);
	return writing.length;
}
