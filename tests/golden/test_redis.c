/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden cases of Redis's protocol.
 */
#include "tests/golden/plays.h"

#ifndef CASES_MIN
#define CASES_MIN 85
#endif

static const struct golden_protocol golden_protocol = {
	.ops = &redis_ops,
	.folder = "tests/golden/redis",
	.cases_min = CASES_MIN,
};

int main(void)
{
	return golden_main();
}
