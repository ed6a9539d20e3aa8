/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statfs of many paths with one deadline. A filesystem whose server is gone holds its caller for good, so threads ask
 * and the agent waits no longer than it was told. A thread that hangs keeps what it works on; the next one goes on with
 * the rest.
 */
#pragma once

#include <sys/statfs.h>

#include "host/scan.h"

struct stat_pool;

enum stat_state {
	STAT_WAITING, /* its turn did not come before the deadline */
	STAT_STUCK,   /* was asked, has not answered */
	STAT_DONE,
};

struct stat_answer {
	enum stat_state state;
	int error; /* of statfs, negative; when STAT_DONE */
	struct statfs info;
};

/* At most `workers` threads, which are made when they are needed. -ENOMEM. */
MUST_CHECK int stat_pool_new(size_t workers, struct stat_pool **ret_pool);
/* Threads that hang are left to themselves, with what they hold. Takes NULL. */
void stat_pool_free(struct stat_pool *pool);

/* Begins a list of paths. */
void stat_pool_begin(struct stat_pool *pool);
/* Whether this path, of an earlier list, still has not answered: it is not to be added. */
bool stat_pool_hangs(struct stat_pool *pool, const char *path);
MUST_CHECK int stat_pool_add(struct stat_pool *pool, const char *path);
/* Asks for all that were added and waits until `deadline_ns` (CLOCK_MONOTONIC) at the latest, calling `idle` every few
 * milliseconds. -EAGAIN when no thread could be made. */
MUST_CHECK int stat_pool_run(struct stat_pool *pool, uint64_t deadline_ns, void (*idle)(void *ctx), void *ctx);
/* Of the last run, by the order of adding. Until the next stat_pool_begin. */
const struct stat_answer *stat_pool_answer(const struct stat_pool *pool, size_t index);
