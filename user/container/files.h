/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a cgroup: which there are, in which tree, and what their texts mean. For container/ only.
 */
#pragma once

#include "container/internal.h"

struct file_rule;

/* One text that was read. */
struct reading {
	struct record *record;
	const char *text; /* NUL-terminated */
	size_t length;
	struct value_sink sink;
};

struct file_rule {
	const char *name;
	enum cgroup_controller controller;
	bool unified;    /* a file of v2; else of v1 */
	bool limits;     /* changes when somebody changes it, not by itself */
	bool tells_work; /* holds CPU_USAGE */
	bool by_work;    /* changes only while processes of the cgroup, or below it, run */
	void (*read)(const struct reading *reading, const struct file_rule *rule);
	enum value value;             /* of a file with one number; the first of a pressure's two */
	const struct key_value *keys; /* of one with many */
};

/* Those that stay open longest stand first. Ends in a rule without a name. */
extern const struct file_rule file_rules[];

/* --- block.c */
void block_read_unified(const struct reading *reading, const struct file_rule *rule);
void block_read_bytes(const struct reading *reading, const struct file_rule *rule);
void block_read_operations(const struct reading *reading, const struct file_rule *rule);
