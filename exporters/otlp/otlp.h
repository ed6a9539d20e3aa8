/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans and metrics to an OpenTelemetry collector: OTLP over HTTP, protobuf or JSON, or gRPC. Whatever the collector
 * does, the agent goes on: memory is bounded, nothing blocks, what is lost is counted.
 */
#pragma once

#include "base/cleanup.h"
#include "exporters/exporter.h"
#include "model/span.h"

struct otlp;

enum otlp_signal {
	OTLP_TRACES,
	OTLP_METRICS,
	OTLP_SIGNAL_COUNT,
};

enum otlp_encoding {
	OTLP_PROTOBUF,
	OTLP_JSON,
	OTLP_GRPC, /* protobuf in HTTP/2 */
};

/* Where one signal goes. Borrowed for the exporter's life. */
struct otlp_target {
	const char *url; /* whole; NULL: this signal is not exported */
	enum otlp_encoding encoding;
	bool gzip;
	const char *const *headers; /* "Name: value" */
	size_t header_count;
	uint64_t timeout_ns;     /* of one request */
	const char *certificate; /* PEM of whom to trust; "" for the system's */
	const char *client_certificate;
	const char *client_key;
};

struct otlp_pair {
	const char *key;
	const char *value;
};

/* More of resources: lines "key=value\n". Every function may be NULL: nothing. */
struct otlp_resources {
	void *ctx;
	const char *(*process)(void *ctx, uint32_t tgid); /* a span's */
	void (*begin)(void *ctx);                         /* services are about to be asked for: of one walk */
	const char *(*service)(void *ctx, const char *service);
	void (*end)(void *ctx); /* all that there are were asked for */
};

struct otlp_config {
	struct otlp_target targets[OTLP_SIGNAL_COUNT];
	const char *proxy;       /* ""; what https_proxy, http_proxy and no_proxy say */
	const char *version;     /* of sonde */
	const char *own_service; /* service.name of what sonde says of itself */
	struct otlp_resources resources;
	const struct otlp_pair *resource; /* on every resource */
	size_t resource_count;
	size_t queue_bytes; /* of all that waits to be sent */
	size_t queue_spans; /* 0: as many as fit */
	size_t batch_spans;
	uint64_t batch_delay_ns; /* a batch that is not full is sent after this */
	uint64_t shutdown_ns;    /* otlp_flush sends for so long what is left */
	uint64_t metric_interval_ns;
	bool delta;           /* temporality of sums and histograms; else cumulative */
	bool cumulative_sums; /* with delta: of histograms alone */
	bool exponential;     /* base-2 exponential histograms where there are some; else explicit buckets */
	const struct snapshot *snapshot;
	uint64_t started_ns; /* since the epoch: where cumulative values begin */
	uint64_t seed;       /* of the jitter */
	void *ctx;
	uint64_t (*now_ns)(void *ctx);      /* CLOCK_MONOTONIC */
	uint64_t (*realtime_ns)(void *ctx); /* since the epoch */
};

MUST_CHECK int otlp_new(const struct otlp_config *config, struct otlp **ret_otlp, struct exporter_error *ret_error);
/* Sends what is left, for at most shutdown_ns. Returns how many spans and data points stay behind. */
uint64_t otlp_flush(struct otlp *otlp);
/* Takes NULL. */
void otlp_free(struct otlp *otlp);

struct span_sink otlp_span_sink(struct otlp *otlp);
int otlp_fd(const struct otlp *otlp);
void otlp_run(struct otlp *otlp);
struct snapshot_source otlp_source(struct otlp *otlp);
struct exporter otlp_exporter(struct otlp *otlp);

/* What waits to be sent, or is being sent, in bytes. */
size_t otlp_queued_bytes(const struct otlp *otlp);
/* The last thing that went wrong, for one log line; `count` says how many did. NULL when nothing did since the last
 * call. */
const char *otlp_problem(struct otlp *otlp, uint64_t *ret_count);
