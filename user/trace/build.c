/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span from an exchange: ids, times, status; names and attributes come from build_http.c and build_db.c. Everything
 * lives on the stack for the call that hands the span over.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "aggregate/peer.h"
#include "trace/ids.h"
#include "trace/internal.h"

#define TEXT_ROOM 8192
#define THRESHOLD_DIGITS 14 /* 56 bits */

void writer_text(struct span_writer *writer, const char *key, struct text text)
{
	if (text.length == 0 || writer->count == SPAN_ATTRIBUTES_MAX)
		return;
	writer->attributes[writer->count++] =
		(struct span_attribute){ .key = key, .kind = SPAN_VALUE_TEXT, .text = text };
}

void writer_string(struct span_writer *writer, const char *key, const char *text)
{
	writer_text(writer, key, (struct text){ text, strlen(text) });
}

void writer_int(struct span_writer *writer, const char *key, int64_t number)
{
	if (writer->count == SPAN_ATTRIBUTES_MAX)
		return;
	writer->attributes[writer->count++] =
		(struct span_attribute){ .key = key, .kind = SPAN_VALUE_INT, .number = number };
}

struct text writer_join(struct span_writer *writer, const struct text *pieces, size_t count)
{
	struct text joined = { writer->text, 0 };

	for (size_t i = 0; i < count; i++)
		joined.length += pieces[i].length;
	if (joined.length > writer->text_left)
		return (struct text){ "", 0 };
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].length > 0)
			memcpy(writer->text, pieces[i].data, pieces[i].length);
		writer->text += pieces[i].length;
	}
	writer->text_left -= joined.length;
	return joined;
}

/* network.peer.*, and the transport where it is not what every reader expects. */
void writer_peer(struct span_writer *writer, const struct exchange *exchange)
{
	char address[PEER_TEXT_MAX + 1];
	const struct endpoint *remote = exchange->remote;
	struct text text = { address, remote ? peer_from_endpoint(remote, address) : 0 };

	if (text.length > 0) {
		writer_text(writer, "network.peer.address", writer_join(writer, &text, 1));
		if (remote->port)
			writer_int(writer, "network.peer.port", remote->port);
	}
	if (remote && remote->family == AF_UNIX)
		writer_string(writer, "network.transport", "unix");
}

/* "ot=th:" and the threshold's hexadecimal digits without the zeroes behind them (OpenTelemetry, "TraceState
 * handling"): so a backend knows how many each of these spans stands for. Only where the ratio decided. */
static size_t own_trace_state(const struct call *call, char *out, size_t size)
{
	char digits[THRESHOLD_DIGITS + 1];
	size_t length = THRESHOLD_DIGITS;

	if (call->threshold == 0 || call->sampling != SAMPLE_RATIO || call->has_header || !sample_trace(call))
		return 0;
	snprintf(digits, sizeof(digits), "%0*llx", THRESHOLD_DIGITS, (unsigned long long)call->threshold);
	while (length > 1 && digits[length - 1] == '0')
		length--;
	return (size_t)snprintf(out, size, "ot=th:%.*s", (int)length, digits);
}

static void tell(struct trace *trace, const struct call *call, struct span *span)
{
	char own[THRESHOLD_DIGITS + 8];

	span->trace_state = call->trace_state ? (struct text){ call->trace_state, strlen(call->trace_state) } :
						(struct text){ own, own_trace_state(call, own, sizeof(own)) };
	trace->config.sink.span(trace->config.sink.ctx, span);
}

void build_span(struct trace *trace, const struct call *call, const char *service, const char *route,
		const struct exchange *exchange)
{
	char room[TEXT_ROOM];
	struct span_writer writer;
	struct span span = {
		.has_parent = call->source != PARENT_NONE,
		.parent_is_remote = call->source == PARENT_TRACEPARENT || call->source == PARENT_CONNECTION ||
				    call->source == PARENT_REMOTE,
		.trace_flags = 1,
		.kind = exchange->side == SIDE_SERVER ? SPAN_KIND_SERVER : SPAN_KIND_CLIENT,
		.status = exchange_is_error(exchange) ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET,
		.start_ns = exchange_start_ns(exchange) + trace->epoch_ns,
		.end_ns = exchange_end_ns(exchange) + trace->epoch_ns,
		.service = service,
		.tgid = exchange->tgid,
	};

	memcpy(span.trace_id, call->trace_id, TRACE_ID_BYTES);
	ids_write(call->span_id, span.span_id);
	if (span.has_parent)
		ids_write(call->parent_id, span.parent_id);
	/* By field: there is more room than most spans need. */
	writer.count = writer.text_count = 0;
	writer.text = room;
	writer.text_left = sizeof(room);
	if (exchange->protocol == PROTOCOL_HTTP1)
		build_http(&writer, route, exchange);
	else
		build_db(&writer, exchange);
	if (exchange->http.fields.length > 0 && trace->config.keep)
		build_fields(&writer, trace->config.keep, exchange);
	span.name = writer.name;
	span.attributes = writer.attributes;
	span.attribute_count = writer.count;
	tell(trace, call, &span);
	if (trace->config.told)
		trace->config.told(trace->config.told_ctx, service, exchange, &span);
}
