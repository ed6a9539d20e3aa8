/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden cases of HTTP/1.
 */
#include "tests/golden/plays.h"

#ifndef CASES_MIN
#define CASES_MIN 60
#endif

static const struct golden_protocol golden_protocol = {
	.ops = &http1_ops,
	.folder = "tests/golden/http1",
	.cases_min = CASES_MIN,
};

int main(void)
{
	return golden_main();
}
