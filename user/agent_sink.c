/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glue between the stages: what the kernel side tells goes to identity and stream, what stream makes of it goes to
 * aggregate under the service's name. Nothing is decided here but which names go where.
 */
#include "agent_internal.h"

static void on_open(void *ctx, const struct connection_open *open)
{
	struct agent *agent = ctx;

	if (agent_selects(agent, open->tgid))
		stream_on_open(agent->streams, open);
}

static void on_segment(void *ctx, const struct segment *segment)
{
	struct agent *agent = ctx;

	if (!agent_selects(agent, segment->tgid))
		return;
	stream_on_segment(agent->streams, segment);
	if (agent->tls)
		tls_on_segment(agent->tls, segment);
}

static void on_end(void *ctx, const struct connection_end *end)
{
	struct agent *agent = ctx;

	stream_on_end(agent->streams, end);
	if (agent->tls)
		tls_on_end(agent->tls, end);
	if (agent->trace && end->kind == END_CLOSED)
		trace_connection_end(agent->trace, end->conn_id);
}

static void on_plain(void *ctx, const struct plain_segment *plain)
{
	struct agent *agent = ctx;

	if (agent->tls && agent_selects(agent, plain->segment.tgid))
		tls_on_plain(agent->tls, plain);
}

static void on_plain_end(void *ctx, const struct plain_end *end)
{
	struct agent *agent = ctx;

	if (agent->tls)
		tls_on_plain_end(agent->tls, end);
	if (agent->trace)
		trace_connection_end(agent->trace, end->tls_id);
}

static void on_plain_tail(void *ctx, uint64_t tls_id, const uint8_t *tail)
{
	struct agent *agent = ctx;

	if (agent->tls)
		tls_on_plain_tail(agent->tls, tls_id, tail);
}

static void on_mapped(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	if (agent->tls_hooks)
		tls_hooks_look(agent->tls_hooks, tgid, agent->now_ns);
}

static struct identity_exec identity_exec_of(const struct process_exec *exec)
{
	return (struct identity_exec){
		.tgid = exec->tgid,
		.time_ns = exec->time_ns,
		.filename = exec->filename,
		.arguments = exec->arguments,
		.arguments_length = exec->arguments_length,
		.environment = exec->environment,
		.environment_length = exec->environment_length,
	};
}

static void on_sight(void *ctx, const struct process_exec *exec)
{
	struct agent *agent = ctx;
	struct identity_exec known = identity_exec_of(exec);

	identity_on_sight(agent->identity, &known);
}

static void on_exec(void *ctx, const struct process_exec *exec)
{
	struct agent *agent = ctx;
	struct identity_exec known = identity_exec_of(exec);

	identity_on_exec(agent->identity, &known);
	agent_select_exec(agent, exec->tgid, exec->filename);
	agent_tls_exec(agent, exec->tgid);
	/* Another program may serve in another way. */
	if (agent->trace)
		trace_process_exit(agent->trace, exec->tgid);
}

static void on_fork(void *ctx, const struct process_fork *fork)
{
	struct agent *agent = ctx;

	identity_on_fork(agent->identity, fork->parent_tgid, fork->child_tgid, fork->time_ns);
	agent_select_fork(agent, fork->parent_tgid, fork->child_tgid);
}

static void on_exit_of(void *ctx, const struct process_exit *process)
{
	struct agent *agent = ctx;

	identity_on_exit(agent->identity, process->tgid, process->time_ns);
	if (agent->tls_hooks)
		tls_hooks_exited(agent->tls_hooks, process->tgid);
	agent_select_exit(agent, process->tgid);
	if (agent->trace)
		trace_process_exit(agent->trace, process->tgid);
}

struct capture_sink agent_sink(struct agent *agent)
{
	return (struct capture_sink){
		.ctx = agent,
		.open = on_open,
		.segment = on_segment,
		.end = on_end,
		.plain = on_plain,
		.plain_end = on_plain_end,
		.plain_tail = on_plain_tail,
		.mapped = on_mapped,
		.exec = on_exec,
		.sight = on_sight,
		.fork = on_fork,
		.exit = on_exit_of,
	};
}

static void on_exchange(void *ctx, const struct exchange *exchange)
{
	struct agent *agent = ctx;

	const char *service = identity_service(agent->identity, exchange->tgid, agent->now_ns);

	bool outlier = aggregate_exchange(agent->aggregate, service, exchange);

	if (agent->trace)
		trace_end(agent->trace, service, aggregate_route(agent->aggregate), exchange, outlier);
}

static void on_begin(void *ctx, const struct exchange *exchange)
{
	struct agent *agent = ctx;

	trace_begin(agent->trace, identity_service(agent->identity, exchange->tgid, agent->now_ns), exchange);
}

static bool is_begin_wanted(void *ctx, uint32_t tgid)
{
	struct agent *agent = ctx;

	return trace_wants_begin(agent->trace, tgid);
}

static void on_active(void *ctx, uint64_t conn_id, uint32_t tgid, enum side side, enum http_method method, int change)
{
	struct agent *agent = ctx;

	aggregate_active(agent->aggregate, identity_service(agent->identity, tgid, agent->now_ns), side, method,
			 conn_id & PLAIN_ID_BIT, change);
}

static void on_unparsed(void *ctx, const struct unparsed_report *report)
{
	struct agent *agent = ctx;

	if (agent->tls)
		tls_unparsed(agent->tls, report);
	else
		agent_count_unparsed(agent, report);
}

void agent_count_unparsed(struct agent *agent, const struct unparsed_report *report)
{
	aggregate_unparsed(agent->aggregate, identity_service(agent->identity, report->tgid, agent->now_ns),
			   report->reason, report->final ? 0 : 1, report->bytes[0] + report->bytes[1]);
}

static struct session_place place_of(const struct stream_session *session, struct text name_space)
{
	return (struct session_place){
		.protocol = session->protocol,
		.side = session->side,
		.remote = session->remote,
		.name_space = name_space,
	};
}

static void on_transaction(void *ctx, const struct stream_session *session, const struct db_transaction *transaction)
{
	struct agent *agent = ctx;
	struct session_place place = place_of(session, transaction->name_space);

	aggregate_transaction(agent->aggregate, identity_service(agent->identity, session->tgid, agent->now_ns), &place,
			      transaction);
}

static void on_session(void *ctx, const struct stream_session *session)
{
	struct agent *agent = ctx;
	struct session_place place = place_of(session, session->now.name_space);

	aggregate_session(agent->aggregate, identity_service(agent->identity, session->tgid, agent->now_ns), &place,
			  &session->now, agent->now_ns);
}

void agent_count_sessions(struct agent *agent)
{
	aggregate_sessions_begin(agent->aggregate);
	stream_each_session(agent->streams, on_session, agent);
}

struct stream_callbacks agent_stream_callbacks(struct agent *agent)
{
	return (struct stream_callbacks){
		.ctx = agent,
		.exchange = on_exchange,
		.begin = agent->trace ? on_begin : NULL,
		.begin_wanted = agent->trace ? is_begin_wanted : NULL,
		.active = on_active,
		.unparsed = on_unparsed,
		.transaction = on_transaction,
		.control = agent_tls_control(agent),
	};
}
