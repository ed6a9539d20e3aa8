/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of trace: what became of exchanges, where parents were found, and why some were left out.
 */
#include "trace/internal.h"

static void begin(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		  const char *help)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
}

static void tell_labelled(const struct metric_visitor *out, const char *label, const char *const *texts,
			  const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out->sample(out->ctx, &(struct metric_label){ label, texts[i] }, 1, (double)values[i]);
	out->family_end(out->ctx);
}

static void tell_one(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		     const char *help, double value)
{
	begin(out, name, type, unit, help);
	out->sample(out->ctx, NULL, 0, value);
	out->family_end(out->ctx);
}

static void visit_labelled(const struct trace *trace, const struct metric_visitor *out)
{
	static const char *const fates[FATE_COUNT] = {
		[FATE_TOLD] = "sampled",      [FATE_TOLD_ERROR] = "error",
		[FATE_TOLD_SLOW] = "slow",    [FATE_NOT_SAMPLED] = "not_sampled",
		[FATE_EXCLUDED] = "excluded", [FATE_RATE] = "rate_limited",
	};
	static const char *const sources[PARENT_SOURCE_COUNT] = {
		[PARENT_NONE] = "none",     [PARENT_TRACEPARENT] = "traceparent",
		[PARENT_THREAD] = "thread", [PARENT_GOROUTINE] = "goroutine",
		[PARENT_PROXY] = "proxy",   [PARENT_CONNECTION] = "connection",
		[PARENT_REMOTE] = "remote",
	};
	static const char *const reasons[UNRESOLVED_REASON_COUNT] = {
		[UNRESOLVED_INTERLEAVED] = "interleaved", [UNRESOLVED_HANDED_OVER] = "handed_over",
		[UNRESOLVED_NOT_SERVING] = "not_serving", [UNRESOLVED_GOROUTINE] = "goroutine_unknown",
		[UNRESOLVED_PATH] = "path_not_unique",    [UNRESOLVED_LATE] = "late",
	};

	begin(out, "sonde_trace_exchanges_total", METRIC_COUNTER, "",
	      "Exchanges by what decided whether they became a span: sampled, error and slow did.");
	tell_labelled(out, "decision", fates, trace->fates, FATE_COUNT);
	begin(out, "sonde_trace_parents_total", METRIC_COUNTER, "",
	      "Exchanges by how their parent was found, sampled or not.");
	tell_labelled(out, "source", sources, trace->sources, PARENT_SOURCE_COUNT);
	begin(out, "sonde_trace_parents_unresolved_total", METRIC_COUNTER, "",
	      "Calls whose process was serving requests, and whose parent could not be told, by reason.");
	tell_labelled(out, "reason", reasons, trace->unresolved, UNRESOLVED_REASON_COUNT);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	const struct trace *trace = ctx;

	visit_labelled(trace, out);
	tell_one(out, "sonde_trace_not_followed_total", METRIC_COUNTER, "",
		 "Exchanges that made no span because there was no room, or memory, to follow them.",
		 (double)trace->calls_full);
	tell_one(out, "sonde_trace_released_early_total", METRIC_COUNTER, "",
		 "Spans that did not wait for the other end of their call: no room.", (double)trace->released_soon);
	tell_one(out, "sonde_trace_invalid_traceparents_total", METRIC_COUNTER, "",
		 "Requests whose traceparent was not valid and was ignored.", (double)trace->invalid_headers);
	tell_one(out, "sonde_trace_calls", METRIC_GAUGE, "", "Requests in flight that are followed now.",
		 (double)trace->calls.count);
	tell_one(out, "sonde_trace_held_bytes", METRIC_GAUGE, "bytes",
		 "Memory of spans that wait for the other end of their call.", (double)trace->held_bytes);
}

struct snapshot_source trace_source(struct trace *trace)
{
	return (struct snapshot_source){ .ctx = trace, .visit = visit };
}
