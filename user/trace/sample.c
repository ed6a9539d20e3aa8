/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which spans are kept. A trace is sampled by OpenTelemetry's rule for probability sampling (trace SDK, "TraceState:
 * probability sampling"): the last 56 bits of the trace id are its random number R, and it is kept when R is not below
 * the threshold T = (1 - ratio) x 2^56. So agents with one ratio agree, and with a lower one keep a part of the same.
 * Errors and slow exchanges are kept whatever was decided.
 */
#include <fnmatch.h>
#include <string.h>

#include "trace/ids.h"
#include "trace/internal.h"

#define RANDOM_BITS 56
#define NS_PER_SECOND UINT64_C(1000000000)

uint64_t sample_threshold(double ratio)
{
	uint64_t all = UINT64_C(1) << RANDOM_BITS;

	if (!(ratio > 0))
		return all;
	return ratio >= 1 ? 0 : (uint64_t)((1 - ratio) * (double)all);
}

/* The last eight bytes of the trace id: of a root that is not resolved, what they will be. Most of these never are:
 * their trace is not sampled, and no span needs its id. */
static uint64_t random_of(const struct call *call)
{
	if (call->resolved || call->has_header)
		return ids_read(call->trace_id + SPAN_ID_BYTES);
	return ids_trace_low(call->request_position, call->response_position);
}

bool sample_trace(const struct call *call)
{
	if (call->sampling != SAMPLE_RATIO)
		return call->sampling == SAMPLE_YES;
	return call->threshold == 0 || (random_of(call) & ((UINT64_C(1) << RANDOM_BITS) - 1)) >= call->threshold;
}

static const struct trace_override *find_override(const struct trace_override *overrides, size_t count,
						  const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!fnmatch(overrides[i].pattern, text, 0))
			return &overrides[i];
	return NULL;
}

/* The path as a string: what does not fit is longer than any pattern that tells it from another. */
static const char *path_string(const struct exchange *exchange, char *out, size_t size)
{
	size_t length = exchange->http.path.length < size ? exchange->http.path.length : size - 1;

	if (length > 0)
		memcpy(out, exchange->http.path.data, length);
	out[length] = '\0';
	return out;
}

static bool is_excluded(const struct trace *trace, const char *path)
{
	for (size_t i = 0; i < trace->config.excluded_count; i++)
		if (!fnmatch(trace->config.excluded[i], path, 0))
			return true;
	return false;
}

static void begin_by_name(const struct trace *trace, struct call *call, const char *service,
			  const struct exchange *exchange)
{
	const struct trace_config *config = &trace->config;
	const struct trace_override *override = NULL;
	char text[512] = "";

	if (exchange->protocol == PROTOCOL_HTTP1 && (config->excluded_count || config->route_count))
		path_string(exchange, text, sizeof(text));
	if (text[0] && is_excluded(trace, text)) {
		call->sampling = SAMPLE_EXCLUDED;
		return;
	}
	if (call->has_header && config->parent_based)
		return;
	if (text[0])
		override = find_override(config->routes, config->route_count, text);
	if (!override)
		override = find_override(config->services, config->service_count, service);
	if (override)
		call->threshold = sample_threshold(override->ratio);
}

void sample_begin(const struct trace *trace, struct call *call, const char *service, const struct exchange *exchange)
{
	call->threshold = trace->threshold;
	if (trace->config.excluded_count || trace->config.route_count || trace->config.service_count)
		begin_by_name(trace, call, service, exchange);
}

static uint64_t latest(const struct exchange *exchange)
{
	uint64_t time = exchange->request_first_ns;

	if (exchange->request_last_ns > time)
		time = exchange->request_last_ns;
	if (exchange->response_first_ns > time)
		time = exchange->response_first_ns;
	return exchange->response_last_ns > time ? exchange->response_last_ns : time;
}

uint64_t exchange_start_ns(const struct exchange *exchange)
{
	return exchange->request_first_ns ? exchange->request_first_ns : latest(exchange);
}

/* As the duration in the metrics: to the last byte of the response, or to the last moment that is known. */
uint64_t exchange_end_ns(const struct exchange *exchange)
{
	if (exchange->error == EXCHANGE_COMPLETE && exchange->response_last_ns > exchange->request_first_ns)
		return exchange->response_last_ns;
	return latest(exchange);
}

/* HTTP conventions, status: 5xx for both ends, 4xx for the client's only. */
bool exchange_is_error(const struct exchange *exchange)
{
	if (exchange->error != EXCHANGE_COMPLETE)
		return true;
	if (exchange->protocol != PROTOCOL_HTTP1)
		return exchange->db.failed;
	return exchange->http.status >= (exchange->side == SIDE_CLIENT ? 400 : 500);
}

/* A bucket of one second's spans, filled by time. */
static bool spend(struct trace *trace)
{
	struct rate_bucket *bucket = &trace->bucket;
	uint64_t cost;

	if (!trace->config.rate)
		return true;
	cost = NS_PER_SECOND / trace->config.rate;
	if (trace->now_ns > bucket->last_ns)
		bucket->tokens_ns += trace->now_ns - bucket->last_ns;
	bucket->last_ns = trace->now_ns;
	if (bucket->tokens_ns > NS_PER_SECOND)
		bucket->tokens_ns = NS_PER_SECOND;
	if (bucket->tokens_ns < cost)
		return false;
	bucket->tokens_ns -= cost;
	return true;
}

bool sample_is_slow(const struct trace *trace, const struct exchange *exchange)
{
	if (!trace->config.slow_ns || (exchange->protocol != PROTOCOL_HTTP1 && exchange->db.blocking))
		return false;
	return exchange_end_ns(exchange) - exchange_start_ns(exchange) >= trace->config.slow_ns;
}

enum span_fate sample_judge(const struct trace *trace, struct call *call, const struct exchange *exchange)
{
	if (call->up || !call->is_tcp)
		call_resolve(call);
	if (call->sampling == SAMPLE_EXCLUDED)
		return FATE_EXCLUDED;
	if (sample_trace(call))
		return FATE_TOLD;
	if (exchange_is_error(exchange))
		return FATE_TOLD_ERROR;
	return call->outlier || sample_is_slow(trace, exchange) ? FATE_TOLD_SLOW : FATE_NOT_SAMPLED;
}

enum span_fate sample_decide(struct trace *trace, struct call *call, enum span_fate fate)
{
	if (fate > FATE_TOLD_SLOW)
		return fate;
	if (!spend(trace))
		return FATE_RATE;
	call_resolve(call);
	return fate;
}
