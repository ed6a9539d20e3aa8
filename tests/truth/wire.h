/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x messages as the workload itself reads and writes them: heads, bodies in each framing. Written for the
 * witness alone and only for well-formed messages; anything unexpected is an error of the workload.
 */
#pragma once

#include "truth.h"

/* Bytes to be sent: grows, remembers that it failed. */
struct out {
	char *data;
	size_t length;
	size_t capacity;
	bool failed;
};

void out_add(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_pattern(struct out *out, size_t length);
void out_done(struct out *out);

struct message {
	char method[24];
	int status;
	bool chunked;
	bool has_length;
	bool close;
	uint64_t length;
	uint32_t plan;
	uint64_t first_ns; /* when the first byte was received; 0 when it had come together with what was before it */
};

/* 1 for a head, 0 at the end of the stream, -ECONNABORTED when it ends inside a head, -EPROTO, other -errno. */
int wire_read_head(struct channel *channel, struct message *ret_message);
/* Content bytes, transfer coding removed. */
int wire_read_body(struct channel *channel, const struct message *message, bool until_close, uint64_t *ret_bytes);

/* Appends the head of request or response number `index` by its plan. */
void wire_add_request(struct out *out, const struct load *load, uint32_t index, uint64_t body_bytes, bool last);
void wire_add_response(struct out *out, const struct load *load, const struct plan *plan, uint64_t body_bytes,
		       bool last);
/* Appends a whole body in its framing; small ones only. */
void wire_add_body(struct out *out, enum framing framing, uint64_t body_bytes);
/* Sends a body in its framing; drip_us before each of five parts. */
int wire_send_body(struct channel *channel, enum framing framing, uint64_t body_bytes, unsigned drip_us);

bool plan_response_has_body(const struct plan *plan);
int plan_status(const struct plan *plan);
uint32_t plan_count(const struct load *load);
