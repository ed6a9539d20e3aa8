/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families stay from scrape to scrape, in a hash table by name; samples are chained behind them in blocks that are
 * rewound. A copied family that a scrape did not use is forgotten at the next reset: names from text files come and go.
 */
#include "host/sheet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define BLOCK_BYTES_MAX ((size_t)4 << 20)
#define KEEP_BYTES ((size_t)8 << 20) /* of blocks between scrapes */

struct sample {
	struct sample *next;
	const struct sheet_labels *labels;        /* NULL: none */
	const struct metric_histogram *histogram; /* NULL: it is a value */
	double value;
};

struct sheet_labels {
	size_t count;
	struct metric_label labels[];
};

struct sheet_family {
	struct hash_node node;
	struct metric_family family;
	bool copied; /* family's texts are owned */
	struct sample *first, *last;
	size_t count;
	struct sheet_family *next; /* of those with samples, in the order of their first one */
};

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(16) char bytes[];
};

struct sheet {
	struct hash_table families;
	struct sheet_family *first, *last;
	struct block *blocks; /* all, from the first to be filled */
	struct block *current;
	size_t bytes; /* of all blocks */
	uint64_t hash_seed;
	int error;
};

static void fail(struct sheet *sheet, int error)
{
	if (!sheet->error)
		sheet->error = error;
}

int sheet_new(uint64_t hash_seed, struct sheet **ret_sheet)
{
	struct sheet *sheet = calloc(1, sizeof(*sheet));

	if (!sheet)
		return -ENOMEM;
	hash_table_init(&sheet->families, SHEET_FAMILIES_MAX);
	sheet->hash_seed = hash_seed;
	*ret_sheet = sheet;
	return 0;
}

static void family_free(struct sheet_family *family)
{
	if (family->copied) {
		free((char *)(uintptr_t)family->family.name);
		free((char *)(uintptr_t)family->family.help);
	}
	free(family);
}

static bool drop_any(struct hash_node *node, void *ctx)
{
	(void)ctx;
	family_free(hash_entry(node, struct sheet_family, node));
	return true;
}

static bool drop_unused(struct hash_node *node, void *ctx)
{
	struct sheet_family *family = hash_entry(node, struct sheet_family, node);

	(void)ctx;
	if (!family->copied || family->count)
		return false;
	family_free(family);
	return true;
}

static void free_blocks(struct sheet *sheet, struct block *block)
{
	while (block) {
		struct block *next = block->next;

		sheet->bytes -= block->size;
		free(block);
		block = next;
	}
}

void sheet_free(struct sheet *sheet)
{
	if (!sheet)
		return;
	hash_table_remove_if(&sheet->families, drop_any, NULL);
	hash_table_done(&sheet->families);
	free_blocks(sheet, sheet->blocks);
	free(sheet);
}

static void trim_blocks(struct sheet *sheet)
{
	struct block *block = sheet->blocks;
	size_t kept = 0;

	for (; block; block = block->next) {
		kept += block->size;
		block->used = 0;
		if (kept < KEEP_BYTES)
			continue;
		free_blocks(sheet, block->next);
		block->next = NULL;
	}
	sheet->current = sheet->blocks;
}

void sheet_reset(struct sheet *sheet)
{
	hash_table_remove_if(&sheet->families, drop_unused, NULL);
	for (struct sheet_family *family = sheet->first; family; family = family->next) {
		family->first = family->last = NULL;
		family->count = 0;
	}
	sheet->first = sheet->last = NULL;
	sheet->error = 0;
	trim_blocks(sheet);
}

static struct block *add_block(struct sheet *sheet, size_t least)
{
	size_t size = sheet->current ? sheet->current->size * 2 : BLOCK_BYTES;
	struct block *block;

	size = size > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : size;
	size = size < least ? least : size;
	if (sheet->bytes + size > SHEET_BYTES_MAX)
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	*block = (struct block){ .size = size, .next = sheet->current ? sheet->current->next : NULL };
	if (sheet->current)
		sheet->current->next = block;
	else
		sheet->blocks = block;
	sheet->bytes += size;
	return block;
}

static void *take(struct sheet *sheet, size_t size)
{
	struct block *block = sheet->current;
	void *taken;

	size = (size + 7) & ~(size_t)7;
	while (!block || block->size - block->used < size) {
		block = block && block->next ? block->next : add_block(sheet, size);
		if (!block) {
			fail(sheet, -ENOMEM);
			return NULL;
		}
		sheet->current = block;
	}
	taken = block->bytes + block->used;
	block->used += size;
	return taken;
}

