/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row that is not what it was makes the memory from there on worthless: it is forgotten, and learnt anew while the
 * walk goes on. Families that were told in this walk stay until the next one.
 */
#include "host/rows.h"

#include <errno.h>

#define NAME_SIZE 128

struct row {
	struct family_text *family; /* owned; NULL: not told */
	uint16_t group_length, length;
	size_t at; /* of the names, one behind the other, in the texts */
};

struct family_text {
	struct metric_family family;
	struct family_text *next; /* among those to be freed */
	char name[NAME_SIZE], help[NAME_SIZE + 64];
};

struct rows {
	struct rows_config config;
	struct row *rows; /* owned */
	size_t count, capacity, next;
	char *texts; /* owned */
	size_t texts_length, texts_capacity;
	struct family_text *forgotten; /* owned; told in this walk */
};

int rows_new(const struct rows_config *config, struct rows **ret_rows)
{
	struct rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	rows->config = *config;
	*ret_rows = rows;
	return 0;
}

static void free_forgotten(struct rows *rows)
{
	while (rows->forgotten) {
		struct family_text *family = rows->forgotten;

		rows->forgotten = family->next;
		free(family);
	}
}

static void forget(struct rows *rows, size_t from)
{
	for (size_t i = from; i < rows->count; i++) {
		struct family_text *family = rows->rows[i].family;

		if (!family)
			continue;
		family->next = rows->forgotten;
		rows->forgotten = family;
	}
	if (from < rows->count)
		rows->texts_length = rows->rows[from].at;
	rows->count = from;
}

void rows_free(struct rows *rows)
{
	if (!rows)
		return;
	forget(rows, 0);
	free_forgotten(rows);
	free(rows->rows);
	free(rows->texts);
	free(rows);
}

void rows_begin(struct rows *rows)
{
	free_forgotten(rows);
	rows->next = 0;
}

static bool is_same(const struct rows *rows, const struct row *row, struct span group, struct span name)
{
	const char *text = rows->texts + row->at;

	return row->group_length == group.length && row->length == name.length &&
	       !memcmp(text, group.at, group.length) && !memcmp(text + group.length, name.at, name.length);
}

static int remember_name(struct rows *rows, struct row *row, struct span group, struct span name)
{
	size_t length = group.length + name.length;

	if (length > UINT16_MAX)
		return -ENOSPC;
	while (rows->texts_capacity - rows->texts_length < length) {
		char *grown = host_grow(rows->texts, &rows->texts_capacity, 1, (size_t)ROWS_MAX * NAME_SIZE);

		if (!grown)
			return -ENOMEM;
		rows->texts = grown;
	}
	row->at = rows->texts_length;
	row->group_length = (uint16_t)group.length;
	row->length = (uint16_t)name.length;
	memcpy(rows->texts + row->at, group.at, group.length);
	memcpy(rows->texts + row->at + group.length, name.at, name.length);
	rows->texts_length += length;
	return 0;
}

static int make_family(const struct rows *rows, struct span field, struct family_text **ret_family)
{
	struct family_text *made = calloc(1, sizeof(*made));
	char text[NAME_SIZE];

	if (!made)
		return -ENOMEM;
	span_metric_name(field, text, sizeof(text) - strlen(rows->config.prefix));
	text_join(made->name, sizeof(made->name), (struct span[]){ span_of(rows->config.prefix), span_of(text) }, 2);
	text_join(made->help, sizeof(made->help),
		  (struct span[]){ span_of("The field "), field, span_of(" of "), span_of(rows->config.where),
				   span_of(".") },
		  5);
	made->family =
		(struct metric_family){ .name = made->name, .help = made->help, .unit = "", .type = METRIC_UNTYPED };
	*ret_family = made;
	return 0;
}

static int learn(struct rows *rows, struct span group, struct span name)
{
	struct row row = { 0 };
	char field[NAME_SIZE];
	struct span full;
	int error = remember_name(rows, &row, group, name);

	if (error)
		return error;
	if (rows->count == rows->capacity) {
		struct row *grown = host_grow(rows->rows, &rows->capacity, sizeof(row), ROWS_MAX);

		if (!grown)
			return rows->capacity < ROWS_MAX ? -ENOMEM : -ENOSPC;
		rows->rows = grown;
	}
	text_join(field, sizeof(field), (struct span[]){ group, { "_", group.length > 0 }, name }, 3);
	full = span_of(field);
	if (filter_passes(rows->config.fields, full))
		error = make_family(rows, full, &row.family);
	if (!error)
		rows->rows[rows->count++] = row;
	return error;
}

int rows_next(struct rows *rows, struct span group, struct span name, const struct metric_family **ret_family)
{
	int error = 0;

	if (rows->next < rows->count && !is_same(rows, &rows->rows[rows->next], group, name))
		forget(rows, rows->next);
	if (rows->next == rows->count)
		error = learn(rows, group, name);
	if (error)
		return error;
	*ret_family = rows->rows[rows->next].family ? &rows->rows[rows->next].family->family : NULL;
	rows->next++;
	return 0;
}
