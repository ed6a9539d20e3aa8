/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span: one exchange made ready to send, by OpenTelemetry's conventions. Made by trace, read by exporters. All
 * pointers are borrowed for the call that hands it over. Texts may hold any bytes: exporters make them valid UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/exchange.h"

/* opentelemetry.proto.trace.v1.Span.SpanKind */
enum span_kind {
	SPAN_KIND_SERVER = 2,
	SPAN_KIND_CLIENT = 3,
};

/* opentelemetry.proto.trace.v1.Status.StatusCode; OK is for applications to say. */
enum span_status {
	SPAN_STATUS_UNSET = 0,
	SPAN_STATUS_ERROR = 2,
};

enum span_value {
	SPAN_VALUE_TEXT,
	SPAN_VALUE_INT,
	SPAN_VALUE_LIST, /* of texts */
};

struct span_attribute {
	const char *key;
	enum span_value kind;
	struct text text;
	int64_t number;           /* of a list: how many texts it has */
	const struct text *texts; /* of a list */
};

#define SPAN_ATTRIBUTES_MAX 56 /* 24, and the header fields that the user may name */
#define SPAN_LIST_TEXTS_MAX 64 /* of all lists of a span */
#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

struct span {
	uint8_t trace_id[TRACE_ID_BYTES];
	uint8_t span_id[SPAN_ID_BYTES];
	uint8_t parent_id[SPAN_ID_BYTES];
	bool has_parent;
	bool parent_is_remote; /* in another process: known for every parent that there is */
	uint8_t trace_flags;   /* W3C: 1 is sampled */
	enum span_kind kind;
	enum span_status status;
	uint64_t start_ns; /* since the epoch */
	uint64_t end_ns;
	struct text trace_state;
	struct text name;
	const char *service;
	uint32_t tgid;
	const struct span_attribute *attributes;
	size_t attribute_count;
};

/* Whoever takes spans. */
struct span_sink {
	void *ctx;
	void (*span)(void *ctx, const struct span *span);
};
