/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one process says of itself, gathered from its exec event and from /proc, ready to be kept: its name, who gave
 * it, its unit, its executable. Reads bounded amounts; never waits on the process. Keeps nothing else of the
 * environment.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "identity/containers.h"
#include "identity/environment.h"
#include "identity/identity.h"
#include "identity/slice.h"

enum name_source {
	NAME_UNKNOWN,
	NAME_FROM_COMMAND,
	NAME_FROM_UNIT,
	NAME_FROM_ENVIRONMENT,
};

struct process_facts {
	uint64_t start_ticks;             /* since boot; 0 when the process is gone */
	enum name_source source;          /* of `name` */
	bool environment_seen;            /* its environment was read, to the end */
	bool unit_seen;                   /* its cgroup was read */
	bool titled;                      /* forks are named by their own titles */
	bool unsettled;                   /* its cgroup may be a container's of which nothing is known yet */
	char name[IDENTITY_NAME_MAX + 1]; /* by environment, unit or command; "" when unknown */
	char unit[IDENTITY_NAME_MAX + 1]; /* what its cgroup says: container, else unit; "" when in none */
	char executable[PATH_MAX];        /* "" when unknown */
	char place[FACTS_LINES_MAX];      /* its container and pod, as lines "container.id=..."; "" when in none */
	char declared[ENVIRONMENT_DECLARED_MAX]; /* by its environment, as lines */
};

struct process_reader {
	const char *procfs;
	struct containers *containers; /* may be NULL: no container is told then */
	uint64_t now_ns;
};

/*
 * `exec` may be NULL; what it tells is preferred, because /proc may already show what came after. A process that is
 * gone is described by its exec event alone. -ENOENT when neither is there, -ENOMEM. `ret_facts` is written either way.
 */
MUST_CHECK int process_read(const struct process_reader *reader, uint32_t tgid, const struct identity_exec *exec,
			    struct process_facts *ret_facts);

/* Whether its cgroup is a container's of which something is known now. */
bool process_in_container(const struct process_reader *reader, uint32_t tgid);

/* Field 22 of /proc/PID/stat: with the pid it names a process for good. 0 when there is no such process. */
uint64_t process_start_ticks(const char *procfs, uint32_t tgid);
/* The executable's path without " (deleted)"; "" when it cannot be read. `path` holds PATH_MAX bytes. */
void process_executable(const char *procfs, uint32_t tgid, char *path);
/* Start time in the text of /proc/PID/stat, 0 when it holds none. */
uint64_t process_parse_start(struct slice stat);
