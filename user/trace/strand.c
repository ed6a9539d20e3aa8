/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a call was made for: the request that its strand (thread, or goroutine) is serving. That is proof only where a
 * strand serves one request from its first byte to its last. A process that is seen to do otherwise, two requests of
 * different connections open in one thread, or answered by another thread than the one that read them, is believed no
 * more for a while: its calls have no parent, which is counted.
 *
 * Rejected: the request that a thread read last (wrong for every event loop with more than one client), the nearest in
 * time (wrong under load). A wrong parent is worse than none.
 */
#include "trace/internal.h"

#define IDLE_STRANDS_MAX 4096
#define DOUBT_NS (600 * UINT64_C(1000000000)) /* after a process was last seen to interleave or hand over */

static bool strand_is(const struct hash_node *node, const void *id)
{
	return hash_entry(node, const struct strand, node)->id == *(const uint64_t *)id;
}

static bool process_is(const struct hash_node *node, const void *tgid)
{
	return hash_entry(node, const struct process, node)->tgid == *(const uint32_t *)tgid;
}

struct process *process_find(struct trace *trace, uint32_t tgid)
{
	struct process *process = trace->recent[tgid % RECENT_PROCESSES];
	struct hash_node *node;

	if (process && process->tgid == tgid)
		return process;
	node = hash_table_find(&trace->processes, hash_u64(tgid, trace->config.hash_seed), process_is, &tgid);
	if (!node)
		return NULL;
	process = hash_entry(node, struct process, node);
	trace->recent[tgid % RECENT_PROCESSES] = process;
	return process;
}

/* NULL without room: then nothing is believed of it. */
static struct process *process_get(struct trace *trace, uint32_t tgid)
{
	struct process *process = process_find(trace, tgid);

	if (process)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->tgid = tgid;
	if (trace->config.runtime)
		process->runtime = trace->config.runtime(trace->config.runtime_ctx, tgid);
	if (hash_table_insert(&trace->processes, &process->node, hash_u64(tgid, trace->config.hash_seed))) {
		free(process);
		return NULL;
	}
	return process;
}

/* A thread's id is below 2^22; a goroutine means something in its process only. 0: not known. */
static uint64_t strand_id(const struct process *process, const struct exchange *exchange)
{
	if (process->runtime == TRACE_RUNTIME_GO_OLD)
		return 0;
	if (process->runtime != TRACE_RUNTIME_GO)
		return exchange->tid;
	return exchange->goroutine ? exchange->goroutine | (uint64_t)exchange->tgid << 32 : 0;
}

static struct strand **recent_of(struct trace *trace, uint64_t id)
{
	return &trace->recent_strands[id % RECENT_STRANDS];
}

static struct strand *strand_find(struct trace *trace, uint64_t id)
{
	struct strand **recent = recent_of(trace, id), *strand = *recent;
	struct hash_node *node;

	if (strand && strand->id == id)
		return strand;
	node = hash_table_find(&trace->strands, hash_u64(id, trace->config.hash_seed), strand_is, &id);
	strand = node ? hash_entry(node, struct strand, node) : NULL;
	if (strand)
		*recent = strand;
	return strand;
}

static void strand_free(struct trace *trace, struct strand *strand)
{
	struct strand **recent = recent_of(trace, strand->id);

	if (*recent == strand)
		*recent = NULL;
	free(strand);
}

static struct strand *strand_get(struct trace *trace, uint64_t id)
{
	struct strand *strand = strand_find(trace, id);

	if (strand)
		return strand;
	strand = calloc(1, sizeof(*strand));
	if (!strand)
		return NULL;
	strand->id = id;
	if (hash_table_insert(&trace->strands, &strand->node, hash_u64(id, trace->config.hash_seed))) {
		free(strand);
		return NULL;
	}
	trace->idle_strands++;
	return strand;
}

static uint64_t path_hash(const struct trace *trace, const struct exchange *exchange)
{
	if (exchange->protocol != PROTOCOL_HTTP1)
		return 0;
	return hash_bytes(exchange->http.path.data, exchange->http.path.length,
			  trace->config.hash_seed + exchange->http.method);
}

