/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of the collectors' options. node_exporter's are RE2's; here PCRE2 reads them, which takes all
 * that RE2 takes and more. Names are looked at once: what was decided about one is remembered.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "host/scan.h"

struct filter;

/* Names that match `include` (all when it is "") and, with an empty include, do not match `exclude`. The patterns were
 * checked by config. `names` is how many names are worth remembering. -ENOMEM, -EINVAL. */
MUST_CHECK int filter_new(const char *exclude, const char *include, size_t names, uint64_t hash_seed,
			  struct filter **ret_filter);
/* Takes NULL. */
void filter_free(struct filter *filter);
bool filter_passes(struct filter *filter, struct span name);
