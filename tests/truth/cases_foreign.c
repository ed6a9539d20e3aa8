/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case 9: bytes that are not HTTP, and HTTP that is broken. Nothing smuggled is counted, the agent lives, and a reason
 * stands in its counters. A malformed request's server answers 400, as a good one would: that exchange may be counted.
 */
#include "script.h"

#define CLIENT_HELLO                                   \
	"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" \
	"0123456789abcdef0123456789abcdef"             \
	"\x00\x00\x04\x13\x01\x13\x02\x01\x00"
#define SERVER_HELLO "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00"
#define RANDOM "\x8f\x00\x13\xfe\xa9\x55\x02\x71\xcc\x0b\x90\x3d\xe6\x1f\x77\x28\xd4\x00\x4a\x9b"
#define SSH "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
/* MQTT 3.1.1, sections 3.1 and 3.2. */
#define CONNECT "\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05truth"
#define CONNACK "\x20\x02\x00\x00"
#define SMTP "220 mail.example ESMTP\r\n"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
#define SETTINGS "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

#define FOREIGN(from_client, from_server, why)                                                           \
	{                                                                                                \
		.client = { SEND(from_client), RECEIVE(from_server), SEND(PLAIN) },                      \
		.server = { RECEIVE(from_client), SEND(from_server), RECEIVE(PLAIN), { .op = OP_EOF } }, \
		.opaque = (why)                                                                          \
	}
#define SERVER_FIRST(from_server, from_client, why)                                                                   \
	{                                                                                                             \
		.client = { RECEIVE(from_server), SEND(from_client), RECEIVE(PLAIN) },                                \
		.server = { SEND(from_server), RECEIVE(from_client), SEND(PLAIN), { .op = OP_EOF } }, .opaque = (why) \
	}

#define PLAIN "and then some more that is plain text, in a call of its own\r\n"
/* The same, but a later call's bytes begin as a request would: still not HTTP, because the connection is not. */
#define FOREIGN_POSING(from_client, from_server, why)                                               \
	{                                                                                           \
		.client = { SEND(from_client), RECEIVE(from_server), { OP_SEND_BODY, NULL, 500 } }, \
		.server = { RECEIVE(from_client),                                                   \
			    SEND(from_server),                                                      \
			    { OP_RECEIVE_BODY, NULL, 500 },                                         \
			    { .op = OP_EOF } },                                                     \
		.opaque = (why)                                                                     \
	}

static const struct script noise_posing = FOREIGN_POSING(RANDOM, RANDOM, "unknown");
static const struct script tls = FOREIGN(CLIENT_HELLO, SERVER_HELLO, "tls");
static const struct script noise = FOREIGN(RANDOM, RANDOM, "unknown");
static const struct script mqtt = FOREIGN(CONNECT, CONNACK, "unknown");
static const struct script http2 = FOREIGN(PREFACE, SETTINGS, "http2");
static const struct script ssh = SERVER_FIRST(SSH, SSH, "unknown");
static const struct script smtp = SERVER_FIRST(SMTP, "EHLO truth.example\r\n", "unknown");
static const struct script fragment = { .client = { SEND("GE") },
					.server = { RECEIVE("GE"), { .op = OP_EOF } },
					.opaque = "unknown" };

/* Never seen by the counters when the parsers hold: it stands where a body or nothing at all must be. */
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: truth.example\r\n\r\n"
#define REFUSED "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define HOST "Host: truth.example\r\n"
#define POST "POST /bad HTTP/1.1\r\n" HOST
#define GET_WHOLE "GET /bad HTTP/1.1\r\n" HOST "\r\n"

#define BAD_REQUEST(bytes)                                                       \
	{                                                                        \
		.client = { SEND(bytes), RECEIVE(REFUSED), { .op = OP_DRAIN } }, \
		.server = { RECEIVE(bytes), SEND(REFUSED) }, .opaque = ""        \
	}
#define BAD_RESPONSE(bytes)                                                      \
	{                                                                        \
		.client = { SEND(GET_WHOLE), RECEIVE(bytes), { .op = OP_EOF } }, \
		.server = { RECEIVE(GET_WHOLE), SEND(bytes) }, .opaque = ""      \
	}

