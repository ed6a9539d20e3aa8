/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statfs of filesystems that answer from memory and wait for nobody, asked without the detour over the stat_pool's
 * threads, whose two wake-ups cost ten times the question.
 */
#pragma once

#include "host/stat_pool.h"

struct local_stats {
	struct stat_answer *answers; /* owned */
	size_t count, capacity;
};

/* Whether the type is one whose statfs neither reads a disk nor takes a lock that is held while one is read. */
bool local_stat_knows(const char *type);
/* Asks for what is mounted at the path as this device; the answer's place into ret_index. -EAGAIN: to be asked
 * elsewhere, because the way there could not be gone without waiting or does not lead to this device. */
MUST_CHECK int local_stat_ask(struct local_stats *stats, const char *path, const char *major, const char *minor,
			      size_t *ret_index);
void local_stats_done(struct local_stats *stats);
