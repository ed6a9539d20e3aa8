/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of SQL to tokens, by PostgreSQL's lexical rules (documentation, section 4.1):
 *   string      'it''s'  E'it\'s'  B'01'  X'1F'  U&'\0061'  $tag$ ... $tag$; 'a' newline 'b' is one, of the first's
 * kind identifier  name  "na""me"  U&"name"     with letters, _, digits, $ and any byte from 0x80 on number 42  3.5  4.
 * .001  5e2  1.925e-3  0x1F  1_000 parameter   $1 comment     -- to the end of the line, and nested block comments Each
 * byte is looked at once and none is looked for ahead: pieces may end anywhere. What a literal holds is never copied.
 * Where a byte could end a literal or not, it does not: too little is told then, never too much.
 */
#include <string.h>

#include "proto/sql.h"

enum state {
	STATE_NONE,
	STATE_WORD,
	STATE_UNICODE, /* after U& */
	STATE_NUMBER,
	STATE_STRING,
	STATE_STRING_END,    /* after a quote that ends it, unless another one follows */
	STATE_STRING_ESCAPE, /* after a backslash */
	STATE_STRING_DOUBT,  /* after a backslash that is one or the other */
	STATE_DOUBT,         /* nothing more is understood */
	STATE_QUOTED,
	STATE_QUOTED_END,
	STATE_DOLLAR, /* in what may be a dollar quote's opening tag */
	STATE_PARAMETER,
	STATE_DOLLAR_BODY,
	STATE_DOLLAR_CLOSE, /* in what may be its closing tag */
	STATE_DASH,
	STATE_SLASH,
	STATE_LINE_COMMENT,
	STATE_BLOCK,
	STATE_BLOCK_STAR,
	STATE_BLOCK_SLASH,
};

