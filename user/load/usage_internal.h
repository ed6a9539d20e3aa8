/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of load/usage*.c share.
 */
#pragma once

#include "bpf/usage.h"
#include "load/internal.h"
#include "load/usage.h"

#include "bpf/usage.skel.h"

#define USAGE_LINKS_MAX 32

struct usage {
	struct usage_bpf *bpf;
	struct kept kept; /* all of it, once it is attached */
	struct bpf_link *links[USAGE_LINKS_MAX];
	size_t link_count;
	struct bpf_link *iterator;    /* over all threads */
	struct bpf_link *connections; /* over all open files; NULL: refused */
	int connections_fd;           /* the look that is under way; -1: none is */
	uint64_t look_ns;             /* when the next one is due */
	const char *controller;
	const char *block_controller;
	bool blocks_apart; /* their trees differ */
	size_t cpus;
	struct cpu_usage *values; /* one for each CPU, owned */
	uint64_t repaired_losses; /* lost tasks and cgroups at the last look */
	uint32_t families;        /* bits 1 << enum usage_family that are loaded */
	bool faults;              /* the kernel says which threads are inside of a page fault */
	struct capture_error missing[USAGE_FAMILIES];
};

/* --- usage_tree.c: which trees of cgroups are told */
void usage_find_trees(struct usage *usage);
/* The selection, in the block controller's tree. */
void usage_select_blocks(struct usage *usage, const struct config *config);

/* --- usage_programs.c: which programs a family has on this kernel */
/* Fills `missing` of the families that `wanted` has and the kernel does not; returns the rest. */
uint32_t usage_check_families(struct usage *usage, const struct btf *btf, uint32_t wanted);
/* Says which programs are to be loaded. */
void usage_select_programs(struct usage *usage, const struct btf *btf, uint32_t families, bool task_storage);
MUST_CHECK int usage_attach(struct usage *usage, struct capture_error *ret_error);
/* Runs an iterator's program over all that there is. */
MUST_CHECK int usage_iterate(const struct bpf_link *iterator);
