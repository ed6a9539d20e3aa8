/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of an exchange: its beginning becomes a call, with what the request's own header says or, for a client's, the
 * request that its thread serves; its end looks for the other end of the call, waits for it when it may still come, and
 * becomes a span or a number in a counter.
 *
 * Considered and rejected: keeping every span until its root has ended (memory without a bound, or traces cut by it).
 * Because a trace's id is known when its first request begins, a span is told when it ends.
 */
#include "trace/trace.h"

#include <errno.h>
#include <string.h>

#include "trace/ids.h"
#include "trace/internal.h"
#include "trace/traceparent.h"

#define STRANDS_MAX 65536
#define PROCESSES_MAX 16384
#define EXPIRE_EVERY_NS (60 * UINT64_C(1000000000))
#define CALL_LIFE_NS (3600 * UINT64_C(1000000000))

int trace_new(const struct trace_config *config, struct trace **ret_trace)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return -ENOMEM;
	trace->config = *config;
	trace->threshold = sample_threshold(config->ratio);
	hash_table_init(&trace->calls, config->calls_max);
	hash_table_init(&trace->keys, 2 * config->calls_max);
	hash_table_init(&trace->strands, STRANDS_MAX);
	hash_table_init(&trace->processes, PROCESSES_MAX);
	*ret_trace = trace;
	return 0;
}

void trace_free(struct trace *trace)
{
	if (!trace)
		return;
	trace->config.sink.span = NULL;
	hold_release(trace, true);
	call_free_all(trace);
	strand_free_all(trace);
	hash_table_done(&trace->calls);
	hash_table_done(&trace->keys);
	hash_table_done(&trace->strands);
	hash_table_done(&trace->processes);
	free(trace);
}

/* Without memory the list is not passed on, which W3C Trace Context section 3.3.1.5 allows. */
static void keep_trace_state(struct call *call, struct text text)
{
	if (text.length == 0 || !tracestate_valid(text))
		return;
	call->trace_state = malloc(text.length + 1);
	if (!call->trace_state)
		return;
	memcpy(call->trace_state, text.data, text.length);
	call->trace_state[text.length] = '\0';
}

static void read_header(struct trace *trace, struct call *call, const struct exchange *exchange)
{
	struct traceparent parent;

	if (exchange->http.traceparent.length == 0)
		return;
	if (!traceparent_parse(exchange->http.traceparent, &parent)) {
		trace->invalid_headers++;
		return;
	}
	call->has_header = true;
	call->header_id = call->parent_id = ids_read(parent.parent_id);
	call->source = PARENT_TRACEPARENT;
	memcpy(call->trace_id, parent.trace_id, TRACE_ID_BYTES);
	if (trace->config.parent_based)
		call->sampling = parent.flags & 1 ? SAMPLE_YES : SAMPLE_NO;
	keep_trace_state(call, exchange->http.tracestate);
}

/* A request that was passed on with the header it came with belongs below the one that it came as. */
static void find_parent(struct trace *trace, struct call *call, const struct exchange *exchange)
{
	uint64_t header_id = call->parent_id;

	strand_parent(trace, call, exchange);
	if (!call->has_header || !call->up)
		return;
	if (call->up->has_header && call->up->header_id == header_id)
		return;
	call_unref(trace, call->up);
	call->up = NULL;
	call->parent_id = header_id;
	call->source = PARENT_TRACEPARENT;
}

static struct call *begin(struct trace *trace, const char *service, const struct exchange *exchange)
{
	struct call *call = call_new(trace, exchange);

	if (call && !call_open(trace, call)) {
		call_unref(trace, call);
		call = NULL;
	}
	if (!call) {
		trace->calls_full++;
		return NULL;
	}
	if (exchange->protocol == PROTOCOL_HTTP1)
		read_header(trace, call, exchange);

	sample_begin(trace, call, service, exchange);
	if (call->side == SIDE_SERVER)
		strand_serve(trace, call, exchange);
	else
		find_parent(trace, call, exchange);
	join_offer(trace, call);
	return call;
}

