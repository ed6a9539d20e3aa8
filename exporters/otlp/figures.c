/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the exporter counts of itself.
 */
#include "exporters/otlp/internal.h"

static const char *const signals[OTLP_SIGNAL_COUNT] = { "traces", "metrics" };

struct labelled {
	const char *name;
	const char *help;
	const char *label;
	const char *const *texts;
	size_t count;
};

static void begin(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		  const char *help)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
}

static void tell_signals(const struct otlp *otlp, const struct metric_visitor *out, const uint64_t *values)
{
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
		if (otlp->config.targets[signal].url)
			out->sample(out->ctx, &(struct metric_label){ "signal", signals[signal] }, 1,
				    (double)values[signal]);
	out->family_end(out->ctx);
}

/* `values` has family->count of them for each signal. */
static void tell_labelled(const struct otlp *otlp, const struct metric_visitor *out, const struct labelled *family,
			  const uint64_t *values)
{
	begin(out, family->name, METRIC_COUNTER, "", family->help);
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
		for (size_t i = 0; otlp->config.targets[signal].url && i < family->count; i++) {
			const struct metric_label labels[] = { { "signal", signals[signal] },
							       { family->label, family->texts[i] } };

			out->sample(out->ctx, labels, 2, (double)values[(size_t)signal * family->count + i]);
		}
	out->family_end(out->ctx);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	static const char *const dropped[DROPPED_COUNT] = { "queue_full", "refused", "rejected", "no_memory" };
	static const char *const failures[FAILURE_COUNT] = { "connection", "retryable_status", "status", "answer" };
	static const struct labelled families[] = {
		{ "sonde_otlp_dropped_total", "Spans and data points that were not delivered, by reason.", "reason",
		  dropped, DROPPED_COUNT },
		{ "sonde_otlp_failed_requests_total", "Requests that failed, by how.", "reason", failures,
		  FAILURE_COUNT },
	};
	const struct otlp *otlp = ctx;

	begin(out, "sonde_otlp_sent_total", METRIC_COUNTER, "", "Spans and data points that the collector took.");
	tell_signals(otlp, out, otlp->figures.sent);
	begin(out, "sonde_otlp_requests_total", METRIC_COUNTER, "", "Requests that ended, well or not.");
	tell_signals(otlp, out, otlp->figures.requests);
	begin(out, "sonde_otlp_sent_bytes_total", METRIC_COUNTER, "bytes", "Bodies that the collector took.");
	tell_signals(otlp, out, otlp->figures.bytes);
	tell_labelled(otlp, out, &families[0], otlp->figures.dropped[0]);
	tell_labelled(otlp, out, &families[1], otlp->figures.failures[0]);
	begin(out, "sonde_otlp_queue_bytes", METRIC_GAUGE, "bytes", "What waits to be sent, or is being sent.");
	out->sample(out->ctx, NULL, 0, (double)otlp->queue_bytes);
	out->family_end(out->ctx);
}

struct snapshot_source otlp_source(struct otlp *otlp)
{
	return (struct snapshot_source){ .ctx = otlp, .visit = visit };
}
