/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes by perf's events, one for each place, by links of many (kernel 6.6: BPF_TRACE_UPROBE_MULTI), which need less
 * privilege than perf's events and are attached faster, and by sessions of them (6.13: BPF_TRACE_UPROBE_SESSION), where
 * one program has a function's entry and its return and says at the entry whether it wants the return. Written out,
 * because libbpf knows them since 1.3 and 1.6 only.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum uprobe_way {
	UPROBE_PERF, /* perf's events */
	UPROBE_MULTI,
	UPROBE_SESSION,
};

struct uprobe_support {
	enum uprobe_way best; /* of the ways that this kernel has; it has those before it, too */
	bool sleepable;       /* programs on uprobes may sleep (6.0) */
};

/* Found by trying, with programs that do nothing. */
void uprobe_support_find(struct uprobe_support *ret_support);
/* Before loading: how the program will be attached. */
void uprobe_prepare(struct bpf_program *program, enum uprobe_way way);

struct uprobe_target {
	const char *path;
	const uint64_t *offsets;
	const uint64_t *cookies; /* NULL: none */
	uint32_t count;
	uint32_t pid;   /* 0: every process */
	bool at_return; /* not of a session, which has both */
};

/* As the program was prepared for; one offset only by perf's events, which know no cookies. The link's descriptor;
 * closing it detaches. */
MUST_CHECK int uprobe_attach(int program_fd, enum uprobe_way way, const struct uprobe_target *target, int *ret_fd);
