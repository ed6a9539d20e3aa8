/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases 1 and 2: how requests share connections, and how messages share segments.
 */
#include "truth.h"

#define SMALL .plans = { { .method = "GET", .response = FRAMING_LENGTH, .response_bytes = 200 } }
#define POSTS                                                                             \
	.plans = { { .method = "GET", .response = FRAMING_LENGTH, .response_bytes = 64 }, \
		   { .method = "POST",                                                    \
		     .request = FRAMING_LENGTH,                                           \
		     .request_bytes = 130,                                                \
		     .response = FRAMING_CHUNKED,                                         \
		     .response_bytes = 300 },                                             \
		   { .method = "DELETE", .status = 204 } }

const struct truth_case cases_load[] = {
	{ .name = "keep-alive",
	  .number = 1,
	  .description = "1,000 requests on one connection",
	  .families = EVERY | ABSTRACT,
	  .flags = CHECK_LABELS,
	  .load = { .requests = 1000, SMALL } },
	{ .name = "connection-each",
	  .number = 1,
	  .description = "500 requests, each on a connection of its own that the client closes",
	  .families = EVERY,
	  .load = { .connections = 500, .threads = 2, SMALL } },
	{ .name = "connection-close",
	  .number = 1,
	  .description = "500 requests, each with Connection: close, the server closes",
	  .families = EVERY,
	  .load = { .connections = 500, .threads = 2, .close_each = true, SMALL } },
	{ .name = "burst",
	  .number = 1,
	  .description = "10,000 short connections in a burst from 8 threads",
	  .families = TCP4 | UNIX,
	  .load = { .connections = 10000, .threads = 8, .scaled = true, SMALL } },
	{ .name = "saturation",
	  .number = 1,
	  .description = "4 connections, 20,000 requests each, as fast as they go; nothing lost",
	  .families = TCP4 | UNIX,
	  .load = { .connections = 4, .threads = 4, .requests = 20000, .scaled = true, SMALL } },
	{ .name = "many-connections",
	  .number = 1,
	  .description = "48 connections at once, 20 requests each, of three kinds",
	  .families = EVERY,
	  .load = { .connections = 48, .threads = 48, .requests = 20, POSTS } },

	{ .name = "pipeline-10",
	  .number = 2,
	  .description = "10 requests in one segment, 50 times, answered one by one",
	  .families = EVERY,
	  .needs = NEEDS(FACT_SHARED_RECEIVE),
	  .load = { .requests = 500, .depth = 10, SMALL } },
	{ .name = "pipeline-100",
	  .number = 2,
	  .description = "100 requests of three kinds in one segment, 10 times",
	  .families = TCP4 | UNIX,
	  .needs = NEEDS(FACT_SHARED_RECEIVE),
	  .load = { .requests = 1000, .depth = 100, POSTS } },
	{ .name = "pipeline-coalesced",
	  .number = 2,
	  .description = "20 requests in one segment, their responses in one write",
	  .families = EVERY,
	  .needs = NEEDS(FACT_SHARED_RECEIVE) | NEEDS(FACT_COALESCED),
	  .load = { .requests = 600, .depth = 20, .coalesce = true, POSTS } },
	{ .name = "pipeline-sliced",
	  .number = 2,
	  .description = "20 requests pipelined and cut into sends of 37 bytes, so that heads straddle segments",
	  .families = EVERY,
	  .needs = NEEDS(FACT_SPLIT_HEAD),
	  .load = { .requests = 200,
		    .depth = 20,
		    .client.send_size = 37,
		    .client.receive_size = 41,
		    .server.send_size = 43,
		    .server.receive_size = 31,
		    POSTS } },
	{ .name = "segments",
	  .number = 2,
	  .description = "every message cut into sends of 7 bytes, with TCP_NODELAY",
	  .families = EVERY,
	  .needs = NEEDS(FACT_SPLIT_HEAD),
	  .load = { .requests = 60, .client.send_size = 7, .server.send_size = 7, .server.receive_size = 5, POSTS } },
	{ .name = "one-byte",
	  .number = 2,
	  .description = "one byte at a time, sent and received, both ways",
	  .families = EVERY,
	  .needs = NEEDS(FACT_ONE_BYTE_RECEIVE) | NEEDS(FACT_ONE_BYTE_SEND) | NEEDS(FACT_SPLIT_HEAD),
	  .load = { .requests = 20,
		    .client.send_size = 1,
		    .client.receive_size = 1,
		    .server.send_size = 1,
		    .server.receive_size = 1,
		    POSTS } },
	{ 0 },
};