static bool is_doubted(const struct trace *trace, uint64_t seen_ns)
{
	return seen_ns && trace->now_ns < seen_ns + DOUBT_NS;
}

static struct thread_end *end_of(struct trace *trace, const struct exchange *exchange)
{
	return &trace->ends[exchange->tid % THREAD_ENDS];
}

static bool is_of(const struct thread_end *end, const struct exchange *exchange)
{
	return end->tid == exchange->tid && end->tgid == exchange->tgid;
}

/* It began before the last request of its thread, another connection's, had ended, or it may have. */
static bool overlaps(struct trace *trace, const struct process *process, const struct exchange *exchange)
{
	const struct thread_end *end = end_of(trace, exchange);

	if (is_of(end, exchange))
		return exchange->request_first_ns < end->end_ns && end->conn_id != exchange->conn_id;
	return exchange->request_first_ns < process->forgotten_ns;
}

/* A request has ended. Whose end made room is remembered as far as it matters. */
static void remember_end(struct trace *trace, const struct exchange *exchange)
{
	struct thread_end *end = end_of(trace, exchange);
	struct process *process = !end->tgid || is_of(end, exchange) ? NULL : process_find(trace, end->tgid);

	if (process && process->forgotten_ns < end->end_ns)
		process->forgotten_ns = end->end_ns;
	if (is_of(end, exchange) && exchange->response_last_ns < end->end_ns)
		return;
	*end = (struct thread_end){ exchange->tid, exchange->tgid, exchange->conn_id, exchange->response_last_ns };
}

void strand_witness(struct trace *trace, struct process *process, const struct exchange *exchange)
{
	if (process->runtime != TRACE_RUNTIME_THREADS)
		return;
	if (exchange->response_tid && exchange->response_tid != exchange->tid)
		process->handed_over_ns = trace->now_ns;
	if (overlaps(trace, process, exchange))
		process->interleaved_ns = trace->now_ns;
	remember_end(trace, exchange);
}

void strand_serve(struct trace *trace, struct call *call, const struct exchange *exchange)
{
	struct process *process = process_get(trace, call->tgid);
	uint64_t id = process ? strand_id(process, exchange) : 0;
	struct strand *strand;

	if (process)
		process->open++;
	strand = id ? strand_get(trace, id) : NULL;
	if (!strand)
		return;
	if (process->runtime == TRACE_RUNTIME_PROXY)
		call->path_hash = path_hash(trace, exchange);
	if ((strand->calls && strand->calls->conn_id != call->conn_id) ||
	    (process->runtime == TRACE_RUNTIME_THREADS && overlaps(trace, process, exchange)))
		process->interleaved_ns = trace->now_ns;
	call->strand = strand;
	call->strand_next = strand->calls;
	if (strand->calls)
		strand->calls->strand_previous = call;
	strand->calls = call;
	if (strand->count++ == 0)
		trace->idle_strands--;
	strand->used = true;
}

void strand_leave(struct trace *trace, struct call *call)
{
	struct process *process = call->side == SIDE_SERVER ? process_find(trace, call->tgid) : NULL;
	struct strand *strand = call->strand;

	if (process && process->open > 0)
		process->open--;
	if (!strand)
		return;
	if (call->strand_next)
		call->strand_next->strand_previous = call->strand_previous;
	if (call->strand_previous)
		call->strand_previous->strand_next = call->strand_next;
	else
		strand->calls = call->strand_next;
	call->strand = NULL;
	call->strand_next = call->strand_previous = NULL;
	if (--strand->count > 0 || trace->idle_strands++ < IDLE_STRANDS_MAX)
		return;
	trace->idle_strands--;
	hash_table_remove(&trace->strands, &strand->node);
	strand_free(trace, strand);
}

void strand_answered(struct trace *trace, const struct call *call, const struct exchange *exchange)
{
	struct process *process = call->side == SIDE_SERVER ? process_find(trace, call->tgid) : NULL;

	if (!process)
		return;
	leaf_served(trace, process);
	if (call->strand)
		strand_witness(trace, process, exchange);
}

