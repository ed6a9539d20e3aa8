/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of otlp share. otlp.c owns the exporter's turn of the loop, queue.c what waits, batch.c makes requests
 * of it, call.c sends them and judges the answers, transfer.c lends libcurl our epoll, figures.c counts.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "exporters/common/span_message.h"
#include "exporters/otlp/answer.h"
#include "exporters/otlp/curl.h"
#include "exporters/otlp/otlp.h"

#define OTLP_BATCH_BYTES ((size_t)1 << 20)    /* of a request before compression */
#define OTLP_REQUEST_BYTES ((size_t)64 << 20) /* OTLP specification: no more before compression */
#define OTLP_ANSWER_BYTES ((size_t)64 << 10)
#define OTLP_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"
#define OTLP_PROBLEM_BYTES 256
#define OTLP_RECENT_RESOURCES 8

enum otlp_dropped {
	DROPPED_QUEUE_FULL, /* the oldest made room */
	DROPPED_REFUSED,    /* the collector will not have it */
	DROPPED_REJECTED,   /* partial success */
	DROPPED_NO_MEMORY,
	DROPPED_COUNT,
};

enum otlp_failure {
	FAILURE_CONNECTION, /* no answer: refused, timeout, closed, not HTTP */
	FAILURE_RETRYABLE,  /* 429, 502, 503, 504; gRPC's codes that may be tried again */
	FAILURE_STATUS,     /* another status */
	FAILURE_ANSWER,     /* 200 with something that is not the answer */
	FAILURE_COUNT,
};

/* Whose spans they are: the service's name, a newline, lines of more. Shared by spans that come one after the other. */
struct otlp_resource {
	size_t items; /* that wait; its bytes count while there are some */
	bool recent;
	size_t length;
	char text[];
};

/* One span, encoded; or one whole request of metrics. */
struct otlp_item {
	struct otlp_item *next;
	uint64_t sequence; /* over both signals: the lowest is the oldest */
	size_t size;       /* of this block */
	uint32_t count;    /* spans or data points */
	struct otlp_resource *resource;
	size_t length;
	char bytes[];
};

struct otlp_lane {
	struct otlp_item *first;
	struct otlp_item *last;
	size_t count;        /* items */
	uint64_t waiting_ns; /* since when the first item waits */
};

enum otlp_call_state {
	CALL_IDLE,
	CALL_SENDING,
	CALL_WAITING, /* to try again */
};

/* The one request of a signal that is under way. */
struct otlp_call {
	enum otlp_call_state state;
	CURL *easy; /* owned */
	struct curl_slist *headers;
	struct buffer body;
	struct buffer answer;
	uint32_t count; /* spans or data points in it */
	uint32_t attempts;
	uint64_t retry_ns;
	uint64_t retry_after_ns; /* what the answer's Retry-After asked for */
	bool answer_cut;
	bool fresh;              /* each request has a connection of its own */
	struct grpc_answer grpc; /* with OTLP_GRPC */
};

struct otlp_figures {
	uint64_t sent[OTLP_SIGNAL_COUNT]; /* spans and data points */
	uint64_t requests[OTLP_SIGNAL_COUNT];
	uint64_t bytes[OTLP_SIGNAL_COUNT]; /* of bodies that were taken */
	uint64_t dropped[OTLP_SIGNAL_COUNT][DROPPED_COUNT];
	uint64_t failures[OTLP_SIGNAL_COUNT][FAILURE_COUNT];
};

struct otlp {
	struct otlp_config config;
	struct curl_library curl;
	CURLM *multi;                   /* owned */
	int epoll_fd;                   /* owned: libcurl's sockets and the timer */
	int timer_fd;                   /* owned */
	uint64_t curl_ns;               /* when libcurl wants to be called; 0: not */
	uint64_t metric_ns;             /* when metrics are due; 0: they are not exported */
	struct metric_history *history; /* owned; NULL: cumulative */
	uint64_t sequence;
	uint64_t random;
	size_t queue_bytes; /* items and bodies */
	struct otlp_lane lanes[OTLP_SIGNAL_COUNT];
	struct otlp_resource *recent[OTLP_RECENT_RESOURCES]; /* NULL */
	size_t next_recent;
	struct otlp_call calls[OTLP_SIGNAL_COUNT];
	struct otlp_figures figures;
	struct span_message message;
	struct buffer scratch; /* one encoded span, one service's spans */
	char resource[6144];   /* frame_resource */
	char problem[OTLP_PROBLEM_BYTES];
	uint64_t problem_count;
	bool stopping;
};

/* queue.c */
/* Copies; makes room by dropping the oldest. */
void queue_put(struct otlp *otlp, enum otlp_signal signal, const char *resource, const void *bytes, size_t length,
	       uint32_t count);
/* Resources that are kept for the spans to come. */
void queue_done(struct otlp *otlp);
/* The first item, the caller's; NULL. */
struct otlp_item *queue_take(struct otlp *otlp, enum otlp_signal signal);
void queue_item_free(struct otlp *otlp, struct otlp_item *item);
/* Drops the oldest until the queue is within its bound. */
void queue_bound(struct otlp *otlp);

/* batch.c */
void batch_span(void *ctx, const struct span *span);
/* Moves items into the call's body. False when there was no memory: they are counted as dropped. */
bool batch_fill(struct otlp *otlp, enum otlp_signal signal);

/* call.c */
bool call_init(struct otlp *otlp, enum otlp_signal signal, struct exporter_error *ret_error);
void call_done(struct otlp *otlp, enum otlp_signal signal);
void call_send(struct otlp *otlp, enum otlp_signal signal);
void call_finished(struct otlp *otlp, enum otlp_signal signal, CURLcode code);
/* Forgets the request under way. */
void call_drop(struct otlp *otlp, enum otlp_signal signal, enum otlp_dropped reason);

/* transfer.c */
bool transfer_init(struct otlp *otlp);
/* Lets libcurl do what is due. */
void transfer_run(struct otlp *otlp);
void transfer_done(struct otlp *otlp);

/* otlp.c */
__attribute__((format(printf, 2, 3))) void otlp_note(struct otlp *otlp, const char *format, ...);
