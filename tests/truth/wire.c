/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes HTTP/1.x messages for the workload: heads with padding, bodies in each framing, chunks of many sizes with
 * extensions and trailers whose text looks like messages of their own.
 */
#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX (4U << 20)
#define PADDING_LINE 100
#define DRIP_PARTS 5

static bool out_reserve(struct out *out, size_t more)
{
	size_t capacity = out->capacity ? out->capacity : 4096;
	char *data;

	if (out->failed || more > OUT_MAX - out->length) {
		out->failed = true;
		return false;
	}
	while (capacity < out->length + more)
		capacity *= 2;
	if (capacity == out->capacity)
		return true;
	data = realloc(out->data, capacity);
	if (!data) {
		out->failed = true;
		return false;
	}
	out->data = data;
	out->capacity = capacity;
	return true;
}

void out_add(struct out *out, const char *format, ...)
{
	va_list arguments;
	int n;

	if (!out_reserve(out, 1024))
		return;
	va_start(arguments, format);
	n = vsnprintf(out->data + out->length, 1024, format, arguments);
	va_end(arguments);
	if (n < 0 || n >= 1024)
		out->failed = true;
	else
		out->length += (size_t)n;
}

void out_pattern(struct out *out, size_t length)
{
	if (!out_reserve(out, length))
		return;
	body_pattern((uint8_t *)out->data + out->length, length, 0);
	out->length += length;
}

void out_done(struct out *out)
{
	free(out->data);
	*out = (struct out){ 0 };
}

uint32_t plan_count(const struct load *load)
{
	uint32_t count = 0;

	while (count < PLANS_MAX && load->plans[count].method)
		count++;
	return count;
}

int plan_status(const struct plan *plan)
{
	return plan->status ? plan->status : 200;
}

/* RFC 9110 section 6.4.1: these never have content, whatever their header fields say. */
bool plan_response_has_body(const struct plan *plan)
{
	int status = plan_status(plan);

	return strcmp(plan->method, "HEAD") && status != 204 && status != 304;
}

static void add_padding(struct out *out, unsigned bytes)
{
	for (unsigned i = 0; i * PADDING_LINE < bytes; i++)
		out_add(out, "X-Padding-%04u: %0*u\r\n", i, PADDING_LINE - 18, i);
}

static void add_framing(struct out *out, enum framing framing, uint64_t body_bytes)
{
	if (framing == FRAMING_LENGTH)
		out_add(out, "Content-Length: %llu\r\n", (unsigned long long)body_bytes);
	else if (framing == FRAMING_CHUNKED)
		out_add(out, "Transfer-Encoding: chunked\r\n");
	else if (framing == FRAMING_CHUNKED_RICH)
		out_add(out, "transfer-encoding:\tchunked \r\nTrailer: X-Checksum\r\n");
}

void wire_add_request(struct out *out, const struct load *load, uint32_t index, uint64_t body_bytes, bool last)
{
	uint32_t number = index % plan_count(load);
	const struct plan *plan = &load->plans[number];

	out_add(out, "%s %s HTTP/1.%d\r\nHost: truth.example\r\nX-Plan: %u\r\n", plan->method,
		plan->target ? plan->target : "/truth", plan->version_10 ? 0 : 1, number);
	add_padding(out, plan->request_padding);
	if (load->close_each || (last && plan->response == FRAMING_CLOSE))
		out_add(out, "Connection: close\r\n");
	else if (plan->version_10)
		out_add(out, "Connection: keep-alive\r\n");
	if (plan->expect)
		out_add(out, "Expect: 100-continue\r\n");
	add_framing(out, plan->request, body_bytes);
	out_add(out, "\r\n");
}

