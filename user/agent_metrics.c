/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own figures: which backend and hooks are in use, what was captured, lost, skipped, and what it all costs.
 * Read from the kernel when scraped.
 */
#include <stdio.h>
#include <string.h>

#include "agent_internal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"

#if __has_include("version.h")
#include "version.h"
#endif
#ifndef SONDE_VERSION
#define SONDE_VERSION "0.0.0"
#endif
#ifndef SONDE_REVISION
#define SONDE_REVISION "unknown"
#endif

const char *agent_version(void)
{
	return SONDE_VERSION;
}

const char *agent_revision(void)
{
	return SONDE_REVISION;
}

static void tell_labelled(const struct metric_visitor *out, const char *label, const char *text, double value)
{
	out->sample(out->ctx, &(struct metric_label){ label, text }, 1, value);
}

static void begin(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		  const char *help)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
}

static void tell_one(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		     const char *help, double value)
{
	begin(out, name, type, unit, help);
	out->sample(out->ctx, NULL, 0, value);
	out->family_end(out->ctx);
}

static void visit_identity(const struct agent *agent, const struct metric_visitor *out)
{
	const struct metric_label build[] = { { "version", SONDE_VERSION }, { "revision", SONDE_REVISION } };

	begin(out, "sonde_build_info", METRIC_GAUGE, "", "Version of the agent; always 1.");
	out->sample(out->ctx, build, 2, 1);
	out->family_end(out->ctx);
	if (!agent->capture)
		return;
	begin(out, "sonde_backend_info", METRIC_GAUGE, "", "Capture backend in use; always 1.");
	tell_labelled(out, "backend", capture_backend_text(capture_backend(agent->capture)), 1);
	out->family_end(out->ctx);
}

static void visit_capture(struct agent *agent, const struct metric_visitor *out)
{
	struct capture_figures figures;

	if (capture_read_figures(agent->capture, &figures))
		return;
	begin(out, "sonde_events_lost_total", METRIC_COUNTER, "", "Events that did not reach the agent, by reason.");
	for (size_t i = 0; i < figures.lost_count; i++)
		tell_labelled(out, "reason", figures.lost[i].reason, (double)figures.lost[i].value);
	tell_labelled(out, "reason", "malformed_event", (double)figures.malformed_events);
	out->family_end(out->ctx);
	tell_one(out, "sonde_captured_segments_total", METRIC_COUNTER, "", "Segments that the kernel side sent.",
		 (double)figures.segments);
	tell_one(out, "sonde_captured_bytes_total", METRIC_COUNTER, "bytes", "Bytes of payload copied from the kernel.",
		 (double)figures.captured_bytes);
	tell_one(out, "sonde_observed_bytes_total", METRIC_COUNTER, "bytes",
		 "Bytes that crossed observed connections, copied or not.",
		 (double)(figures.observed_bytes + stream_table_losses(agent->streams)->reached_bytes));
	tell_one(out, "sonde_silent_segments_total", METRIC_COUNTER, "",
		 "Calls that were not sent: inside a body of known length, or on a connection that is not parsed.",
		 (double)figures.silent_segments);
	tell_one(out, "sonde_truncated_calls_total", METRIC_COUNTER, "",
		 "Calls that moved more bytes or vectors than are copied; the rest is known by length.",
		 (double)figures.truncated_calls);
	tell_one(out, "sonde_scarce_calls_total", METRIC_COUNTER, "",
		 "Calls of which only the first bytes were copied because the ring was filling up.",
		 (double)figures.scarce_calls);
	begin(out, "sonde_lost_bytes_total", METRIC_COUNTER, "bytes",
	      "Bytes that observed calls moved, and of which no word reached the agent: no room in the ring.");
	tell_labelled(out, "direction", "receive", (double)figures.lost_received_bytes);
	tell_labelled(out, "direction", "transmit", (double)figures.lost_sent_bytes);
	out->family_end(out->ctx);
	begin(out, "sonde_cut_connections_total", METRIC_COUNTER, "",
	      "Connections whose first bytes, or whose end, the agent was not told: no room in the ring.");
	tell_labelled(out, "at", "beginning", (double)figures.cut_openings);
	tell_labelled(out, "at", "end", (double)figures.cut_ends);
	out->family_end(out->ctx);
}

