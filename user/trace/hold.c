/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits a moment after its end: a server's exchange whose client's end has not shown (its thread may return from
 * the send only after the server has answered), and a client's call whose server's end may be told later. Both in the
 * order of their coming, both bounded: what finds no room is told at once, which is counted.
 */
#include <string.h>

#include "trace/internal.h"

#define IDLE_MAX 4096

static struct text *texts_of(struct exchange *exchange, size_t index)
{
	struct http_facts *http = &exchange->http;
	struct db_facts *db = &exchange->db;
	struct text *const texts[] = {
		&http->path,     &http->host,   &http->traceparent, &http->tracestate, &http->method_original,
		&http->query,    &http->fields, &db->operation,     &db->collection,   &db->summary,
		&db->name_space, &db->status,   &db->query_text
	};

	return index < sizeof(texts) / sizeof(texts[0]) ? texts[index] : NULL;
}

static size_t texts_size(const struct exchange *exchange)
{
	struct exchange copy = *exchange;
	size_t size = 0;

	for (size_t i = 0; texts_of(&copy, i); i++)
		size += texts_of(&copy, i)->length;
	return size;
}

static char *keep(char *at, const char **text, size_t length)
{
	if (length > 0)
		memcpy(at, *text, length);
	*text = at;
	return at + length;
}

static struct held *held_new(const char *service, const char *route, const struct exchange *exchange)
{
	size_t service_size = strlen(service) + 1, route_size = strlen(route) + 1;
	size_t size = sizeof(struct held) + texts_size(exchange) + service_size + route_size;
	struct held *held = malloc(size);
	char *at;

	if (!held)
		return NULL;
	held->next = NULL;
	held->size = size;
	held->exchange = *exchange;
	held->local = *exchange->local;
	held->remote = *exchange->remote;
	held->exchange.local = &held->local;
	held->exchange.remote = &held->remote;
	held->service = service;
	held->route = route;
	at = keep(keep(held->bytes, &held->service, service_size), &held->route, route_size);
	for (size_t i = 0; texts_of(&held->exchange, i); i++) {
		struct text *text = texts_of(&held->exchange, i);

		at = keep(at, &text->data, text->length);
	}
	return held;
}

static void release_first(struct trace *trace)
{
	struct held *held = trace->held_first;

	trace->held_first = held->next;
	if (!trace->held_first)
		trace->held_last = NULL;
	trace->held_bytes -= held->size;
	trace_tell(trace, held->call, held->service, held->route, &held->exchange);
	free(held);
}

bool hold_server(struct trace *trace, struct call *call, const char *service, const char *route,
		 const struct exchange *exchange)
{
	struct held *held = held_new(service, route, exchange);

	if (!held)
		return false;
	held->call = call;
	held->until_ns = trace->now_ns + trace->config.hold_ns;
	if (trace->held_last)
		trace->held_last->next = held;
	else
		trace->held_first = held;
	trace->held_last = held;
	trace->held_bytes += held->size;
	while (trace->held_bytes > trace->config.held_bytes_max) {
		trace->released_soon++;
		release_first(trace);
	}
	return true;
}

static void let_idle_go(struct trace *trace)
{
	struct call *call = trace->idle_first;

	trace->idle_first = call->idle_next;
	if (!trace->idle_first)
		trace->idle_last = NULL;
	trace->idle_count--;
	join_withdraw(trace, call);
	call_unref(trace, call);
}

void hold_client(struct trace *trace, struct call *call)
{
	call->ended_ns = trace->now_ns;
	call->idle_next = NULL;
	if (trace->idle_last)
		trace->idle_last->idle_next = call;
	else
		trace->idle_first = call;
	trace->idle_last = call;
	if (++trace->idle_count > IDLE_MAX)
		let_idle_go(trace);
}

void hold_release(struct trace *trace, bool all)
{
	while (trace->held_first &&
	       (all || trace->held_first->call->joined || trace->held_first->until_ns <= trace->now_ns))
		release_first(trace);
	while (trace->idle_first && (all || trace->idle_first->joined ||
				     trace->idle_first->ended_ns + trace->config.hold_ns <= trace->now_ns))
		let_idle_go(trace);
}
