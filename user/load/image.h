/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the images of BPF programs that the skeletons carry. Of an image the kernel and libbpf get all but the lines
 * of its source, which say nothing but where the verifier stopped: 0.4 MB of resident memory for as long as the agent
 * runs. At the log level debug they get the lines, and what libbpf says, the verifier's log among it, is logged.
 */
#pragma once

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Before anything of libbpf is called. */
void image_say_little(void);
/* As bpf_object__open_skeleton. */
MUST_CHECK int image_open(struct bpf_object_skeleton *skeleton);

/* Defines NAME_image_open, which is NAME_bpf__open by image_open: NULL and errno when it failed. */
#define IMAGE_OPENER(name)                                                    \
	static struct name##_bpf *name##_image_open(void)                     \
	{                                                                     \
		struct name##_bpf *bpf = calloc(1, sizeof(*bpf));             \
		int error = bpf ? name##_bpf__create_skeleton(bpf) : -ENOMEM; \
                                                                              \
		if (!error)                                                   \
			error = image_open(bpf->skeleton);                    \
		if (error) {                                                  \
			name##_bpf__destroy(bpf);                             \
			errno = -error;                                       \
			return NULL;                                          \
		}                                                             \
		return bpf;                                                   \
	}
