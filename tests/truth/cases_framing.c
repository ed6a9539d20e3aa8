/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 3: where messages end. Every body looks like HTTP itself, so that a parser that loses its place counts wrong.
 */
#include "script.h"

#define CHUNKS FRAMING_CHUNKED
#define RICH FRAMING_CHUNKED_RICH
#define SIZED FRAMING_LENGTH
#define UPGRADE                                                                                      \
	"GET /chat HTTP/1.1\r\nHost: truth.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SWITCHING                                                                           \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define FRAME "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
#define CONNECT "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n"
#define GET_PLAIN "GET /plain HTTP/1.1\r\nHost: truth.example\r\n\r\n"
#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static const struct script websocket = {
	.client = { SEND(UPGRADE),
		    RECEIVE(SWITCHING),
		    { .op = OP_MARK },
		    SEND(FRAME),
		    { OP_SEND_BODY, NULL, 5000 },
		    { OP_RECEIVE_BODY, NULL, 70000 } },
	.server = { RECEIVE(UPGRADE),
		    SEND(SWITCHING),
		    { .op = OP_MARK },
		    RECEIVE(FRAME),
		    { OP_RECEIVE_BODY, NULL, 5000 },
		    { OP_SEND_BODY, NULL, 70000 },
		    { .op = OP_EOF } },
	.outcomes = { BOTH("GET", 101, NULL, 0, 0) },
	.opaque = "upgraded",
};

/* The first frame comes in the same segment as the 101, and the client speaks before it has seen it. */
static const struct script websocket_early = {
	.client = { SEND(UPGRADE),
		    RECEIVE(SWITCHING FRAME),
		    { .op = OP_MARK, .number = sizeof(FRAME) - 1 },
		    SEND(FRAME),
		    { .op = OP_EOF } },
	.server = { RECEIVE(UPGRADE),
		    SEND(SWITCHING FRAME),
		    { .op = OP_MARK, .number = sizeof(FRAME) - 1 },
		    RECEIVE(FRAME) },
	.outcomes = { BOTH("GET", 101, NULL, 0, 0) },
	.opaque = "upgraded",
};

static const struct script upgrade_refused = {
	.client = { SEND(UPGRADE), RECEIVE(OK_5), SEND(GET_PLAIN), RECEIVE(OK_5) },
	.server = { RECEIVE(UPGRADE), SEND(OK_5), RECEIVE(GET_PLAIN), SEND(OK_5), { .op = OP_EOF } },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5), BOTH("GET", 200, NULL, 0, 5) },
};

static const struct script connect_tunnel = {
	.client = { SEND(CONNECT),
		    RECEIVE("HTTP/1.1 200 Connection established\r\n\r\n"),
		    { .op = OP_MARK },
		    SEND(GET_PLAIN),
		    { OP_SEND_BODY, NULL, 3000 },
		    { OP_RECEIVE_BODY, NULL, 9000 } },
	.server = { RECEIVE(CONNECT),
		    SEND("HTTP/1.1 200 Connection established\r\n\r\n"),
		    { .op = OP_MARK },
		    RECEIVE(GET_PLAIN),
		    { OP_RECEIVE_BODY, NULL, 3000 },
		    { OP_SEND_BODY, NULL, 9000 },
		    { .op = OP_EOF } },
	.outcomes = { BOTH("CONNECT", 200, NULL, 0, 0) },
	.opaque = "upgraded",
};

#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"
static const struct script connect_refused = {
	.client = { SEND(CONNECT), RECEIVE(FORBIDDEN), SEND(GET_PLAIN), RECEIVE(OK_5) },
	.server = { RECEIVE(CONNECT), SEND(FORBIDDEN), RECEIVE(GET_PLAIN), SEND(OK_5), { .op = OP_EOF } },
	.outcomes = { BOTH("CONNECT", 403, NULL, 0, 3), BOTH("GET", 200, NULL, 0, 5) },
};

