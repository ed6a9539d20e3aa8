/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS in the agent: hooks are put on libraries as processes appear, requests of stream go to the socket hooks or to the
 * library hooks by whose stream they are for, and what the join knows of itself is exported.
 */
#include "agent_internal.h"

#define SESSIONS_HELD_BYTES (8ULL << 20)
#define SESSION_HOLD_NS 10000000000ULL

static void on_report(void *ctx, const struct unparsed_report *report)
{
	struct agent *agent = ctx;

	agent_count_unparsed(agent, report);
	if (report->reason == UNPARSED_TLS && !report->final)
		aggregate_unread(agent->aggregate, identity_service(agent->identity, report->tgid, agent->now_ns),
				 tls_hooks_unread(agent->tls_hooks, report->tgid, report->brands));
}

static tls_brands on_sighted(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	return tls_hooks_sighted(agent->tls_hooks, tgid, agent->now_ns);
}

static void on_unjoined(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	tls_hooks_unjoined(agent->tls_hooks, tgid);
}

static void on_handshake(void *ctx, const struct tls_handshake *handshake)
{
	struct agent *agent = ctx;

	aggregate_handshake(agent->aggregate, identity_service(agent->identity, handshake->tgid, agent->now_ns),
			    handshake->side, handshake->version, handshake->cipher, handshake->duration_ns);
}

static void on_joined(void *ctx, uint64_t tls_id)
{
	struct agent *agent = ctx;

	tls_hooks_joined(agent->tls_hooks, tls_id);
}

static void on_forget(void *ctx, uint64_t tls_id)
{
	struct agent *agent = ctx;

	tls_hooks_forget(agent->tls_hooks, tls_id);
}

static int make_table(struct agent *agent)
{
	struct tls_config config = {
		/* One may be two halves. */
		.max_sessions = 2 * agent->config->capture_max_connections,
		.max_held_bytes = SESSIONS_HELD_BYTES,
		.hold_ns = SESSION_HOLD_NS,
	};
	struct tls_callbacks callbacks = {
		.ctx = agent,
		.unparsed = on_report,
		.sighted = on_sighted,
		.unjoined = on_unjoined,
		.handshake = on_handshake,
		.joined = on_joined,
		.forget = on_forget,
		.connections = capture_control_of(agent->capture),
		.sessions = tls_hooks_control(agent->tls_hooks),
	};

	return tls_table_new(&config, &callbacks, agent->streams, &agent->tls);
}

/* Without hooks encrypted connections are counted as such: not fatal. */
int agent_tls_begin(struct agent *agent)
{
	struct capture_error refused;

	if (!agent->capture || !agent->config->capture_tls)
		return 0;
	if (tls_hooks_new(agent->capture, agent->config, &agent->tls_hooks, &refused)) {
		log_warn("encrypted connections are counted, not read", log_text("reason", refused.text));
		return 0;
	}
	tls_hooks_scan(agent->tls_hooks);
	return make_table(agent);
}

void agent_tls_done(struct agent *agent)
{
	tls_table_free(agent->tls);
	agent->tls = NULL;
	tls_hooks_free(agent->tls_hooks);
	agent->tls_hooks = NULL;
}

void agent_tls_tick(struct agent *agent)
{
	if (!agent->tls)
		return;
	tls_hooks_tick(agent->tls_hooks, agent->now_ns);
	tls_hooked(agent->tls, tls_hooks_attached_ns(agent->tls_hooks));
	tls_tick(agent->tls, agent->now_ns);
}

void agent_tls_exec(struct agent *agent, uint32_t tgid)
{
	if (agent->tls_hooks && agent_selects(agent, tgid))
		tls_hooks_executed(agent->tls_hooks, tgid, agent->now_ns);
}

static void control_skip(void *ctx, uint64_t conn_id, enum direction direction, uint32_t position)
{
	struct agent *agent = ctx;
	struct capture_control control = capture_control_of(agent->capture);

	if (conn_id & PLAIN_ID_BIT)
		tls_skip(agent->tls, conn_id, direction, position);
	else
		control.skip_until(control.ctx, conn_id, direction, position);
}

