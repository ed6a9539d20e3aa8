/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See trace_world.h.
 */
#include "trace_world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(char *to, size_t size, struct text text)
{
	assert_true(text.length < size);
	if (text.length > 0)
		memcpy(to, text.data, text.length);
	to[text.length] = '\0';
}

static size_t list(struct seen_span *seen, size_t used, const struct span_attribute *attribute)
{
	used += (size_t)snprintf(seen->attributes + used, sizeof(seen->attributes) - used, "%s=", attribute->key);
	for (int64_t i = 0; i < attribute->number; i++)
		used += (size_t)snprintf(seen->attributes + used, sizeof(seen->attributes) - used, "[%.*s]",
					 (int)attribute->texts[i].length, attribute->texts[i].data);
	return used + (size_t)snprintf(seen->attributes + used, sizeof(seen->attributes) - used, "\n");
}

static void on_span(void *ctx, const struct span *span)
{
	struct trace_world *world = ctx;
	struct seen_span *seen = &world->seen[world->count++];
	size_t used = 0;

	assert_true(world->count <= SEEN_MAX);
	seen->span = *span;
	keep(seen->name, sizeof(seen->name), span->name);
	keep(seen->state, sizeof(seen->state), span->trace_state);
	snprintf(seen->service, sizeof(seen->service), "%s", span->service);
	seen->attributes[0] = '\0';
	for (size_t i = 0; i < span->attribute_count; i++) {
		const struct span_attribute *attribute = &span->attributes[i];

		if (attribute->kind == SPAN_VALUE_LIST)
			used = list(seen, used, attribute);
		else if (attribute->kind == SPAN_VALUE_INT)
			used += (size_t)snprintf(seen->attributes + used, sizeof(seen->attributes) - used, "%s=%lld\n",
						 attribute->key, (long long)attribute->number);
		else
			used += (size_t)snprintf(seen->attributes + used, sizeof(seen->attributes) - used, "%s=%.*s\n",
						 attribute->key, (int)attribute->text.length, attribute->text.data);
	}
}

static enum trace_runtime runtime_of(void *ctx, uint32_t tgid)
{
	const struct trace_world *world = ctx;

	(void)tgid;
	return world->runtime;
}

static struct endpoint endpoint_of(const char *address, uint16_t port)
{
	struct endpoint endpoint = { .family = AF_INET, .port = port };

	assert_int_equal(inet_pton(AF_INET, address, endpoint.address), 1);
	return endpoint;
}

void trace_world_restart(struct trace_world *world)
{
	trace_free(world->trace);
	assert_int_equal(trace_new(&world->config, &world->trace), 0);
	trace_tick(world->trace, world->now_ns, 0);
	world->count = 0;
}

int trace_world_setup(void **state)
{
	struct trace_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->now_ns = 1000 * MS;
	world->client = endpoint_of("127.0.0.1", 40000);
	world->server = endpoint_of("127.0.0.1", 8080);
	world->config = (struct trace_config){
		.ratio = 1,
		.parent_based = true,
		.remote_parents = true,
		.calls_max = 1000,
		.held_bytes_max = 1 << 20,
		.hold_ns = 100 * MS,
		.hash_seed = 7,
		.sink = { .ctx = world, .span = on_span },
		.runtime_ctx = world,
		.runtime = runtime_of,
	};
	trace_world_restart(world);
	*state = world;
	return 0;
}

int trace_world_teardown(void **state)
{
	struct trace_world *world = *state;

	trace_free(world->trace);
	free(world);
	return 0;
}

struct exchange trace_exchange(struct trace_world *world, enum side side, uint64_t conn_id, uint32_t position,
			       uint32_t tid, const char *path)
{
	world->now_ns += MS;
	return (struct exchange){
		.protocol = PROTOCOL_HTTP1,
		.side = side,
		.conn_id = conn_id,
		.tgid = tid / 100,
		.tid = tid,
		.response_tid = tid,
		.local = side == SIDE_SERVER ? &world->server : &world->client,
		.remote = side == SIDE_SERVER ? &world->client : &world->server,
		.request_first_ns = world->now_ns,
		.request_last_ns = world->now_ns,
		.response_first_ns = world->now_ns + MS,
		.response_last_ns = world->now_ns + 2 * MS,
		.request_position = position,
		.request_peer_position = 9000 + position,
		.response_position = 9000 + position,
		.positions_shared = true,
		.http = { .method = HTTP_METHOD_GET,
			  .status = 200,
			  .version = 11,
			  .path = { path, strlen(path) },
			  .host = { "shop:8080", 9 } },
	};
}

void trace_world_begin(struct trace_world *world, const struct exchange *exchange)
{
	struct exchange begun = *exchange;

	/* What is not known by then. */
	begun.http.status = 0;
	begun.response_position = begun.response_tid = 0;
	begun.response_first_ns = begun.response_last_ns = 0;
	trace_tick(world->trace, world->now_ns, 0);
	trace_begin(world->trace, exchange->side == SIDE_SERVER ? "server" : "client", &begun);
}

void trace_world_end(struct trace_world *world, const struct exchange *exchange)
{
	trace_end(world->trace, exchange->side == SIDE_SERVER ? "server" : "client", "/r/{id}", exchange,
		  world->outlier);
}

void trace_world_pass(struct trace_world *world, uint64_t ns)
{
	world->now_ns += ns;
	if (ns)
		trace_tick(world->trace, world->now_ns, 0);
	else
		trace_flush(world->trace);
}

struct search {
	char family[96];
	const char *name;
	double value;
	bool found;
};

static void begin_family(void *ctx, const struct metric_family *family)
{
	struct search *search = ctx;

	snprintf(search->family, sizeof(search->family), "%s", family->name);
}

static void see_sample(void *ctx, const struct metric_label *labels, size_t count, double value)
{
	struct search *search = ctx;
	char name[256];

	if (count > 0)
		snprintf(name, sizeof(name), "%s{%s=%s}", search->family, labels[0].name, labels[0].value);
	else
		snprintf(name, sizeof(name), "%s", search->family);
	if (strcmp(name, search->name) != 0)
		return;
	search->value = value;
	search->found = true;
}

static void end_family(void *ctx)
{
	(void)ctx;
}

double trace_world_figure(struct trace_world *world, const char *name)
{
	struct search search = { .name = name };
	const struct metric_visitor visitor = {
		.ctx = &search, .family_begin = begin_family, .sample = see_sample, .family_end = end_family
	};
	struct snapshot_source source = trace_source(world->trace);

	source.visit(source.ctx, &visitor);
	assert_true(search.found);
	return search.value;
}

bool span_is_child(const struct seen_span *child, const struct seen_span *parent)
{
	return child->span.has_parent && !memcmp(child->span.parent_id, parent->span.span_id, SPAN_ID_BYTES) &&
	       !memcmp(child->span.trace_id, parent->span.trace_id, TRACE_ID_BYTES);
}

bool span_has(const struct seen_span *span, const char *line)
{
	const char *at = strstr(span->attributes, line);

	return at && (at == span->attributes || at[-1] == '\n') && at[strlen(line)] == '\n';
}
