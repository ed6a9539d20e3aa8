/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden cases of PostgreSQL's protocol.
 */
#include "tests/golden/plays.h"

#ifndef CASES_MIN
#define CASES_MIN 61
#endif

static const struct golden_protocol golden_protocol = {
	.ops = &postgres_ops,
	.folder = "tests/golden/postgres",
	.cases_min = CASES_MIN,
};

int main(void)
{
	return golden_main();
}
