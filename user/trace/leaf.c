/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that call nobody. What a request's beginning is followed for is the calls that are made while it is served;
 * a process that has made none in its first LEAF_AFTER requests is not told of beginnings any more, and an exchange of
 * it that makes no span is a few comparisons at its end. With the first call that it does make, the requests that are
 * open then are asked for, once, and it is followed like any other from there on.
 *
 * Its threads are watched all the same: that two requests overlapped in one shows in their times, when they end.
 */
#include "trace/internal.h"

#define LEAF_AFTER 64 /* looking for open requests walks all connections: never for processes of a request each */

bool trace_wants_begin(struct trace *trace, uint32_t tgid)
{
	const struct process *process = process_find(trace, tgid);

	return !process || !process->leaf;
}

void leaf_called(struct trace *trace, struct process *process)
{
	bool was_leaf = process->leaf;

	process->leaf = false;
	process->calls = true;
	if (was_leaf)
		trace->config.open_requests(trace->config.open_ctx, process->tgid);
}

void leaf_served(const struct trace *trace, struct process *process)
{
	if (process->calls || process->leaf || !trace->config.open_requests)
		return;
	/* Which goroutine serves is not known any more when it is asked for later. */
	if (process->runtime == TRACE_RUNTIME_THREADS || process->runtime == TRACE_RUNTIME_PROXY)
		process->leaf = ++process->quiet >= LEAF_AFTER;
}

/* What the call would be at its end, as far as sampling asks; the rest is not set. */
static void probe_init(struct call *probe, const struct exchange *exchange)
{
	probe->request_position = exchange->request_position;
	probe->response_position = join_response_position(exchange);
	probe->side = SIDE_SERVER;
	probe->sampling = SAMPLE_RATIO;
	probe->resolved = probe->has_header = false;
	probe->up = NULL;
}

/* Whether the trace that the client's end belongs to is sampled: it would be the server's. */
static bool is_sampled_with(struct trace *trace, struct call *client)
{
	if (client->up || !client->is_tcp)
		call_resolve(client);
	if (sample_trace(client))
		return true;
	join_withdraw(trace, client);
	client->joined = true;
	trace->fates[client->sampling == SAMPLE_EXCLUDED ? FATE_EXCLUDED : FATE_NOT_SAMPLED]++;
	trace->sources[PARENT_CONNECTION]++;
	return false;
}

/* Kept whatever the sampler says; or more is to be looked at than is done here. */
static bool is_special(const struct trace *trace, const struct exchange *exchange, bool outlier)
{
	return outlier || exchange->http.traceparent.length > 0 || exchange_is_error(exchange) ||
	       !exchange->response_first_ns || !call_has_sequence_numbers(exchange) || sample_is_slow(trace, exchange);
}

bool leaf_end(struct trace *trace, const char *service, const struct exchange *exchange, bool outlier)
{
	struct process *process = exchange->side == SIDE_SERVER ? process_find(trace, exchange->tgid) : NULL;
	struct call probe, *client;

	if (!process || !process->leaf)
		return false;
	strand_witness(trace, process, exchange);
	if (is_special(trace, exchange, outlier))
		return false;
	probe_init(&probe, exchange);
	client = join_find_client(trace, &probe);
	if (client)
		return !is_sampled_with(trace, client);
	sample_begin(trace, &probe, service, exchange);
	if (sample_trace(&probe))
		return false;
	trace->fates[probe.sampling == SAMPLE_EXCLUDED ? FATE_EXCLUDED : FATE_NOT_SAMPLED]++;
	trace->sources[join_is_remote(trace, exchange) ? PARENT_REMOTE : PARENT_NONE]++;
	return true;
}
