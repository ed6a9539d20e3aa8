/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one state file of a container runtime. The folder is where the runtime's administrator put it and may be a
 * link; below it no link is followed and nothing outside of it is reached, because part of what lies there is named by
 * those who start containers. Only regular files, only up to a size; what is refused is counted, by reason.
 */
#pragma once

#include <stdint.h>

#include "identity/slice.h"

#define STATE_FILE_MAX (1024 * 1024) /* bytes: a megabyte of labels is refused, a whole OCI configuration fits */

enum state_refusal {
	STATE_LINK,      /* a symbolic link, or a way out of the folder */
	STATE_IRREGULAR, /* a pipe, a device, a directory */
	STATE_TOO_LARGE,
	STATE_UNREADABLE, /* permissions, an error of the disk */
	STATE_MALFORMED,  /* no JSON, or not of the runtime's form: half written, not UTF-8 */
	STATE_FOREIGN,    /* tells of another container: an id that two runtimes have, a file in the wrong place */
	STATE_REFUSAL_COUNT,
};

/* "symbolic_link", ... */
const char *state_refusal_text(enum state_refusal refusal);

struct state_reader {
	int root; /* descriptor of the host's root directory */
	uint64_t refused[STATE_REFUSAL_COUNT];
};

/* A folder, absolute on the host: a descriptor, the caller's to close. -ENOENT without a count when there is none; else
 * a negative errno, counted. */
int state_folder_open(struct state_reader *reader, const char *folder) __attribute__((warn_unused_result));

/*
 * The whole of a file below a folder. *ret_text is the caller's to free, NUL-terminated. 0; -ENOENT without a count
 * when there is no such file; -ENOMEM; else a negative errno, counted.
 */
int state_file_read(struct state_reader *reader, int folder, const char *name, char **ret_text, size_t *ret_length)
	__attribute__((warn_unused_result));