char *sheet_text(struct sheet *sheet, const char *text, size_t length)
{
	char *copy = take(sheet, length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static bool name_equal(const struct hash_node *node, const void *key)
{
	return !strcmp(hash_entry(node, struct sheet_family, node)->family.name, key);
}

static struct sheet_family *family_new(const struct metric_family *family, bool copied)
{
	struct sheet_family *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->family = *family;
	made->copied = copied;
	if (!copied)
		return made;
	made->family.name = strdup(family->name);
	made->family.help = strdup(family->help);
	made->family.unit = "";
	if (made->family.name && made->family.help)
		return made;
	family_free(made);
	return NULL;
}

static struct sheet_family *find(struct sheet *sheet, const struct metric_family *family, bool copied)
{
	uint64_t hash = hash_bytes(family->name, strlen(family->name), sheet->hash_seed);
	struct hash_node *node = hash_table_find(&sheet->families, hash, name_equal, family->name);
	struct sheet_family *found = node ? hash_entry(node, struct sheet_family, node) : NULL;
	int error;

	if (found && found->count && found->family.type != family->type) {
		fail(sheet, -EEXIST);
		return NULL;
	}
	if (found) {
		found->family.type = family->type;
		return found;
	}
	found = family_new(family, copied);
	if (!found) {
		fail(sheet, -ENOMEM);
		return NULL;
	}
	error = hash_table_insert(&sheet->families, &found->node, hash);
	if (!error)
		return found;
	fail(sheet, error);
	family_free(found);
	return NULL;
}

struct sheet_family *sheet_family(struct sheet *sheet, const struct metric_family *family)
{
	return find(sheet, family, false);
}

struct sheet_family *sheet_family_copied(struct sheet *sheet, const struct metric_family *family)
{
	return find(sheet, family, true);
}

const struct sheet_labels *sheet_labels(struct sheet *sheet, const struct metric_label *labels, size_t count)
{
	size_t size = sizeof(struct sheet_labels) + count * sizeof(*labels), length;
	struct sheet_labels *made;
	char *text;

	for (size_t i = 0; i < count; i++)
		size += strlen(labels[i].value) + 1;
	made = take(sheet, size);
	if (!made)
		return NULL;
	made->count = count;
	text = (char *)(made->labels + count);
	for (size_t i = 0; i < count; i++) {
		length = strlen(labels[i].value) + 1;
		memcpy(text, labels[i].value, length);
		made->labels[i] = (struct metric_label){ .name = labels[i].name, .value = text };
		text += length;
	}
	return made;
}

static void add(struct sheet *sheet, struct sheet_family *family, const struct sample *added)
{
	struct sample *sample = family ? take(sheet, sizeof(*sample)) : NULL;

	if (!sample)
		return;
	*sample = *added;
	if (family->last) {
		family->last->next = sample;
	} else {
		family->first = sample;
		family->next = NULL;
		if (sheet->last)
			sheet->last->next = family;
		else
			sheet->first = family;
		sheet->last = family;
	}
	family->last = sample;
	family->count++;
}

void sheet_add(struct sheet *sheet, struct sheet_family *family, const struct sheet_labels *labels, double value)
{
	add(sheet, family, &(struct sample){ .labels = labels, .value = value });
}

void sheet_add_histogram(struct sheet *sheet, struct sheet_family *family, const struct sheet_labels *labels,
			 const struct metric_histogram *histogram)
{
	size_t bounds = histogram->bound_count * sizeof(double);
	size_t counts = (histogram->bound_count + 1) * sizeof(uint64_t);
	struct metric_histogram *copy = family ? take(sheet, sizeof(*copy) + bounds + counts) : NULL;
	char *room;

	if (!copy)
		return;
	room = (char *)(copy + 1);
	*copy = *histogram;
	copy->bounds = memcpy(room, histogram->bounds, bounds);
	copy->counts = memcpy(room + bounds, histogram->counts, counts);
	add(sheet, family, &(struct sample){ .labels = labels, .histogram = copy });
}

void sheet_add_labelled(struct sheet *sheet, struct sheet_family *family, const struct metric_label *labels,
			size_t count, double value)
{
	const struct sheet_labels *copy = family ? sheet_labels(sheet, labels, count) : NULL;

	if (copy)
		sheet_add(sheet, family, copy, value);
}

size_t sheet_family_count(const struct sheet_family *family)
{
	return family ? family->count : 0;
}

bool sheet_labels_equal(const struct sheet_labels *a, const struct sheet_labels *b)
{
	size_t count = a ? a->count : 0;

	if (count != (b ? b->count : 0))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(a->labels[i].name, b->labels[i].name) || strcmp(a->labels[i].value, b->labels[i].value))
			return false;
	return true;
}

bool sheet_family_has(const struct sheet_family *family, const struct sheet_labels *labels)
{
	for (const struct sample *sample = family ? family->first : NULL; sample; sample = sample->next)
		if (sheet_labels_equal(sample->labels, labels))
			return true;
	return false;
}

int sheet_take_error(struct sheet *sheet)
{
	int error = sheet->error;

	sheet->error = 0;
	return error;
}

static void visit_sample(const struct sample *sample, const struct metric_visitor *visitor)
{
	const struct metric_label *labels = sample->labels ? sample->labels->labels : NULL;
	size_t count = sample->labels ? sample->labels->count : 0;

	if (sample->histogram)
		visitor->histogram(visitor->ctx, labels, count, sample->histogram);
	else
		visitor->sample(visitor->ctx, labels, count, sample->value);
}

void sheet_visit(const struct sheet *sheet, const struct metric_visitor *visitor)
{
	for (const struct sheet_family *family = sheet->first; family; family = family->next) {
		visitor->family_begin(visitor->ctx, &family->family);
		for (const struct sample *sample = family->first; sample; sample = sample->next)
			visit_sample(sample, visitor);
		visitor->family_end(visitor->ctx);
	}
}
