/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions lie in an ELF file: what a uprobe is attached by. Reads symbol tables only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct symbol {
	const char *name;
	bool prefixed;   /* it may have AWS-LC's in front, which every build of it has another of: aws_lc_0_39_1_ */
	uint64_t offset; /* in the file; 0: not there */
	uint64_t size;   /* of its code; 0: not known */
};

/* Looks for the functions in .dynsym, then in .symtab. `count` is at most 64. -ENOEXEC: not an ELF file that can be
 * read. What is not found keeps offset 0. */
MUST_CHECK int elf_find_symbols(int fd, struct symbol *symbols, size_t count);