void wire_add_response(struct out *out, const struct load *load, const struct plan *plan, uint64_t body_bytes,
		       bool last)
{
	if (plan->interim)
		out_add(out,
			"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
			"HTTP/1.1 103 Early Hints\r\nContent-Length: 5000\r\n\r\n");
	out_add(out, "HTTP/1.%d %d Some Reason\r\nServer: truth\r\n", plan->version_10 ? 0 : 1, plan_status(plan));
	add_padding(out, plan->response_padding);
	if (load->close_each || last)
		out_add(out, "Connection: close\r\n");
	else if (plan->version_10)
		out_add(out, "Connection: keep-alive\r\n");
	if (plan->response == FRAMING_NONE && plan_response_has_body(plan))
		out_add(out, "Content-Length: 0\r\n");
	else
		add_framing(out, plan->response, body_bytes);
	out_add(out, "\r\n");
}

static size_t chunk_size(uint64_t left, uint32_t number)
{
	static const uint32_t sizes[] = { 1, 10, 255, 256, 4096, 17, 16000, 2 };
	uint32_t size = sizes[number % (sizeof(sizes) / sizeof(*sizes))];

	return left < size ? (size_t)left : size;
}

static void add_chunk(struct out *out, bool rich, size_t size, uint32_t number)
{
	if (!rich)
		out_add(out, "%zx\r\n", size);
	else if (number % 2)
		out_add(out, "%06zX;name=value\r\n", size);
	else
		out_add(out, "%zx ; quoted=\"a;b \\\" 5\" ;flag\r\n", size);
	out_pattern(out, size);
	out_add(out, "\r\n");
}

static void add_last_chunk(struct out *out, bool rich)
{
	out_add(out, rich ? "000;end\r\nX-Checksum: HTTP/1.1 200 OK\r\nX-More: GET / HTTP/1.1\r\n\r\n" : "0\r\n\r\n");
}

void wire_add_body(struct out *out, enum framing framing, uint64_t body_bytes)
{
	bool rich = framing == FRAMING_CHUNKED_RICH;
	uint32_t number = 0;

	if (framing == FRAMING_LENGTH || framing == FRAMING_CLOSE)
		out_pattern(out, (size_t)body_bytes);
	if (framing != FRAMING_CHUNKED && !rich)
		return;
	for (uint64_t done = 0; done < body_bytes && !out->failed; number++) {
		size_t size = chunk_size(body_bytes - done, number);

		add_chunk(out, rich, size, number);
		done += size;
	}
	add_last_chunk(out, rich);
}

static int send_chunks(struct channel *channel, bool rich, uint64_t body_bytes, uint64_t part, unsigned drip_us)
{
	struct out out = { 0 };
	uint32_t number = 0;
	int err = 0;

	for (uint64_t done = 0; done < body_bytes && !err; number++) {
		uint64_t left = body_bytes - done;
		size_t size = part ? (size_t)(left < part ? left : part) : chunk_size(left, number);

		sleep_us(drip_us);
		out.length = 0;
		add_chunk(&out, rich, size, number);
		done += size;
		err = out.failed ? -ENOMEM : channel_send(channel, out.data, out.length, 0);
	}
	out.length = 0;
	add_last_chunk(&out, rich);
	if (!err)
		err = out.failed ? -ENOMEM : channel_send(channel, out.data, out.length, 0);
	out_done(&out);
	return err;
}

int wire_send_body(struct channel *channel, enum framing framing, uint64_t body_bytes, unsigned drip_us)
{
	uint64_t part = drip_us ? body_bytes / DRIP_PARTS + 1 : 0;
	int err = 0;

	if (framing == FRAMING_CHUNKED || framing == FRAMING_CHUNKED_RICH)
		return send_chunks(channel, framing == FRAMING_CHUNKED_RICH, body_bytes, part, drip_us);
	if (!part)
		return channel_send_body(channel, body_bytes);
	for (uint64_t done = 0; done < body_bytes && !err; done += part) {
		sleep_us(drip_us);
		err = channel_send_body(channel, body_bytes - done < part ? body_bytes - done : part);
	}
	return err;
}
