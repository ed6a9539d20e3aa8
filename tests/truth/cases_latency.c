/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency: durations against the workload's own clock. A slow body belongs to the duration, an idle connection does
 * not.
 */
#include "truth.h"

#define SIZED FRAMING_LENGTH
#define DELAYED(us)                                                                        \
	{                                                                                  \
		.method = "GET", .response = SIZED, .response_bytes = 30, .delay_us = (us) \
	}

const struct truth_case cases_latency[] = {
	{ .name = "delays",
	  .number = 10,
	  .description = "a handler that takes 1, 5, 20 or 80 ms",
	  .families = EVERY,
	  .flags = CHECK_LATENCY,
	  .load = { .connections = 8,
		    .threads = 8,
		    .requests = 24,
		    .plans = { DELAYED(1000), DELAYED(5000), DELAYED(1000), DELAYED(20000), DELAYED(1000),
			       DELAYED(80000) } } },
	{ .name = "slow-body",
	  .number = 10,
	  .description = "a response body that takes 200 ms to come, by length, chunked and until close",
	  .families = EVERY,
	  .flags = CHECK_LATENCY,
	  .load = { .connections = 6,
		    .threads = 6,
		    .plans = { { .method = "GET", .response = SIZED, .response_bytes = 5000, .drip_us = 40000 },
			       { .method = "GET",
				 .response = FRAMING_CHUNKED,
				 .response_bytes = 5000,
				 .drip_us = 40000 },
			       { .method = "GET",
				 .response = FRAMING_CLOSE,
				 .response_bytes = 5000,
				 .drip_us = 40000 } } } },
	{ .name = "slow-large-body",
	  .number = 10,
	  .description = "a body of 2 MB that takes 200 ms to come",
	  .families = EVERY,
	  .flags = CHECK_LATENCY,
	  .load = { .connections = 3,
		    .threads = 3,
		    .plans = { { .method = "GET",
				 .response = SIZED,
				 .response_bytes = 2000000,
				 .drip_us = 40000 } } } },
	{ .name = "idle",
	  .number = 10,
	  .description = "150 ms of idleness before every request on an open connection is no duration",
	  .families = EVERY,
	  .flags = CHECK_LATENCY,
	  .load = { .connections = 4,
		    .threads = 4,
		    .requests = 4,
		    .plans = { { .method = "GET", .response = SIZED, .response_bytes = 30, .think_us = 150000 } } } },
	{ 0 },
};
