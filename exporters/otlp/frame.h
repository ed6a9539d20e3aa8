/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around spans and metrics in a request: the resource, the scope, the schema.
 */
#pragma once

#include "exporters/otlp/internal.h"

#define FRAME_BYTES 8192

/* Three fields with their tags, one behind the other. */
struct frame {
	char bytes[FRAME_BYTES];
	size_t resource_length; /* field 1 of ResourceSpans and ResourceMetrics */
	size_t scope_length;    /* field 1 of ScopeSpans and ScopeMetrics */
	size_t schema_length;   /* field 3 of all four */
};

/* The service's name, a newline, and lines of more, as the following take them. Valid until the next call. */
const char *frame_resource(struct otlp *otlp, const char *service, const char *lines);
/* `service` need not be NUL-terminated. What finds no room is left out. */
void frame_make(const struct otlp *otlp, enum otlp_signal signal, const char *service, size_t service_length,
		struct frame *ret_frame);
void frame_resource_json(const struct otlp *otlp, enum otlp_signal signal, struct buffer *out, const char *service,
			 size_t service_length);
void frame_scope_json(const struct otlp *otlp, struct buffer *out);

/* Tag and length of a field of wire type 2. */
void frame_tag(struct buffer *out, uint32_t field, size_t length);
size_t frame_varint_length(uint64_t value);

/* gzip (RFC 1952), in place. */
void frame_compress(struct buffer *body);
/* Puts gRPC's prefix before the body. */
void frame_grpc(struct buffer *body, bool compressed);
