/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List fields of HTTP with weights (Accept, Accept-Encoding): elements, their parameters and q. Shared by what
 * negotiates formats and what negotiates codings. Pure; malformed elements are passed over, never fatal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A borrowed part of the field's text, without surrounding blanks. */
struct field_part {
	const char *text;
	size_t length;
};

#define FIELD_PARAMETERS_MAX 8 /* later ones are ignored */

struct field_parameter {
	struct field_part name;
	struct field_part value; /* without quotes; quoted pairs are not undone */
};

struct field_element {
	struct field_part value;                                 /* "text/plain", "gzip" */
	struct field_parameter parameters[FIELD_PARAMETERS_MAX]; /* those before and after q, not q itself */
	size_t parameter_count;
	unsigned int weight; /* q in thousandths: 0 to 1000 */
};

/* Takes the next element off `*cursor` (which starts at the field's text). False at the end. */
bool field_next(const char **cursor, struct field_element *ret_element);

/* ASCII case-insensitive. */
bool field_part_is(struct field_part part, const char *text);
/* The parameter's value; an empty part when there is none of that name. */
struct field_part field_parameter(const struct field_element *element, const char *name);