static void visit_streams(const struct agent *agent, const struct metric_visitor *out)
{
	const struct stream_losses *losses = stream_table_losses(agent->streams);

	begin(out, "sonde_stream_out_of_step_total", METRIC_COUNTER, "",
	      "Times that a byte stream could not be followed, or an exchange not be paired, by reason.");
	for (int i = 0; i < STEP_REASON_COUNT; i++)
		tell_labelled(out, "reason", out_of_step_reason_text((enum out_of_step_reason)i),
			      (double)losses->out_of_step[i]);
	out->family_end(out->ctx);
	begin(out, "sonde_stream_skipped_bytes_total", METRIC_COUNTER, "bytes",
	      "Bytes of followed streams that were passed over without being parsed, by reason.");
	for (int i = 0; i < SKIP_REASON_COUNT; i++)
		tell_labelled(out, "reason", skip_reason_text((enum skip_reason)i), (double)losses->skipped_bytes[i]);
	out->family_end(out->ctx);
	tell_one(out, "sonde_stream_unseen_exchanges_max_total", METRIC_COUNTER, "",
		 "Exchanges that may have been lost beyond those that are counted as such, at most.",
		 (double)losses->unseen_exchanges_max);
	begin(out, "sonde_stream_unseen_bytes_total", METRIC_COUNTER, "bytes",
	      "Bytes that both flows of a connection lost together: in them those exchanges would be.");
	tell_labelled(out, "direction", "request", (double)losses->unseen_request_bytes);
	tell_labelled(out, "direction", "response", (double)losses->unseen_response_bytes);
	out->family_end(out->ctx);
	tell_one(out, "sonde_stream_unseen_connections_total", METRIC_COUNTER, "",
		 "Connections of which both flows lost bytes together.", (double)losses->unseen_connections);
	tell_one(out, "sonde_stream_reordered_segments_total", METRIC_COUNTER, "",
		 "Segments that came out of order and were put right.", (double)losses->reordered_segments);
	tell_one(out, "sonde_connections", METRIC_GAUGE, "", "Connections that are followed now.",
		 (double)stream_table_connections(agent->streams));
	tell_one(out, "sonde_stream_memory_bytes", METRIC_GAUGE, "bytes", "Memory of parsers and held segments.",
		 (double)(stream_table_bytes(agent->streams) + stream_table_shared_bytes(agent->streams)));
}

static void tell_map_bytes(void *ctx, const struct capture_map *map)
{
	tell_labelled(ctx, "map", map->name, (double)map->bytes);
}

static void tell_map_limit(void *ctx, const struct capture_map *map)
{
	tell_labelled(ctx, "map", map->name, (double)map->entries);
}

static void tell_program_bytes(void *ctx, const struct capture_program *program)
{
	tell_labelled(ctx, "program", program->name, (double)program->bytes);
}

static void tell_program_hook(void *ctx, const struct capture_program *program)
{
	const struct metric_visitor *out = ctx;
	const struct metric_label labels[] = { { "program", program->name }, { "hook", program->hook } };

	out->sample(out->ctx, labels, 2, 1);
}

static void tell_program_runs(void *ctx, const struct capture_program *program)
{
	tell_labelled(ctx, "program", program->name, (double)program->runs);
}

static void tell_program_time(void *ctx, const struct capture_program *program)
{
	tell_labelled(ctx, "program", program->name, (double)program->run_time_ns / (double)NS_PER_SECOND);
}

static void each_map(const struct agent *agent, void (*tell)(void *ctx, const struct capture_map *map), void *ctx)
{
	if (agent->capture)
		capture_each_map(agent->capture, tell, ctx);
	if (agent->usage)
		usage_each_map(agent->usage, tell, ctx);
}

static void each_program(const struct agent *agent, void (*tell)(void *ctx, const struct capture_program *program),
			 void *ctx)
{
	if (agent->capture)
		capture_each_program(agent->capture, tell, ctx);
	if (agent->usage)
		usage_each_program(agent->usage, tell, ctx);
}

static void visit_kernel_cost(const struct agent *agent, const struct metric_visitor *out)
{
	void *ctx = (void *)(uintptr_t)out;

	begin(out, "sonde_hook_info", METRIC_GAUGE, "", "BPF programs and the hooks they are on; always 1.");
	each_program(agent, tell_program_hook, ctx);
	out->family_end(out->ctx);
	begin(out, "sonde_bpf_map_memory_bytes", METRIC_GAUGE, "bytes", "Kernel memory of each BPF map.");
	each_map(agent, tell_map_bytes, ctx);
	out->family_end(out->ctx);
	begin(out, "sonde_bpf_map_max_entries", METRIC_GAUGE, "",
	      "Entries that each BPF map may hold; bytes for the ring.");
	each_map(agent, tell_map_limit, ctx);
	out->family_end(out->ctx);
	begin(out, "sonde_bpf_program_memory_bytes", METRIC_GAUGE, "bytes", "Kernel memory of each BPF program.");
	each_program(agent, tell_program_bytes, ctx);
	out->family_end(out->ctx);
	if (!agent->config->capture_program_stats)
		return;
	begin(out, "sonde_bpf_program_runs_total", METRIC_COUNTER, "", "Times that each BPF program ran.");
	each_program(agent, tell_program_runs, ctx);
	out->family_end(out->ctx);
	begin(out, "sonde_bpf_program_run_seconds_total", METRIC_COUNTER, "seconds", "Time spent in each BPF program.");
	each_program(agent, tell_program_time, ctx);
	out->family_end(out->ctx);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	struct agent *agent = ctx;

	visit_identity(agent, out);
	if (agent->capture) {
		visit_capture(agent, out);
		visit_streams(agent, out);
	}
	if (!agent->capture && !agent->usage)
		return;
	visit_kernel_cost(agent, out);
	agent_usage_visit_losses(agent, out);
}

struct snapshot_source agent_source(struct agent *agent)
{
	return (struct snapshot_source){ .ctx = agent, .visit = visit };
}
