/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 4: every system call that moves bytes over a stream socket, on both sides, and the ways in which a call moves
 * fewer bytes than it was asked to, or none, or some twice (MSG_PEEK).
 */
#include "truth.h"

#define SIZED FRAMING_LENGTH

/* Small exchanges and one of 100,000 bytes each way, so that calls come back short. */
#define MIX                                                                       \
	.plans = { { .method = "GET", .response = SIZED, .response_bytes = 200 }, \
		   { .method = "POST",                                            \
		     .request = SIZED,                                            \
		     .request_bytes = 100000,                                     \
		     .response = SIZED,                                           \
		     .response_bytes = 100000 },                                  \
		   { .method = "PUT",                                             \
		     .request = FRAMING_CHUNKED,                                  \
		     .request_bytes = 5000,                                       \
		     .response = FRAMING_CHUNKED,                                 \
		     .response_bytes = 3000 } }
#define MEBIBYTE                                                                      \
	.plans = { { .method = "GET", .response = SIZED, .response_bytes = 1048576 }, \
		   { .method = "POST",                                                \
		     .request = SIZED,                                                \
		     .request_bytes = 1048576,                                        \
		     .response = SIZED,                                               \
		     .response_bytes = 10 },                                          \
		   { .method = "GET", .response = SIZED, .response_bytes = 10 } }

#define RECEIVES(call)                  \
	.number = 4, .families = EVERY, \
	.load = { .requests = 60, .server.receive = (call), .client.receive = (call), MIX }
#define SENDS(call) \
	.number = 4, .families = EVERY, .load = { .requests = 60, .server.send = (call), .client.send = (call), MIX }
/* The same knobs on both sides. */
#define KNOBS(which, ...)                 \
	.number = 4, .families = (which), \
	.load = { .requests = 30, .server = { __VA_ARGS__ }, .client = { __VA_ARGS__ }, MIX }
#define BODIES(which, ...)                \
	.number = 4, .families = (which), \
	.load = { .requests = 12, .server = { __VA_ARGS__ }, .client = { __VA_ARGS__ }, MEBIBYTE }