/* The one open request of this path; NULL when there is none, or several. */
static struct call *find_by_path(const struct strand *strand, uint64_t hash)
{
	struct call *found = NULL;

	for (struct call *call = strand->calls; call; call = call->strand_next) {
		if (call->path_hash != hash)
			continue;
		if (found)
			return NULL;
		found = call;
	}
	return found;
}

static void belong(struct call *call, struct call *parent, enum parent_source source)
{
	call->up = parent;
	parent->references++;
	call->parent_id = parent->span_id;
	call->source = (uint8_t)source;
}

static void parent_of_proxy(struct trace *trace, struct call *call, const struct strand *strand,
			    const struct exchange *exchange)
{
	struct call *parent = find_by_path(strand, path_hash(trace, exchange));

	if (parent)
		belong(call, parent, PARENT_PROXY);
	else
		trace->unresolved[UNRESOLVED_PATH]++;
}

/* A protocol that tells no beginnings tells a call at its end: what its strand serves by then may have come later. */
static bool began_before(const struct call *request, const struct exchange *call)
{
	return request->first_ns <= call->request_first_ns;
}

static void parent_on_strand(struct trace *trace, struct call *call, const struct process *process,
			     const struct strand *strand, const struct exchange *exchange)
{
	bool go = process->runtime == TRACE_RUNTIME_GO;

	if (strand->count > 1 || (!go && is_doubted(trace, process->interleaved_ns)))
		trace->unresolved[UNRESOLVED_INTERLEAVED]++;
	else if (!go && is_doubted(trace, process->handed_over_ns))
		trace->unresolved[UNRESOLVED_HANDED_OVER]++;
	else if (!began_before(strand->calls, exchange))
		trace->unresolved[UNRESOLVED_NOT_SERVING]++;
	else
		belong(call, strand->calls, go ? PARENT_GOROUTINE : PARENT_THREAD);
}

void strand_parent(struct trace *trace, struct call *call, const struct exchange *exchange)
{
	struct process *process = process_find(trace, call->tgid);
	const struct strand *strand;
	uint64_t id;

	if (process && !process->calls)
		leaf_called(trace, process);
	/* Nothing is being served: there is no parent to be found, and none is missing. */
	if (!process || process->open == 0)
		return;
	id = strand_id(process, exchange);
	strand = id ? strand_find(trace, id) : NULL;
	if (!id)
		trace->unresolved[UNRESOLVED_GOROUTINE]++;
	else if (!strand || !strand->count)
		trace->unresolved[is_doubted(trace, process->handed_over_ns) ? UNRESOLVED_HANDED_OVER :
									       UNRESOLVED_NOT_SERVING]++;
	else if (process->runtime == TRACE_RUNTIME_PROXY)
		parent_of_proxy(trace, call, strand, exchange);
	else
		parent_on_strand(trace, call, process, strand, exchange);
}

void trace_process_exit(struct trace *trace, uint32_t tgid)
{
	struct process *process = process_find(trace, tgid);

	if (!process)
		return;
	trace->recent[tgid % RECENT_PROCESSES] = NULL;
	hash_table_remove(&trace->processes, &process->node);
	free(process);
}

static bool drop_unused(struct hash_node *node, void *ctx)
{
	struct strand *strand = hash_entry(node, struct strand, node);
	struct trace *trace = ctx;
	bool used = strand->used || strand->count > 0;

	strand->used = false;
	if (used)
		return false;
	trace->idle_strands--;
	strand_free(trace, strand);
	return true;
}

void strand_expire(struct trace *trace)
{
	hash_table_remove_if(&trace->strands, drop_unused, trace);
}

static bool drop_strand(struct hash_node *node, void *ctx)
{
	strand_free(ctx, hash_entry(node, struct strand, node));
	return true;
}

static bool drop_process(struct hash_node *node, void *ctx)
{
	(void)ctx;
	free(hash_entry(node, struct process, node));
	return true;
}

void strand_free_all(struct trace *trace)
{
	hash_table_remove_if(&trace->processes, drop_process, NULL);
	hash_table_remove_if(&trace->strands, drop_strand, trace);
}
