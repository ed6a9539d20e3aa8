/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which implementation of TLS is in a file: by the file's name where it is a library's, else by the texts that its code
 * cannot do without. Symbols are not needed: this is for naming what cannot be read.
 */
#pragma once

#include "base/cleanup.h"
#include "model/tls_brand.h"

/* TLS_BRAND_COUNT: none is known by this name. */
enum tls_brand tls_brand_of_name(const char *path);

/* Searches the file's constant data, `max_bytes` of it at most. TLS_BRAND_COUNT: none found. */
MUST_CHECK int tls_brand_of_file(int fd, uint64_t max_bytes, enum tls_brand *ret_brand);

/* Likewise of one piece of data: which marks are in it, as bits. Pure. */
uint32_t tls_marks_in(const uint8_t *data, size_t length);
enum tls_brand tls_brand_of_marks(uint32_t marks);