#define EXPECTING "PUT /big HTTP/1.1\r\nHost: truth.example\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
#define TOO_LARGE "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
/* RFC 9110 section 10.1.1: the client need not send the body that was refused. The exchange is whole. */
static const struct script continue_refused = {
	.client = { SEND(EXPECTING), RECEIVE(TOO_LARGE), { .op = OP_EOF } },
	.server = { RECEIVE(EXPECTING), SEND(TOO_LARGE) },
	.outcomes = { BOTH("PUT", 413, NULL, 0, 0) },
};

/* RFC 9112 section 2.2: an empty line before a request is ignored. */
static const struct script empty_line_first = {
	.client = { SEND("\r\n" GET_PLAIN), RECEIVE(OK_5), SEND("\r\n"), SEND(GET_PLAIN), RECEIVE(OK_5) },
	.server = { RECEIVE("\r\n" GET_PLAIN), SEND(OK_5), RECEIVE("\r\n" GET_PLAIN), SEND(OK_5), { .op = OP_EOF } },
	.outcomes = { BOTH("GET", 200, NULL, 0, 5), BOTH("GET", 200, NULL, 0, 5) },
};

#define BOTH_PLANS(text, ...) \
	.number = 3, .description = text, .families = EVERY, .load = { .requests = 100, .plans = { __VA_ARGS__ } }
#define SCRIPTED(text, conversation) .number = 3, .description = text, .families = EVERY, .script = &(conversation)

