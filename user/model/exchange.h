/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange: one request and its response, seen from one end of one connection. Made by proto's pairing, read by
 * aggregate and trace. Pointers inside are borrowed for the duration of the callback that hands the exchange over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/connection.h"

enum protocol {
	PROTOCOL_UNKNOWN,
	PROTOCOL_HTTP1,
	PROTOCOL_POSTGRESQL,
	PROTOCOL_REDIS,
	PROTOCOL_COUNT,
};

/* As in labels: "http1", "postgresql", "redis". Defined beside proto's table. */
const char *protocol_text(enum protocol protocol);

enum side {
	SIDE_SERVER, /* this end received the request */
	SIDE_CLIENT, /* this end sent it */
};

/* Why an exchange has no whole response. The text of each, as `error_type`, is exchange_error_text(). */
enum exchange_error {
	EXCHANGE_COMPLETE,
	EXCHANGE_REQUEST_ABORTED,  /* connection ended before the request was whole */
	EXCHANGE_NO_RESPONSE,      /* connection ended after the request, before a byte of the response */
	EXCHANGE_RESPONSE_ABORTED, /* connection ended inside the response */
	EXCHANGE_CONNECTION_RESET, /* as one of the above, by RST */
	EXCHANGE_TIMEOUT,          /* as one of the above, by the kernel's retransmission limit */
	EXCHANGE_ERROR_COUNT,
};

/* "" for EXCHANGE_COMPLETE, else a low-cardinality word such as "connection_reset". */
const char *exchange_error_text(enum exchange_error error);

/* RFC 9110 section 9.3, RFC 5789 (PATCH), and QUERY; in the order of http_method_text(). */
enum http_method {
	HTTP_METHOD_OTHER,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_PATCH,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_QUERY,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_COUNT,
};

/* "GET", ...; "_OTHER" for HTTP_METHOD_OTHER. */
const char *http_method_text(enum http_method method);

/* A borrowed run of bytes, not NUL-terminated. */
struct text {
	const char *data;
	size_t length;
};

struct http_facts {
	enum http_method method;
	uint16_t status; /* of the final response; 0 when there was none */
	uint8_t version; /* 10 or 11: of the request line */
	bool upgraded;   /* 101 or a 2xx to CONNECT: the connection became opaque */
	struct text
		path; /* of the request target, without query; cut at a maximum; "*" and authority forms as they are */
	struct text method_original; /* of HTTP_METHOD_OTHER, as sent; for spans alone */
	struct text traceparent;     /* as sent, of the one such field there is; else empty */
	struct text tracestate;      /* all lines, with commas between */
	struct text query;           /* what the user named of it (model/keep.h); else empty */
	struct text fields;          /* likewise of header fields: see kept_next() */
	struct text host; /* Host field or the absolute form's authority, as sent (may hold ":port"); may be empty */
};

/* One statement or command of a database, by OpenTelemetry's conventions for database clients. No literal, key, value
 * or argument is in any of these. Texts are UTF-8, or what the parser made of bytes that are not; "" when not known. */
struct db_facts {
	struct text operation;  /* db.operation.name: "SELECT", "GET"; "_OTHER" for what the protocol does not know */
	struct text collection; /* db.collection.name: the first table; "" for Redis */
	struct text summary;    /* db.query.summary, at most 255 bytes; "" for Redis */
	struct text name_space; /* db.namespace: PostgreSQL's database, Redis's database number */
	struct text query_text; /* db.query.text, sanitised, where the user wants it (model/keep.h); else "" */
	struct text status;     /* db.response.status_code: SQLSTATE, or Redis's error prefix; "" on success */
	uint64_t rows;          /* returned or affected, when rows_known */
	uint32_t hits;          /* cache lookups of this command that found something */
	uint32_t misses;        /* and that did not */
	bool rows_known;
	bool failed;   /* the server answered with an error, which `status` tells */
	bool blocking; /* may wait on purpose (BLPOP): its time is not slowness */
};

/* A transaction of a database that has ended. Those that begin and end within one request are not told. */
struct db_transaction {
	struct text name_space;
	uint64_t duration_ns; /* from the first byte of the request that opened it to the end of the answer that ended
				 it */
	uint64_t idle_ns;     /* of that, the time in which the server waited for the client */
	uint32_t tgid;
};

/* What a connection to a database is at one moment. */
enum db_session_state {
	DB_SESSION_IDLE, /* nothing is asked, no transaction is open */
	DB_SESSION_USED, /* a request is not answered yet, or the connection is being set up */
	DB_SESSION_IDLE_IN_TRANSACTION,
	DB_SESSION_STATE_COUNT,
};

struct db_session {
	enum db_session_state state;
	struct text name_space;
	uint64_t since_ns; /* DB_SESSION_IDLE_IN_TRANSACTION: since when */
};

struct exchange {
	enum protocol protocol;
	enum side side;
	enum exchange_error error;
	uint8_t tls; /* enum tls_version of model/plain.h */
	uint64_t conn_id;
	uint32_t tgid; /* who moved the first byte of the request */
	uint32_t tid;
	uint32_t response_tid; /* who moved the first byte of the response; 0 when not known */
	/* That moved the request, in Go processes; 0 when not known. Of HTTP's head its last byte: net/http's server
	 * has a goroutine that reads one byte while another one serves. */
	uint32_t goroutine;
	const struct endpoint *local;
	const struct endpoint *remote;
	/* CLOCK_MONOTONIC; 0 for a moment that did not come. First byte: the call that moved it returned. */
	uint64_t request_first_ns;
	uint64_t request_last_ns;
	uint64_t response_first_ns;
	uint64_t response_last_ns;
	uint64_t request_body_bytes; /* content after transfer coding is removed: what Content-Length would say */
	uint64_t response_body_bytes;
	/* Stream positions of the first bytes: the key that both ends share, if positions_shared says so. */
	uint32_t request_position;
	uint32_t response_position;
	uint32_t request_peer_position; /* of the response's direction when the request began; 0 when not known */
	bool positions_shared;
	struct http_facts http; /* PROTOCOL_HTTP1 */
	struct db_facts db;     /* PROTOCOL_POSTGRESQL, PROTOCOL_REDIS */
};