struct lexing {
	struct sql_lexer *lexer;
	sql_token_sink sink;
	void *ctx;
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_word_start(char byte)
{
	return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_word(char byte)
{
	return is_word_start(byte) || is_digit(byte) || byte == '$';
}

static bool is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void tell(const struct lexing *on, enum sql_token_kind kind, const char *text, size_t length)
{
	struct sql_lexer *lexer = on->lexer;
	struct sql_token token = { .kind = kind, .spaced = lexer->spaced, .cut = lexer->cut, .text = { text, length } };

	lexer->spaced = lexer->cut = lexer->line_ended = false;
	lexer->length = 0;
	lexer->state = STATE_NONE;
	if (kind != SQL_LITERAL)
		lexer->escapes = false;
	on->sink(on->ctx, &token);
}

static void tell_kept(const struct lexing *on, enum sql_token_kind kind)
{
	tell(on, kind, on->lexer->text, on->lexer->length);
}

static void tell_mark(const struct lexing *on, char byte)
{
	tell(on, SQL_MARK, &byte, 1);
}

static void tell_literal(const struct lexing *on)
{
	tell(on, SQL_LITERAL, "", 0);
}

static void keep(struct sql_lexer *lexer, char byte)
{
	if (lexer->length < SQL_TEXT_MAX)
		lexer->text[lexer->length++] = byte;
	else
		lexer->cut = true;
}

static void begin(struct sql_lexer *lexer, enum state state)
{
	lexer->state = (uint8_t)state;
	lexer->length = 0;
}

/* A quote: continues an escape string if only white space with a line's end lies between (section 4.1.2.1). */
static void begin_string(struct sql_lexer *lexer)
{
	lexer->escapes = lexer->strings == SQL_STRINGS_ESCAPE || (lexer->escapes && lexer->line_ended);
	begin(lexer, STATE_STRING);
}

static void take_none(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	if (is_space(byte)) {
		lexer->spaced = true;
		lexer->line_ended |= byte == '\n' || byte == '\r';
	} else if (is_word_start(byte)) {
		begin(lexer, STATE_WORD);
		keep(lexer, byte);
	} else if (is_digit(byte)) {
		begin(lexer, STATE_NUMBER);
		lexer->matched = 0;
	} else if (byte == '\'') {
		begin_string(lexer);
	} else if (byte == '"') {
		begin(lexer, STATE_QUOTED);
	} else if (byte == '$') {
		begin(lexer, STATE_DOLLAR);
	} else if (byte == '-') {
		begin(lexer, STATE_DASH);
	} else if (byte == '/') {
		begin(lexer, STATE_SLASH);
	} else {
		tell_mark(on, byte);
	}
}

/* A word that stands right before a quote may say what kind of string it is. */
static bool word_is_prefix(struct sql_lexer *lexer, char byte)
{
	char letter = (char)(lexer->text[0] | 0x20);

	if (lexer->length != 1)
		return false;
	if (byte == '&' && letter == 'u') {
		lexer->state = STATE_UNICODE;
		return true;
	}
	if (byte != '\'' || !strchr("ebxn", letter))
		return false;
	begin(lexer, STATE_STRING);
	lexer->escapes = letter == 'e' || lexer->strings == SQL_STRINGS_ESCAPE;
	return true;
}

/* False: the byte is still to be taken. */
static bool take_word(const struct lexing *on, char byte)
{
	if (is_word(byte)) {
		keep(on->lexer, byte);
		return true;
	}
	if (word_is_prefix(on->lexer, byte))
		return true;
	tell_kept(on, SQL_WORD);
	return false;
}

static bool take_unicode(const struct lexing *on, char byte)
{
	if (byte == '\'' || byte == '"') {
		on->lexer->escapes = on->lexer->strings == SQL_STRINGS_ESCAPE;
		begin(on->lexer, byte == '"' ? STATE_QUOTED : STATE_STRING);
		return true;
	}
	tell_kept(on, SQL_WORD);
	tell_mark(on, '&');
	return false;
}

static bool take_number(const struct lexing *on, char byte)
{
	bool exponent = on->lexer->matched;

	on->lexer->matched = (byte | 0x20) == 'e';
	if (is_word(byte) || byte == '.' || (exponent && (byte == '+' || byte == '-')))
		return true;
	tell_literal(on);
	return false;
}

static bool take_string(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	switch (lexer->state) {
	case STATE_STRING_ESCAPE:
		lexer->state = STATE_STRING;
		return true;
	case STATE_STRING_DOUBT:
		lexer->state = byte == '\'' ? STATE_DOUBT : STATE_STRING;
		return true;
	case STATE_STRING_END:
		if (byte == '\'') {
			lexer->state = STATE_STRING;
			return true;
		}
		tell_literal(on);
		return false;
	default:
		if (byte == '\'')
			lexer->state = STATE_STRING_END;
		else if (byte == '\\' && lexer->escapes)
			lexer->state = STATE_STRING_ESCAPE;
		else if (byte == '\\' && lexer->strings == SQL_STRINGS_UNKNOWN)
			lexer->state = STATE_STRING_DOUBT;
		return true;
	}
}

static bool take_quoted(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	if (lexer->state == STATE_QUOTED) {
		if (byte == '"')
			lexer->state = STATE_QUOTED_END;
		else
			keep(lexer, byte);
		return true;
	}
	if (byte == '"') {
		lexer->state = STATE_QUOTED;
		keep(lexer, byte);
		return true;
	}
	tell_kept(on, SQL_QUOTED);
	return false;
}

static bool take_dollar(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	if (lexer->state == STATE_PARAMETER) {
		if (is_digit(byte)) {
			keep(lexer, byte);
			return true;
		}
		tell_kept(on, SQL_PARAMETER);
		return false;
	}
	if (byte == '$') {
		lexer->state = STATE_DOLLAR_BODY;
		return true;
	}
	if (is_digit(byte) && lexer->length == 0)
		lexer->state = STATE_PARAMETER;
	if (is_word(byte)) {
		keep(lexer, byte);
		return true;
	}
	/* A dollar that opens nothing, and a word behind it: not SQL; it may be anything. */
	tell_mark(on, '$');
	return false;
}

static void take_dollar_body(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	if (lexer->state == STATE_DOLLAR_CLOSE && byte == '$' && lexer->matched == lexer->length && !lexer->cut) {
		tell_literal(on);
	} else if (byte == '$') {
		lexer->state = STATE_DOLLAR_CLOSE;
		lexer->matched = 0;
	} else if (lexer->state == STATE_DOLLAR_CLOSE && lexer->matched < lexer->length &&
		   lexer->text[lexer->matched] == byte) {
		lexer->matched++;
	} else {
		lexer->state = STATE_DOLLAR_BODY;
	}
}

static bool take_comment_start(const struct lexing *on, char byte)
{
	struct sql_lexer *lexer = on->lexer;

	if (lexer->state == STATE_DASH && byte == '-') {
		lexer->state = STATE_LINE_COMMENT;
		return true;
	}
	if (lexer->state == STATE_SLASH && byte == '*') {
		lexer->state = STATE_BLOCK;
		lexer->comments = 1;
		return true;
	}
	tell_mark(on, lexer->state == STATE_DASH ? '-' : '/');
	return false;
}

static void take_block(struct sql_lexer *lexer, char byte)
{
	if (lexer->state == STATE_BLOCK_STAR && byte == '/') {
		lexer->comments--;
		lexer->state = lexer->comments > 0 ? STATE_BLOCK : STATE_NONE;
		lexer->spaced = true;
	} else if (lexer->state == STATE_BLOCK_SLASH && byte == '*') {
		lexer->comments++;
		lexer->state = STATE_BLOCK;
	} else {
		lexer->state = byte == '*' ? STATE_BLOCK_STAR : byte == '/' ? STATE_BLOCK_SLASH : STATE_BLOCK;
	}
}

static void take_line_comment(struct sql_lexer *lexer, char byte)
{
	if (byte != '\n' && byte != '\r')
		return;
	lexer->state = STATE_NONE;
	lexer->spaced = lexer->line_ended = true;
}

/* False: the state has changed and the byte is still to be taken. */
static bool take(const struct lexing *on, char byte)
{
	switch (on->lexer->state) {
	case STATE_NONE:
		take_none(on, byte);
		return true;
	case STATE_WORD:
		return take_word(on, byte);
	case STATE_UNICODE:
		return take_unicode(on, byte);
	case STATE_NUMBER:
		return take_number(on, byte);
	case STATE_STRING:
	case STATE_STRING_END:
	case STATE_STRING_ESCAPE:
	case STATE_STRING_DOUBT:
		return take_string(on, byte);
	case STATE_DOUBT:
		return true;
	case STATE_QUOTED:
	case STATE_QUOTED_END:
		return take_quoted(on, byte);
	case STATE_DOLLAR:
	case STATE_PARAMETER:
		return take_dollar(on, byte);
	case STATE_DOLLAR_BODY:
	case STATE_DOLLAR_CLOSE:
		take_dollar_body(on, byte);
		return true;
	case STATE_DASH:
	case STATE_SLASH:
		return take_comment_start(on, byte);
	case STATE_LINE_COMMENT:
		take_line_comment(on->lexer, byte);
		return true;
	default:
		take_block(on->lexer, byte);
		return true;
	}
}

void sql_lexer_init(struct sql_lexer *lexer, enum sql_strings strings)
{
	lexer->state = STATE_NONE;
	lexer->length = lexer->matched = 0;
	lexer->spaced = lexer->cut = lexer->escapes = lexer->line_ended = false;
	lexer->strings = (uint8_t)strings;
	lexer->comments = 0;
}

void sql_lexer_feed(struct sql_lexer *lexer, const char *bytes, size_t length, sql_token_sink sink, void *ctx)
{
	struct lexing on = { lexer, sink, ctx };

	for (size_t i = 0; i < length; i++) {
		/* Long literals: no byte but a quote matters. */
		if (lexer->state == STATE_STRING && !lexer->escapes && lexer->strings) {
			const char *quote = memchr(bytes + i, '\'', length - i);

			if (!quote)
				return;
			i = (size_t)(quote - bytes);
		}
		while (!take(&on, bytes[i]))
			;
	}
}

void sql_lexer_end(struct sql_lexer *lexer, sql_token_sink sink, void *ctx)
{
	struct lexing on = { lexer, sink, ctx };

	switch (lexer->state) {
	case STATE_NONE:
	case STATE_LINE_COMMENT:
	case STATE_BLOCK:
	case STATE_BLOCK_STAR:
	case STATE_BLOCK_SLASH:
		break;
	case STATE_STRING:
	case STATE_STRING_ESCAPE:
	case STATE_STRING_DOUBT:
	case STATE_DOUBT:
	case STATE_QUOTED:
	case STATE_DOLLAR_BODY:
	case STATE_DOLLAR_CLOSE:
		/* Never closed: whatever it was meant to be, it is not told. */
		tell_literal(&on);
		break;
	default:
		take(&on, ' ');
		break;
	}
	lexer->state = STATE_NONE;
}
