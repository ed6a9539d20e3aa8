/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of all case tables, in the order of the list. An actor that executes itself anew finds its case
 * here.
 */
#include "truth.h"

#include <string.h>

const struct truth_case *const case_tables[] = {
	cases_load,  cases_open, cases_framing, cases_calls,   cases_life,    cases_restart,
	cases_abort, cases_size, cases_hops,    cases_foreign, cases_latency, NULL,
};

const struct truth_case *case_find(const char *name)
{
	for (int t = 0; case_tables[t]; t++)
		for (const struct truth_case *kase = case_tables[t]; kase->name; kase++)
			if (!strcmp(kase->name, name))
				return kase;
	return NULL;
}
