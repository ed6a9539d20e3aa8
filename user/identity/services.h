/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a service as a whole: the attributes that all processes which added to its numbers have in common.
 * An attribute that two of them differ in is gone for good, because the sums hold what both did. Bounded: a service
 * that finds no room has no attributes.
 */
#pragma once

#include "base/hash_table.h"

struct services {
	struct hash_table table;
	uint64_t hash_seed;
	bool overflowed; /* of a service that came then, what was there before is not known: it has no attributes */
};

void services_init(struct services *services, size_t limit, uint64_t hash_seed);
void services_done(struct services *services);

/* A process added to the service's numbers. `lines` is what is known of it (identity/lines.h). Of the only process so
 * far more may be known than the last time. */
void services_merge(struct services *services, const char *service, uint32_t tgid, const char *lines);
/* "" when there are none. Valid until the next call that changes the table. */
const char *services_lines(struct services *services, const char *service);
/* Forgets services that services_lines was not asked for since the last time: their numbers are gone. */
void services_forget(struct services *services);
