/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do these bytes begin a message of PostgreSQL's protocol? Asked of the first bytes of a connection and of bytes after
 * a loss, so a type and a length are not enough: the payload must be that of the type. What cannot be told from payload
 * of another kind (DataRow, CopyData, passwords) begins nothing. Formats are those of "Message Formats"; where client
 * and server share a type (C, D, E, H, S) their payloads tell them apart.
 */
#include <string.h>

#include "proto/postgres_internal.h"
#include "proto/sql_keyword.h"

#define LENGTH_MAX (64u << 20) /* of a message that begins what was not understood before */
#define KEY_MAX 32             /* of a parameter's name */
#define NAME_MAX_BYTES 255     /* of a portal, statement or column */
#define TAG_MAX 64
#define COLUMNS_MAX 1664 /* MaxTupleAttributeNumber */
#define COLUMN_BYTES 18  /* of RowDescription, behind a column's name */
#define WORD_BYTES 24
#define BLANKS_MAX 256

struct look {
	const uint8_t *bytes;
	size_t length; /* that are there */
	size_t end;    /* of the message */
	size_t at;
};

static bool is_letter(uint8_t byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static uint32_t u16_at(const struct look *look, size_t at)
{
	return (uint32_t)look->bytes[at] << 8 | look->bytes[at + 1];
}

/* Are `count` bytes there? NO: the message ends before. */
static enum proto_detect have(const struct look *look, size_t count)
{
	if (look->at + count > look->end)
		return DETECT_NO;
	return look->at + count > look->length ? DETECT_MORE : DETECT_REQUEST;
}

static enum proto_detect ends_here(const struct look *look)
{
	return look->at == look->end ? DETECT_REQUEST : DETECT_NO;
}

/* A text without control characters and its NUL; at stands behind it then. */
static enum proto_detect take_name(struct look *look, size_t max)
{
	for (size_t i = 0; i <= max; i++) {
		enum proto_detect there = have(look, 1);
		uint8_t byte;

		if (there != DETECT_REQUEST)
			return there;
		byte = look->bytes[look->at++];
		if (byte == '\0')
			return DETECT_REQUEST;
		if (byte < ' ' || byte == 0x7f)
			return DETECT_NO;
	}
	return DETECT_NO;
}

/* "StartupMessage": the name of a parameter follows. */
static enum proto_detect look_at_parameters(const uint8_t *bytes, size_t length, size_t end)
{
	size_t i = 8;

	while (i < length && i < end && i < 8 + KEY_MAX && (is_letter(bytes[i]) || bytes[i] == '_' || bytes[i] == '.'))
		i++;
	if (i == end || i == 8 + KEY_MAX)
		return DETECT_NO;
	if (i == length)
		return DETECT_MORE;
	return bytes[i] == '\0' && i - 8 >= 3 ? DETECT_REQUEST : DETECT_NO;
}

static enum proto_detect look_at_startup(const uint8_t *bytes, size_t length)
{
	uint32_t size, code;

	if (length > 1 && bytes[1] != 0)
		return DETECT_NO;
	if (length < 8)
		return DETECT_MORE;
	size = postgres_u32(bytes);
	code = postgres_u32(bytes + 4);
	if (size < 8 || size > POSTGRES_STARTUP_MAX)
		return DETECT_NO;
	if (code == CODE_SSL || code == CODE_GSS)
		return size == 8 ? DETECT_REQUEST : DETECT_NO;
	if (code == CODE_CANCEL)
		return size >= 16 && size <= 272 ? DETECT_REQUEST : DETECT_NO;
	/* 3.0, 3.2, and 3.9999, with which libpq tries whether servers negotiate. */
	if (code != CODE_PROTOCOL_3 && code != (CODE_PROTOCOL_3 | 2) && code != (CODE_PROTOCOL_3 | 9999))
		return DETECT_NO;
	return look_at_parameters(bytes, length, size);
}

static bool begins_statement(struct text word)
{
	enum sql_keyword keyword = sql_keyword_of(word);

	return sql_statement_operation(keyword) != 0 || keyword == KEY_WITH || keyword == KEY_CREATE ||
	       keyword == KEY_ALTER || keyword == KEY_DROP;
}

/* A word that begins a statement, whole. */
static enum proto_detect take_first_word(struct look *look)
{
	size_t start = look->at;

	while (look->at < look->length && look->at < look->end && look->at - start < WORD_BYTES &&
	       is_letter(look->bytes[look->at]))
		look->at++;
	if (look->at == look->length && look->length < look->end)
		return DETECT_MORE;
	return begins_statement((struct text){ (const char *)look->bytes + start, look->at - start }) ? DETECT_REQUEST :
													DETECT_NO;
}

/* No statement at all: the end of a Query, or the types of parameters that a Parse has then. */
static enum proto_detect ends_empty(struct look *look)
{
	enum proto_detect there;

	look->at++;
	if (look->bytes[0] == 'Q' || look->at == look->end)
		return ends_here(look);
	there = have(look, 2);
	if (there != DETECT_REQUEST)
		return there;
	return look->at + 2 + 4 * u16_at(look, look->at) == look->end ? DETECT_REQUEST : DETECT_NO;
}

/* SQL: blanks, then a statement, a comment, or nothing at all. */
static enum proto_detect take_sql(struct look *look)
{
	enum proto_detect there;
	uint8_t byte = ' ';

	for (size_t i = 0; i < BLANKS_MAX; i++) {
		there = have(look, 1);
		if (there != DETECT_REQUEST)
			return there;
		byte = look->bytes[look->at];
		if (byte != ' ' && byte != '(' && byte != ';' && (byte < '\t' || byte > '\r'))
			break;
		look->at++;
	}
	if (byte == '\0')
		return ends_empty(look);
	if (byte != '-' && byte != '/')
		return take_first_word(look);
	there = have(look, 2);
	if (there != DETECT_REQUEST)
		return there;
	return look->bytes[look->at + 1] == (byte == '-' ? '-' : '*') ? DETECT_REQUEST : DETECT_NO;
}

static enum proto_detect look_at_query(struct look *look)
{
	return take_sql(look);
}

static enum proto_detect look_at_parse(struct look *look)
{
	enum proto_detect name = take_name(look, NAME_MAX_BYTES);

	return name == DETECT_REQUEST ? take_sql(look) : name;
}

/* Bind: portal statement, formats, values, formats of results. */
static enum proto_detect look_at_bind(struct look *look)
{
	enum proto_detect there = take_name(look, NAME_MAX_BYTES);
	uint32_t formats, values;

	if (there == DETECT_REQUEST)
		there = take_name(look, NAME_MAX_BYTES);
	if (there == DETECT_REQUEST)
		there = have(look, 2);
	if (there != DETECT_REQUEST)
		return there;
	formats = u16_at(look, look->at);
	look->at += 2;
	for (uint32_t i = 0; i < formats && i < 64; i++, look->at += 2) {
		there = have(look, 2);
		if (there != DETECT_REQUEST)
			return there;
		if (u16_at(look, look->at) > 1)
			return DETECT_NO;
	}
	if (formats > 64)
		return DETECT_NO;
	there = have(look, 2);
	if (there != DETECT_REQUEST)
		return there;
	values = u16_at(look, look->at);
	look->at += 2;
	if ((formats > 1 && formats != values) || look->at + 4 * values + 2 > look->end)
		return DETECT_NO;
	if (values > 0)
		return have(look, 4);
	there = have(look, 2);
	return there != DETECT_REQUEST ? there : u16_at(look, look->at) <= COLUMNS_MAX ? DETECT_REQUEST : DETECT_NO;
}

/* Execute: portal and limit. */
static enum proto_detect look_at_execute(struct look *look)
{
	enum proto_detect name = take_name(look, NAME_MAX_BYTES);

	if (name != DETECT_REQUEST)
		return name;
	return look->at + 4 == look->end ? have(look, 4) : DETECT_NO;
}

/* Describe and Close: S or P, and a name. */
static enum proto_detect look_at_describe(struct look *look)
{
	enum proto_detect there = have(look, 1);

	if (there != DETECT_REQUEST)
		return there;
	if (look->bytes[look->at] != 'S' && look->bytes[look->at] != 'P')
		return DETECT_NO;
	look->at++;
	there = take_name(look, NAME_MAX_BYTES);
	return there == DETECT_REQUEST ? ends_here(look) : there;
}

/* CommandComplete: a tag, such as SELECT 1. */
static enum proto_detect look_at_tag(struct look *look)
{
	struct look text = *look;
	enum proto_detect there = take_first_word(look);

	if (look->end - text.at > TAG_MAX)
		return DETECT_NO;
	if (there == DETECT_REQUEST)
		there = take_name(&text, TAG_MAX);
	return there == DETECT_REQUEST ? ends_here(&text) : there;
}

/* ErrorResponse and NoticeResponse: S and the severity, in any language, then V or C. */
static enum proto_detect look_at_fields(struct look *look)
{
	enum proto_detect there = have(look, 1);

	if (there != DETECT_REQUEST)
		return there;
	if (look->bytes[look->at++] != 'S')
		return DETECT_NO;
	there = take_name(look, KEY_MAX);
	if (there == DETECT_REQUEST)
		there = have(look, 1);
	if (there != DETECT_REQUEST)
		return there;
	return look->bytes[look->at] == 'V' || look->bytes[look->at] == 'C' ? DETECT_REQUEST : DETECT_NO;
}

static enum proto_detect look_at_columns(struct look *look)
{
	enum proto_detect there = have(look, 2);
	uint32_t columns;

	if (there != DETECT_REQUEST)
		return there;
	columns = u16_at(look, look->at);
	look->at += 2;
	if (columns == 0)
		return ends_here(look);
	if (columns > COLUMNS_MAX || look->at + columns * (COLUMN_BYTES + 1) > look->end)
		return DETECT_NO;
	there = take_name(look, NAME_MAX_BYTES);
	if (there == DETECT_REQUEST)
		there = have(look, COLUMN_BYTES);
	if (there != DETECT_REQUEST)
		return there;
	return u16_at(look, look->at + COLUMN_BYTES - 2) <= 1 ? DETECT_REQUEST : DETECT_NO;
}

/* ParameterDescription: a count and that many types. */
static enum proto_detect look_at_types(struct look *look)
{
	enum proto_detect there = have(look, 2);

	if (there != DETECT_REQUEST)
		return there;
	return look->at + 2 + 4 * u16_at(look, look->at) == look->end ? DETECT_REQUEST : DETECT_NO;
}

/* CopyInResponse and CopyOutResponse: a format, a count and that many formats. */
static enum proto_detect look_at_copy(struct look *look)
{
	enum proto_detect there = have(look, 3);

	if (there != DETECT_REQUEST)
		return there;
	return look->bytes[look->at] <= 1 && look->at + 3 + 2 * u16_at(look, look->at + 1) == look->end ?
		       DETECT_REQUEST :
		       DETECT_NO;
}

/* Authentication requests: a code, and what belongs to it. */
static enum proto_detect look_at_authentication(struct look *look)
{
	enum proto_detect there = have(look, 4);

	if (look->end > 2048)
		return DETECT_NO;
	if (there != DETECT_REQUEST)
		return there;
	return postgres_u32(look->bytes + look->at) <= 12 ? DETECT_REQUEST : DETECT_NO;
}

static enum proto_detect look_at_parameter(struct look *look)
{
	size_t start = look->at;
	enum proto_detect there = take_name(look, KEY_MAX);

	if (there != DETECT_REQUEST)
		return there;
	for (size_t i = start; i + 1 < look->at; i++) {
		if (!is_letter(look->bytes[i]) && look->bytes[i] != '_' && look->bytes[i] != '.')
			return DETECT_NO;
	}
	if (look->at - start < 4)
		return DETECT_NO;
	there = take_name(look, NAME_MAX_BYTES);
	return there == DETECT_REQUEST ? ends_here(look) : there;
}

static enum proto_detect look_at_status(struct look *look)
{
	enum proto_detect there = have(look, 1);

	if (there != DETECT_REQUEST)
		return there;
	return look->bytes[look->at] && strchr("ITE", look->bytes[look->at]) ? DETECT_REQUEST : DETECT_NO;
}

static enum proto_detect look_at_client(uint8_t type, struct look look)
{
	switch (type) {
	case 'Q':
		return look_at_query(&look);
	case 'P':
		return look_at_parse(&look);
	case 'B':
		return look_at_bind(&look);
	case 'E':
		return look_at_execute(&look);
	case 'D':
	case 'C':
		return look_at_describe(&look);
	case 'S':
	case 'H':
		return ends_here(&look);
	default:
		return DETECT_NO;
	}
}

static enum proto_detect look_at_server(uint8_t type, struct look look)
{
	switch (type) {
	case '1':
	case '2':
	case '3':
	case 'I':
	case 'n':
	case 's':
		return ends_here(&look);
	case 'C':
		return look_at_tag(&look);
	case 'E':
	case 'N':
		return look_at_fields(&look);
	case 'T':
		return look_at_columns(&look);
	case 't':
		return look_at_types(&look);
	case 'G':
	case 'H':
		return look_at_copy(&look);
	case 'R':
		return look_at_authentication(&look);
	case 'S':
		return look_at_parameter(&look);
	case 'Z':
		return look.at + 1 == look.end ? look_at_status(&look) : DETECT_NO;
	default:
		return DETECT_NO;
	}
}

enum proto_detect postgres_detect(const uint8_t *bytes, size_t length)
{
	struct look look = { .bytes = bytes, .length = length, .at = 5 };
	enum proto_detect client, server;

	if (length > POSTGRES_DETECT_MAX)
		length = look.length = POSTGRES_DETECT_MAX;
	if (length == 0)
		return DETECT_MORE;
	if (bytes[0] == '\0')
		return look_at_startup(bytes, length);
	if (!strchr("QPBEDCSH123InNsTtGRZ", bytes[0]) || (length > 1 && bytes[1] >= LENGTH_MAX >> 24))
		return DETECT_NO;
	if (length < 5)
		return DETECT_MORE;
	look.end = 1 + (size_t)postgres_u32(bytes + 1);
	if (look.end < 5)
		return DETECT_NO;
	/* A tag may look like the name of a statement, never the other way round but by malice. */
	server = look_at_server(bytes[0], look);
	if (server == DETECT_REQUEST)
		return DETECT_RESPONSE;
	client = look_at_client(bytes[0], look);
	if (server == DETECT_MORE)
		return length < POSTGRES_DETECT_MAX ? DETECT_MORE : DETECT_NO;
	return client == DETECT_MORE && length == POSTGRES_DETECT_MAX ? DETECT_NO : client;
}
