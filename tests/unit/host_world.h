/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host made of plain files below a directory of the test's own, and the collectors over it.
 */
#pragma once

#include "config/config.h"
#include "host/host.h"

struct host_world {
	char directory[64]; /* with proc, sys, root and udev below it */
	struct config config;
	struct host *host;
	size_t failures;            /* told by the collectors, of all kinds */
	enum host_collector failed; /* the last one's */
	int failure;                /* its error */
	size_t idles;
	char *text; /* of the last collection: `name{label="value",...} value` lines; owned */
};

int host_world_set_up(void **state);
int host_world_tear_down(void **state);

/* Makes the collectors, with these flags beside the paths; NULL-terminated. */
void host_world_start(struct host_world *world, const char *const *flags);
/* Writes a file below the directory, and the directories above it. */
void host_world_write(const struct host_world *world, const char *path, const char *text);
void host_world_write_bytes(const struct host_world *world, const char *path, const void *bytes, size_t length);
void host_world_remove(const struct host_world *world, const char *path);

/* Collects and keeps the text. */
void host_world_collect(struct host_world *world);
/* Fails the test unless the line is there (or is not). */
void host_world_has(const struct host_world *world, const char *line);
void host_world_has_not(const struct host_world *world, const char *part);

#define HOST_FLAGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