const struct truth_case cases_framing[] = {
	{ .name = "content-length",
	  BOTH_PLANS("bodies by Content-Length: none, empty, one byte, larger than a segment",
		     { .method = "POST", .request = SIZED, .request_bytes = 0, .response = SIZED, .response_bytes = 1 },
		     { .method = "PUT", .request = SIZED, .request_bytes = 1, .response = SIZED, .response_bytes = 0 },
		     { .method = "PATCH",
		       .request = SIZED,
		       .request_bytes = 90000,
		       .response = SIZED,
		       .response_bytes = 70001 },
		     { .method = "OPTIONS", .target = "*" }) },
	{ .name = "chunked",
	  BOTH_PLANS(
		  "chunked bodies of many chunk sizes, both ways",
		  { .method = "POST",
		    .request = CHUNKS,
		    .request_bytes = 21000,
		    .response = CHUNKS,
		    .response_bytes = 33000 },
		  { .method = "POST", .request = CHUNKS, .request_bytes = 0, .response = CHUNKS, .response_bytes = 0 },
		  { .method = "POST",
		    .request = CHUNKS,
		    .request_bytes = 1,
		    .response = SIZED,
		    .response_bytes = 10 }) },
	{ .name = "chunked-rich",
	  BOTH_PLANS(
		  "chunked with extensions, quoted strings, leading zeros and trailers",
		  { .method = "POST",
		    .request = RICH,
		    .request_bytes = 21000,
		    .response = RICH,
		    .response_bytes = 33000 },
		  { .method = "POST", .request = RICH, .request_bytes = 0, .response = RICH, .response_bytes = 5 }) },
	{ .name = "chunked-one-byte",
	  .number = 3,
	  .description = "chunked with extensions and trailers, one byte at a time",
	  .families = EVERY,
	  .needs = NEEDS(FACT_ONE_BYTE_RECEIVE) | NEEDS(FACT_ONE_BYTE_SEND),
	  .load = { .requests = 4,
		    .client.send_size = 1,
		    .client.receive_size = 1,
		    .server.send_size = 1,
		    .server.receive_size = 1,
		    .plans = { { .method = "POST",
				 .request = RICH,
				 .request_bytes = 600,
				 .response = RICH,
				 .response_bytes = 700 } } } },
	{ .name = "until-close",
	  .number = 3,
	  .description = "responses that end with their connection, small, empty and large",
	  .families = EVERY,
	  .load = { .connections = 90,
		    .threads = 3,
		    .plans = { { .method = "GET", .response = FRAMING_CLOSE, .response_bytes = 1000 },
			       { .method = "GET", .response = FRAMING_CLOSE, .response_bytes = 0 },
			       { .method = "POST",
				 .request = SIZED,
				 .request_bytes = 10,
				 .response = FRAMING_CLOSE,
				 .response_bytes = 200000 } } } },
	{ .name = "http-1.0",
	  .number = 3,
	  .description = "HTTP/1.0, with keep-alive and without",
	  .families = EVERY,
	  .load = { .connections = 20,
		    .requests = 3,
		    .plans = { { .method = "GET", .version_10 = true, .response = SIZED, .response_bytes = 77 } } } },
	{ .name = "no-body",
	  BOTH_PLANS("HEAD, 204 and 304 (with Content-Length) among others on one connection",
		     { .method = "HEAD", .response = SIZED, .response_bytes = 5000 },
		     { .method = "GET", .response = SIZED, .response_bytes = 50 },
		     { .method = "GET", .status = 304, .response = SIZED, .response_bytes = 5000 },
		     { .method = "DELETE", .status = 204 },
		     { .method = "HEAD", .response = CHUNKS, .response_bytes = 500 }) },
	{ .name = "statuses",
	  BOTH_PLANS("statuses and the errors that they are: 5xx on both sides, 4xx on the client's",
		     { .method = "GET", .status = 404, .response = SIZED, .response_bytes = 3 },
		     { .method = "GET", .status = 500, .response = SIZED, .response_bytes = 3 },
		     { .method = "GET", .status = 503 }, { .method = "POST", .status = 201 },
		     { .method = "GET", .status = 301, .response = SIZED, .response_bytes = 9 }) },
	{ .name = "methods",
	  BOTH_PLANS("every method by name", { .method = "GET" }, { .method = "TRACE" },
		     { .method = "QUERY", .request = SIZED, .request_bytes = 20 },
		     { .method = "OPTIONS", .target = "http://absolute.example/truth?x=1" }, { .method = "DELETE" },
		     { .method = "PUT", .request = SIZED, .request_bytes = 2 }) },
	{ .name = "interim",
	  .number = 3,
	  .description =
		  "102 and 103 (one of them with a Content-Length, which means nothing) before the final response",
	  .families = EVERY,
	  .needs = NEEDS(FACT_INTERIM),
	  .load = { .requests = 60,
		    .plans = { { .method = "GET", .interim = true, .response = SIZED, .response_bytes = 40 },
			       { .method = "GET", .response = SIZED, .response_bytes = 41 } } } },
	{ .name = "continue",
	  .number = 3,
	  .description = "Expect: 100-continue, accepted",
	  .families = EVERY,
	  .needs = NEEDS(FACT_CONTINUE),
	  .load = { .requests = 60,
		    .plans = { { .method = "PUT", .expect = true, .request = SIZED, .request_bytes = 20000 },
			       { .method = "PUT",
				 .expect = true,
				 .request = CHUNKS,
				 .request_bytes = 300,
				 .interim = true },
			       { .method = "GET" } } } },
	{ .name = "continue-refused",
	  SCRIPTED("Expect: 100-continue, refused: the body never comes", continue_refused) },
	{ .name = "websocket", SCRIPTED("101 to WebSocket, then binary frames: opaque, bytes counted", websocket) },
	{ .name = "websocket-early", SCRIPTED("101 and the first frame in one segment", websocket_early) },
	{ .name = "upgrade-refused", SCRIPTED("an Upgrade that the server ignores: HTTP goes on", upgrade_refused) },
	{ .name = "connect", SCRIPTED("CONNECT, then a tunnel whose bytes look like HTTP", connect_tunnel) },
	{ .name = "connect-refused", SCRIPTED("CONNECT refused with 403: HTTP goes on", connect_refused) },
	{ .name = "empty-line-first", SCRIPTED("empty lines before requests", empty_line_first) },
	{ 0 },
};
