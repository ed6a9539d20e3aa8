/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What collectors gather in one scrape: families, and their samples in the order they were added. Collectors find
 * values device by device, an exposition wants them family by family; here the one becomes the other. Memory is taken
 * in blocks that the next scrape uses again, so that nothing is allocated once a host has been seen.
 */
#pragma once

#include "base/cleanup.h"
#include "model/snapshot.h"

struct sheet;
struct sheet_family;
struct sheet_labels;

#define SHEET_LABELS_MAX 32
#define SHEET_FAMILIES_MAX 8192
#define SHEET_BYTES_MAX ((size_t)256 << 20)

MUST_CHECK int sheet_new(uint64_t hash_seed, struct sheet **ret_sheet);
/* Takes NULL. */
void sheet_free(struct sheet *sheet);
/* Forgets samples and errors. */
void sheet_reset(struct sheet *sheet);

/* The family of this name, made when there was none. The record and its texts are borrowed until sheet_reset; with
 * `copied` they are copied. NULL, which sheet_add lets pass, when it is known with another type (-EEXIST sticks), there
 * are too many (-ENOSPC) or no memory (-ENOMEM). */
struct sheet_family *sheet_family(struct sheet *sheet, const struct metric_family *family);
struct sheet_family *sheet_family_copied(struct sheet *sheet, const struct metric_family *family);
/* A NUL-terminated copy that lasts until sheet_reset; NULL without memory. */
char *sheet_text(struct sheet *sheet, const char *text, size_t length);
/* A copy of the values, which lasts until sheet_reset; NULL without memory. Samples may share one. The labels' names
 * are borrowed until then. */
const struct sheet_labels *sheet_labels(struct sheet *sheet, const struct metric_label *labels, size_t count);
/* Adds a sample. Labels may be NULL: none. */
void sheet_add(struct sheet *sheet, struct sheet_family *family, const struct sheet_labels *labels, double value);
/* The same with its labels. */
void sheet_add_labelled(struct sheet *sheet, struct sheet_family *family, const struct metric_label *labels,
			size_t count, double value);
/* Adds a histogram to a family of that type; bounds and counts are copied. */
void sheet_add_histogram(struct sheet *sheet, struct sheet_family *family, const struct sheet_labels *labels,
			 const struct metric_histogram *histogram);
/* Samples that the family has so far. */
size_t sheet_family_count(const struct sheet_family *family);
/* Whether the family has a sample with just these labels, in this order. Linear: for short families. */
bool sheet_family_has(const struct sheet_family *family, const struct sheet_labels *labels);
/* Whether the two are the same, in the same order. NULL: none. */
bool sheet_labels_equal(const struct sheet_labels *a, const struct sheet_labels *b);

/* 0 or the first error since the last call, which is forgotten. */
int sheet_take_error(struct sheet *sheet);

/* Tells every family that has samples. */
void sheet_visit(const struct sheet *sheet, const struct metric_visitor *visitor);