static const struct script two_lengths = BAD_REQUEST(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" SMUGGLED);
static const struct script list_length = BAD_REQUEST(POST "Content-Length: 5, 6\r\n\r\n" SMUGGLED);
static const struct script plus_length = BAD_REQUEST(POST "Content-Length: +5\r\n\r\n" SMUGGLED);
static const struct script minus_length = BAD_REQUEST(POST "Content-Length: -1\r\n\r\n" SMUGGLED);
static const struct script hex_length = BAD_REQUEST(POST "Content-Length: 0x10\r\n\r\n" SMUGGLED);
static const struct script huge_length = BAD_REQUEST(POST "Content-Length: 99999999999999999999999\r\n\r\n" SMUGGLED);
static const struct script length_and_chunked =
	BAD_REQUEST(POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2f\r\n" SMUGGLED "\r\n");
static const struct script chunked_not_last = BAD_REQUEST(POST "Transfer-Encoding: chunked, gzip\r\n\r\n" SMUGGLED);
static const struct script huge_chunk =
	BAD_REQUEST(POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n" SMUGGLED);
static const struct script wrapped_chunk =
	BAD_REQUEST(POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" SMUGGLED);
static const struct script odd_chunk = BAD_REQUEST(POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n" SMUGGLED);
static const struct script unended_chunk = BAD_REQUEST(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX" SMUGGLED);
static const struct script bare_lf = BAD_REQUEST("GET /bad HTTP/1.1\nHost: truth.example\n\n");
static const struct script bare_cr = BAD_REQUEST("GET /bad HTTP/1.1\r\nHost: truth\rX: 1\r\n\r\n");
static const struct script nul_in_value = BAD_REQUEST("GET /bad HTTP/1.1\r\nHost: tru\0th\r\n\r\n");
static const struct script nul_in_line = BAD_REQUEST("GET /b\0ad HTTP/1.1\r\n" HOST "\r\n");
static const struct script space_before_colon = BAD_REQUEST(POST "Content-Length : 5\r\n\r\n" SMUGGLED);
static const struct script folded = BAD_REQUEST("GET /bad HTTP/1.1\r\nHost: truth\r\n .example\r\n\r\n");
static const struct script no_colon = BAD_REQUEST("GET /bad HTTP/1.1\r\nno colon here\r\n\r\n");
static const struct script no_version = BAD_REQUEST("GET /bad\r\n\r\n");
static const struct script future_version = BAD_REQUEST("GET /bad HTTP/9.9\r\n" HOST "\r\n");
static const struct script garbage_after = BAD_REQUEST(GET_WHOLE RANDOM SMUGGLED);

static const struct script response_two_lengths =
	BAD_RESPONSE("HTTP/1.1 400 Bad\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhelloxx");
static const struct script response_minus_length = BAD_RESPONSE("HTTP/1.1 400 Bad\r\nContent-Length: -7\r\n\r\nhello");
static const struct script response_odd_chunk =
	BAD_RESPONSE("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n");
static const struct script response_odd_status = BAD_RESPONSE("HTTP/1.1 4x0 Bad\r\nContent-Length: 5\r\n\r\nhello");
static const struct script response_noise = BAD_RESPONSE(RANDOM RANDOM RANDOM);
static const struct script response_lf = BAD_RESPONSE("HTTP/1.1 400 Bad\nContent-Length: 5\n\nhello");

#define NOT_HTTP(title, text, conversation)                                                                       \
	{                                                                                                         \
		.name = (title), .number = 9, .description = (text), .families = EVERY, .script = &(conversation) \
	}
#define MALFORMED(title, text, conversation)                                                  \
	{                                                                                     \
		.name = (title), .number = 9, .description = (text), .families = TCP4 | UNIX, \
		.flags = ALLOW_ONE_EXCHANGE | ALLOW_OUT_OF_STEP, .script = &(conversation)    \
	}

const struct truth_case cases_foreign[] = {
	NOT_HTTP("tls", "a TLS handshake: told as such, every byte counted", tls),
	NOT_HTTP("noise", "random bytes", noise),
	NOT_HTTP("noise-posing", "random bytes, then a call whose bytes begin as a request does", noise_posing),
	NOT_HTTP("mqtt", "MQTT, which sonde does not read", mqtt),
	NOT_HTTP("http2", "HTTP/2 with prior knowledge is not HTTP/1", http2),
	NOT_HTTP("ssh", "SSH: the server speaks first", ssh),
	NOT_HTTP("smtp", "a 220 greeting is no HTTP response", smtp),
	NOT_HTTP("fragment", "two bytes that could have become a request", fragment),
	MALFORMED("two-lengths", "two Content-Lengths that differ", two_lengths),
	MALFORMED("list-length", "a Content-Length of two values", list_length),
	MALFORMED("plus-length", "a Content-Length with a sign", plus_length),
	MALFORMED("minus-length", "a negative Content-Length", minus_length),
	MALFORMED("hex-length", "a hexadecimal Content-Length", hex_length),
	MALFORMED("huge-length", "a Content-Length beyond 64 bits", huge_length),
	MALFORMED("length-and-chunked", "Content-Length and chunked, the body a request", length_and_chunked),
	MALFORMED("chunked-not-last", "chunked that is not the last coding", chunked_not_last),
	MALFORMED("huge-chunk", "a chunk size beyond 64 bits", huge_chunk),
	MALFORMED("wrapped-chunk", "a chunk size of 64 bits", wrapped_chunk),
	MALFORMED("odd-chunk", "a chunk size that is no number", odd_chunk),
	MALFORMED("unended-chunk", "a chunk without its line end", unended_chunk),
	MALFORMED("bare-lf", "lines that end with LF alone", bare_lf),
	MALFORMED("bare-cr", "a CR inside a field", bare_cr),
	MALFORMED("nul-in-value", "NUL inside a field", nul_in_value),
	MALFORMED("nul-in-line", "NUL inside the target", nul_in_line),
	MALFORMED("space-before-colon", "a space before the colon of Content-Length", space_before_colon),
	MALFORMED("folded", "a folded field", folded),
	MALFORMED("no-colon", "a field without a colon", no_colon),
	MALFORMED("no-version", "HTTP/0.9", no_version),
	MALFORMED("future-version", "HTTP/9.9", future_version),
	MALFORMED("garbage-after", "a good request, then noise and one that must not count", garbage_after),
	MALFORMED("response-two-lengths", "a response with two Content-Lengths", response_two_lengths),
	MALFORMED("response-minus-length", "a response with a negative Content-Length", response_minus_length),
	MALFORMED("response-odd-chunk", "a response with a negative chunk size", response_odd_chunk),
	MALFORMED("response-odd-status", "a response whose status is no number", response_odd_status),
	MALFORMED("response-noise", "noise instead of a response", response_noise),
	MALFORMED("response-lf", "a response whose lines end with LF alone", response_lf),
	{ 0 },
};