void trace_begin(struct trace *trace, const char *service, const struct exchange *exchange)
{
	/* Databases tell the beginning of what is alone on its connection: what was open there was given up. */
	if (exchange->protocol != PROTOCOL_HTTP1)
		call_forget_connection(trace, exchange->conn_id);
	/* One that was open when its process became a leaf. */
	else if (call_find(trace, exchange->conn_id, exchange->request_position))
		return;
	(void)begin(trace, service, exchange);
}

static void count_parent(struct trace *trace, const struct call *call)
{
	trace->sources[call->source]++;
}

static void tell(struct trace *trace, struct call *call, const char *service, const char *route,
		 const struct exchange *exchange, enum span_fate fate)
{
	if (call->side == SIDE_SERVER && call->source == PARENT_NONE && call->is_tcp && exchange->response_first_ns &&
	    join_is_remote(trace, exchange))
		call->source = PARENT_REMOTE;
	if (call->is_tcp && (call->source == PARENT_CONNECTION || call->source == PARENT_REMOTE))
		call->parent_id = ids_client_span(call->request_position, exchange->response_position);
	fate = sample_decide(trace, call, fate);
	trace->fates[fate]++;
	count_parent(trace, call);
	if (fate <= FATE_TOLD_SLOW && trace->config.sink.span)
		build_span(trace, call, service, route, exchange);
	if (call->side == SIDE_CLIENT && !call->joined && call->keyed) {
		hold_client(trace, call);
		return;
	}
	join_withdraw(trace, call);
	call_unref(trace, call);
}

void trace_tell(struct trace *trace, struct call *call, const char *service, const char *route,
		const struct exchange *exchange)
{
	tell(trace, call, service, route, exchange, sample_judge(trace, call, exchange));
}

/* A server's end waits for its client's where that may be seen here, and if it is told at all as far as is known now: a
 * client that shows so late and belongs to another trace, which is sampled, is rare, and most are not sampled. One
 * whose trace was told already, by the calls that were made for it, waits where the client derives the same trace. */
static bool may_wait(const struct trace *trace, const struct call *call)
{
	if (call->side != SIDE_SERVER || !call->keyed || call->has_header || trace->config.hold_ns == 0)
		return false;
	return call->is_tcp || !call->resolved;
}

void trace_end(struct trace *trace, const char *service, const char *route, const struct exchange *exchange,
	       bool outlier)
{
	struct call *call = call_find(trace, exchange->conn_id, exchange->request_position);
	enum span_fate fate;
	bool waits;

	if (!call && leaf_end(trace, service, exchange, outlier))
		return;
	/* Protocols that tell no beginning, and requests that were cut off in their head. */
	if (!call)
		call = begin(trace, service, exchange);
	if (!call)
		return;
	call->outlier = outlier;
	strand_answered(trace, call, exchange);
	call_close(trace, call);
	join_settle(trace, call, exchange);
	if (call->side == SIDE_CLIENT && call->is_tcp)
		call->span_id = ids_client_span(call->request_position, exchange->response_first_ns ?
										exchange->response_position :
										call->response_position);
	waits = may_wait(trace, call);
	if (waits && !call->is_tcp && hold_server(trace, call, service, route, exchange))
		return;
	fate = sample_judge(trace, call, exchange);
	if (waits && fate <= FATE_TOLD_SLOW && hold_server(trace, call, service, route, exchange))
		return;
	tell(trace, call, service, route, exchange, fate);
}

void trace_connection_end(struct trace *trace, uint64_t conn_id)
{
	if (trace->calls.count > 0)
		call_forget_connection(trace, conn_id);
}

void trace_tick(struct trace *trace, uint64_t now_ns, uint64_t epoch_ns)
{
	trace->now_ns = now_ns;
	trace->epoch_ns = epoch_ns;
	hold_release(trace, false);
	if (now_ns - trace->expired_ns < EXPIRE_EVERY_NS)
		return;
	trace->expired_ns = now_ns;
	if (now_ns > CALL_LIFE_NS)
		call_expire(trace, now_ns - CALL_LIFE_NS);
	strand_expire(trace);
}

void trace_flush(struct trace *trace)
{
	hold_release(trace, true);
}

bool trace_waiting(const struct trace *trace)
{
	return trace->held_first || trace->idle_first;
}
