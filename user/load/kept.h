/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of an object that is loaded and attached. libbpf holds copies of all instructions, relocations and types
 * for as long as its object is open: 1.7 MB of the agent's memory, for nothing but descriptors. So these are taken
 * over, with the views of global variables, and the object is closed. Links are objects of their own and stay.
 * Considered: bpf_program__unload, which frees little and closes the programs; light skeletons, which need 5.14.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct kept_map {
	struct bpf_map **slot; /* the skeleton's pointer, by which it is found; NULL is in it now */
	const char *name;      /* the skeleton's */
	int fd;                /* -1: was not made */
	uint32_t entries;
	void *view; /* NULL, or the variables, where the skeleton points to */
	size_t view_bytes;
};

struct kept_program {
	struct bpf_program **slot;
	const char *name;
	char *hook; /* owned */
	int fd;     /* -1: was not loaded */
};

struct kept {
	struct kept_map *maps;
	size_t map_count;
	struct kept_program *programs;
	size_t program_count;
};

/* Closes the object. When it fails the object is as it was, and `kept` is empty. `kept` begins as zeros. The skeleton
 * has to live as long as `kept` does. */
MUST_CHECK int kept_take(struct kept *kept, struct bpf_object_skeleton *skeleton);
void kept_done(struct kept *kept);

/* By the address of the skeleton's pointer. A descriptor, or -1. */
int kept_map(const struct kept *kept, struct bpf_map *const *slot);
int kept_program(const struct kept *kept, struct bpf_program *const *slot);