const struct truth_case cases_calls[] = {
	{ .name = "receive-read", .description = "read", RECEIVES(RECEIVE_READ) },
	{ .name = "receive-readv", .description = "readv, scattered, with empty entries", RECEIVES(RECEIVE_READV) },
	{ .name = "receive-preadv2", .description = "preadv2 at offset -1", RECEIVES(RECEIVE_PREADV2) },
	{ .name = "receive-recv", .description = "recv", RECEIVES(RECEIVE_RECV) },
	{ .name = "receive-recvfrom", .description = "recvfrom with an address", RECEIVES(RECEIVE_RECVFROM) },
	{ .name = "receive-recvmsg", .description = "recvmsg, scattered", RECEIVES(RECEIVE_RECVMSG) },
	{ .name = "receive-recvmmsg",
	  .description = "recvmmsg of four messages, small enough that one call fills several",
	  .number = 4,
	  .families = EVERY,
	  .needs = NEEDS(FACT_MANY_RECEIVED),
	  .load = { .requests = 60,
		    .server = { .receive = RECEIVE_RECVMMSG, .receive_size = 160 },
		    .client = { .receive = RECEIVE_RECVMMSG, .receive_size = 2000 },
		    MIX } },
	{ .name = "send-write", .description = "write", SENDS(SEND_WRITE) },
	{ .name = "send-writev", .description = "writev, scattered, with empty entries", SENDS(SEND_WRITEV) },
	{ .name = "send-pwritev2", .description = "pwritev2 at offset -1", SENDS(SEND_PWRITEV2) },
	{ .name = "send-send", .description = "send", SENDS(SEND_SEND) },
	{ .name = "send-sendto", .description = "sendto with an address", SENDS(SEND_SENDTO) },
	{ .name = "send-sendmsg", .description = "sendmsg, scattered", SENDS(SEND_SENDMSG) },
	{ .name = "send-sendmmsg",
	  .description = "sendmmsg of four messages",
	  .needs = NEEDS(FACT_MANY_SENT),
	  SENDS(SEND_SENDMMSG) },
	{ .name = "vectors-32",
	  .description = "sendmsg and recvmsg with vectors of 32 entries and as many empty ones",
	  KNOBS(EVERY, .receive = RECEIVE_RECVMSG, .send = SEND_SENDMSG, .vectors = 32) },
	{ .name = "vectors-of-bytes",
	  .description = "writev and readv of 40 bytes in 20 entries",
	  .number = 4,
	  .families = TCP4 | UNIX,
	  .load = { .requests = 6,
		    .server = { .receive = RECEIVE_READV,
				.send = SEND_WRITEV,
				.vectors = 20,
				.send_size = 40,
				.receive_size = 40 },
		    .client = { .receive = RECEIVE_READV,
				.send = SEND_WRITEV,
				.vectors = 20,
				.send_size = 40,
				.receive_size = 40 },
		    MIX } },
	{ .name = "one-send",
	  .description = "head and body of 100,000 bytes in one writev",
	  KNOBS(EVERY, .send = SEND_WRITEV, .one_send = true) },
	{ .name = "peek",
	  .description = "every receive is preceded by one with MSG_PEEK",
	  .needs = NEEDS(FACT_PEEK),
	  KNOBS(EVERY, .peek = true) },
	{ .name = "peek-short",
	  .description = "MSG_PEEK and receives of 50 bytes by recvmsg",
	  .needs = NEEDS(FACT_PEEK) | NEEDS(FACT_SPLIT_HEAD),
	  KNOBS(EVERY, .peek = true, .receive = RECEIVE_RECVMSG, .receive_size = 50, .vectors = 2) },
	{ .name = "eagain",
	  .description = "non-blocking sockets with small buffers: EAGAIN on both calls, short sends",
	  .needs = NEEDS(FACT_RECEIVE_EAGAIN) | NEEDS(FACT_SEND_EAGAIN) | NEEDS(FACT_SHORT_SEND),
	  KNOBS(EVERY, .nonblocking = true, .send_buffer = 8192) },
	{ .name = "eagain-vectors",
	  .description = "the same by sendmsg and readv",
	  .needs = NEEDS(FACT_RECEIVE_EAGAIN) | NEEDS(FACT_SEND_EAGAIN) | NEEDS(FACT_SHORT_SEND),
	  KNOBS(EVERY, .nonblocking = true, .send_buffer = 8192, .receive = RECEIVE_READV, .send = SEND_SENDMSG) },
	{ .name = "short-receives",
	  .description = "receives of 333 bytes, so that every body takes many calls",
	  KNOBS(EVERY, .receive_size = 333) },
	{ .name = "truncate",
	  .description = "bodies thrown away by recv with MSG_TRUNC",
	  .needs = NEEDS(FACT_DISCARD),
	  BODIES(TCP, .body_receive = BODY_RECEIVE_TRUNC, .receive_size = 300) },
	{ .name = "waitall",
	  .description = "bodies received by recv with MSG_WAITALL",
	  .needs = NEEDS(FACT_WAITALL),
	  BODIES(EVERY, .body_receive = BODY_RECEIVE_WAITALL, .receive_size = 300) },
	{ .name = "more",
	  .description = "heads sent with MSG_MORE before their bodies",
	  KNOBS(EVERY, .send = SEND_SEND, .more = true) },
	{ .name = "cork", .description = "messages under TCP_CORK", KNOBS(TCP, .cork = true) },
	{ .name = "sendfile",
	  .description = "bodies of 1 MiB by sendfile",
	  .needs = NEEDS(FACT_SENDFILE),
	  BODIES(EVERY, .body_send = BODY_SEND_SENDFILE) },
	{ .name = "sendfile-eagain",
	  .description = "bodies of 1 MiB by sendfile, non-blocking, with MSG_MORE heads",
	  .needs = NEEDS(FACT_SENDFILE) | NEEDS(FACT_SEND_EAGAIN),
	  BODIES(TCP, .send = SEND_SEND, .body_send = BODY_SEND_SENDFILE, .nonblocking = true, .more = true,
		 .send_buffer = 262144, .receive_size = 700) },
	{ .name = "splice",
	  .description = "bodies of 1 MiB by splice, out of a file and into a pipe",
	  .needs = NEEDS(FACT_SPLICE_IN) | NEEDS(FACT_SPLICE_OUT),
	  BODIES(EVERY, .body_send = BODY_SEND_SPLICE, .body_receive = BODY_RECEIVE_SPLICE, .receive_size = 300) },
	{ .name = "zerocopy",
	  .description = "bodies sent with MSG_ZEROCOPY",
	  .needs = NEEDS(FACT_ZEROCOPY),
	  KNOBS(TCP, .send = SEND_SEND, .zerocopy = true) },
	{ .name = "io-uring",
	  .description = "receives and sends through io_uring",
	  .flags = NEEDS_FUNCTION_HOOKS | NEEDS_URING,
	  KNOBS(EVERY, .receive = RECEIVE_URING, .send = SEND_URING) },
	{ 0 },
};