/* Of what a TLS library reads and writes everything is told. */
static void control_ends(void *ctx, uint64_t conn_id, enum direction direction, uint32_t other)
{
	struct agent *agent = ctx;
	struct capture_control control = capture_control_of(agent->capture);

	if (!(conn_id & PLAIN_ID_BIT))
		control.ends_only(control.ctx, conn_id, direction, other);
}

static void control_mute(void *ctx, uint64_t conn_id)
{
	struct agent *agent = ctx;
	struct capture_control control = capture_control_of(agent->capture);

	if (agent->tls)
		tls_mute(agent->tls, conn_id);
	else
		control.mute(control.ctx, conn_id);
}

static void control_recognised(void *ctx, uint64_t conn_id)
{
	struct agent *agent = ctx;
	struct capture_control control = capture_control_of(agent->capture);

	if (!(conn_id & PLAIN_ID_BIT))
		control.recognised(control.ctx, conn_id);
}

struct capture_control agent_tls_control(struct agent *agent)
{
	return (struct capture_control){
		.ctx = agent,
		.skip_until = control_skip,
		.ends_only = control_ends,
		.mute = control_mute,
		.recognised = control_recognised,
	};
}

/* --- figures */

static void tell_one(const struct metric_visitor *out, const char *name, enum metric_type type, const char *unit,
		     const char *help, double value)
{
	out->family_begin(out->ctx, &(struct metric_family){ .name = name, .help = help, .unit = unit, .type = type });
	out->sample(out->ctx, NULL, 0, value);
	out->family_end(out->ctx);
}

static void visit_joins(const struct tls_counts *counts, const struct metric_visitor *out)
{
	out->family_begin(out->ctx,
			  &(struct metric_family){ .name = "sonde_tls_sessions_total",
						   .help = "TLS sessions read, by what told their connection; "
							   "none: their peer is left empty.",
						   .unit = "",
						   .type = METRIC_COUNTER });
	for (int join = 0; join < TLS_JOIN_COUNT; join++)
		out->sample(out->ctx, &(struct metric_label){ "join", tls_join_text((enum tls_join)join) }, 1,
			    (double)counts->sessions[join]);
	out->family_end(out->ctx);
}

static void visit(void *ctx, const struct metric_visitor *out)
{
	struct agent *agent = ctx;
	const struct tls_counts *counts = tls_table_counts(agent->tls);
	struct tls_figures figures;

	tls_hooks_figures(agent->tls_hooks, &figures);
	visit_joins(counts, out);
	tell_one(out, "sonde_tls_sessions", METRIC_GAUGE, "", "TLS sessions that are read now.",
		 (double)tls_table_sessions(agent->tls));
	tell_one(out, "sonde_tls_sessions_dropped_total", METRIC_COUNTER, "",
		 "TLS sessions' plaintext that was not kept: the table was full.", (double)counts->no_room);
	tell_one(out, "sonde_tls_contradictions_total", METRIC_COUNTER, "",
		 "Times that a hint to a session's connection was refuted by the next one.",
		 (double)counts->contradictions);
	tell_one(out, "sonde_tls_held_bytes", METRIC_GAUGE, "bytes", "Plaintext that waits for its connection.",
		 (double)tls_table_held_bytes(agent->tls));
	tell_one(out, "sonde_tls_files", METRIC_GAUGE, "", "Files with a TLS library that hooks are on.",
		 (double)figures.files);
	tell_one(out, "sonde_tls_hooks", METRIC_GAUGE, "", "Hooks on functions of TLS libraries.",
		 (double)figures.hooks);
	tell_one(out, "sonde_tls_files_refused_total", METRIC_COUNTER, "",
		 "Files with a TLS library that could not be hooked, or not be looked at.",
		 (double)(figures.refused + figures.no_room));
}

struct snapshot_source agent_tls_source(struct agent *agent)
{
	return (struct snapshot_source){ .ctx = agent, .visit = visit };
}
