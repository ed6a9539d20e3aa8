/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes by links of many (kernel 6.6: BPF_TRACE_UPROBE_MULTI), which need less privilege than perf's events and are
 * attached faster. Written out, because libbpf knows them since 1.3 only.
 */
#pragma once

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Before loading: the program is for such a link. Kernels that have none do not mind. */
void uprobe_multi_prepare(struct bpf_program *program);
/* Has this kernel such links? Found by trying, with a prepared program that is loaded. */
bool uprobe_multi_works(const struct bpf_program *program);
/* The link's descriptor; closing it detaches. */
MUST_CHECK int uprobe_multi_attach(const struct bpf_program *program, const char *path, const uint64_t *offsets,
				   uint32_t count, bool at_return, int *ret_fd);
