/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which implementation of TLS is in a file: by the file's name where it is a library's, else by the texts that its code
 * cannot do without. Symbols are not needed: this is for naming what cannot be read.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "model/tls_brand.h"

/* TLS_BRAND_COUNT: none is known by this name. */
enum tls_brand tls_brand_of_name(const char *path);

/* Searches the file's constant data, `max_bytes` of it at most: which marks are in it, as bits. */
MUST_CHECK int tls_marks_of_file(int fd, uint64_t max_bytes, uint32_t *ret_marks);

/* Likewise of one piece of data. Pure. */
uint32_t tls_marks_in(const uint8_t *data, size_t length);
/* TLS_BRAND_COUNT: no TLS is there. */
enum tls_brand tls_brand_of_marks(uint32_t marks);
/* Whatever else is there: has it marks of this one? */
bool tls_marks_have(uint32_t marks, enum tls_brand brand);
