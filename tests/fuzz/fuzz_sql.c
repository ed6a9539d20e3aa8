/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL's lexer, scan and sanitiser against any text. What comes out does not depend on where the text is split, stays
 * within its bounds, and holds nothing of a literal: a word that stands in quotes only is in no output.
 * Input: a byte for how backslashes are read, one for where the text is split, then the text.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sql.h"

#define TOLD_MAX 4096

struct told {
	char bytes[TOLD_MAX];
	size_t length;
	size_t statements;
};

static void keep(struct told *told, const char *bytes, size_t length)
{
	if (length > sizeof(told->bytes) - told->length)
		length = sizeof(told->bytes) - told->length;
	memcpy(told->bytes + told->length, bytes, length);
	told->length += length;
}

static void on_statement(void *ctx, const struct sql_facts *facts)
{
	struct told *told = ctx;

	assert(facts->summary.length <= SQL_SUMMARY_MAX && facts->collection.length <= SQL_COLLECTION_MAX);
	assert(!facts->operation || sql_operation_text(facts->operation));
	told->statements++;
	keep(told, (const char *)&facts->operation, 1);
	/* Kept apart, so that no word is made of the end of one and the beginning of the next. */
	keep(told, facts->collection.data, facts->collection.length);
	keep(told, "", 1);
	keep(told, facts->summary.data, facts->summary.length);
	keep(told, "", 1);
}

static void scan(const char *text, size_t length, enum sql_strings strings, size_t step, struct told *told)
{
	struct sql_scan scan;

	told->length = told->statements = 0;
	sql_scan_init(&scan, strings, on_statement, told);
	for (size_t at = 0; at < length; at += step)
		sql_scan_feed(&scan, text + at, length - at < step ? length - at : step);
	sql_scan_end(&scan);
}

/* A literal with a word that is nowhere else, in front of the text and behind it. */
static void check_secret(const char *text, size_t length, enum sql_strings strings)
{
	static const char before[] = "SELECT 'S3CR3T' ";
	size_t size = length + sizeof(before) - 1;
	char *sql = malloc(size);
	char *out = malloc(2 * size + 1);
	struct told told;

	assert(sql && out);
	memcpy(sql, before, sizeof(before) - 1);
	memcpy(sql + sizeof(before) - 1, text, length);
	if (!memmem(text, length, "S3CR3T", 6)) {
		size_t written = sql_sanitise(sql, size, strings, out, 2 * size);

		assert(!memmem(out, written, "S3CR3T", 6));
		scan(sql, size, strings, size, &told);
		assert(!memmem(told.bytes, told.length, "S3CR3T", 6));
	}
	free(sql);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct told whole;
	static struct told split;
	char out[1024];

	if (size < 2)
		return 0;
	scan((const char *)data + 2, size - 2, data[0] % 3, size, &whole);
	scan((const char *)data + 2, size - 2, data[0] % 3, 1 + data[1], &split);
	assert(whole.statements == split.statements && whole.length == split.length);
	assert(!memcmp(whole.bytes, split.bytes, whole.length));
	assert(sql_sanitise((const char *)data + 2, size - 2, data[0] % 3, out, data[1] * 4u) <= data[1] * 4u);
	check_secret((const char *)data + 2, size - 2, data[0] % 3);
	return 0;
}
