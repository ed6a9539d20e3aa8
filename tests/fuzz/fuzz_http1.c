/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1: proto_world.h. The first byte's bit: begins are told, and something is kept. */
#include "tests/fuzz/proto_world.h"

#define PIPELINE_MAX 1024
#define REQUEST_MEMORY_MAX (256 + 1024 + 255 + 740 + KEEP_QUERY_BYTES + KEEP_FIELDS_BYTES)
#define MEMORY_MAX (1024 + 2 * 2048 + PIPELINE_MAX * REQUEST_MEMORY_MAX)

static const char *const query_keys[] = { "a", "q", "token" };
static const struct keep keep = {
	.fields = { { { "host", 4, "host" }, { "x", 1, "x" }, { "referer", 7, "referer" } },
		    { { "server", 6, "server" } } },
	.field_counts = { 3, 1 },
	.letters = { 1u << ('h' & 31) | 1u << ('x' & 31) | 1u << ('r' & 31), 1u << ('s' & 31) },
	.query_keys = query_keys,
	.query_key_count = 3,
};

static int active; /* of the input at hand */

static void check_kept(const struct world *world, const struct http_facts *http)
{
	struct text rest = http->fields;
	struct kept_field field;

	assert(world->sink.keep || http->query.length + http->fields.length == 0);
	assert(http->query.length <= KEEP_QUERY_BYTES && http->fields.length <= KEEP_FIELDS_BYTES);
	assert(memchr(http->query.data ? http->query.data : "", '#', http->query.length) == NULL);
	while (kept_next(&rest, &field)) {
		assert(field.side < KEEP_SIDE_COUNT && field.index < keep.field_counts[field.side]);
		assert(field.value.length > 0 && field.value.length <= KEEP_VALUE_BYTES);
		assert(field.index != 2 || memchr(field.value.data, '?', field.value.length) == NULL);
	}
	assert(rest.length == 0);
}

static void check(const struct world *world, const struct exchange *exchange)
{
	assert(exchange->response_last_ns != 0);
	assert(exchange->http.path.length <= 1024 && exchange->http.host.length <= 255);
	assert(exchange->error != EXCHANGE_COMPLETE || exchange->http.status >= 101);
	assert(exchange->request_body_bytes <= world->crossed[FLOW_REQUEST]);
	assert(exchange->response_body_bytes <= world->crossed[FLOW_RESPONSE]);
	check_kept(world, &exchange->http);
	if (exchange->http.path.length > 0)
		assert(memchr(exchange->http.path.data, '?', exchange->http.path.length) == NULL);
}

static void on_begin(void *ctx, struct exchange *exchange)
{
	(void)ctx;
	assert(exchange->http.method_original.length <= 32);
}

static void on_active_changed(void *ctx, enum http_method method, int change)
{
	(void)ctx;
	assert((unsigned int)method < HTTP_METHOD_COUNT);
	assert(change == 1 || change == -1);
	active += change;
	assert(active >= 0 && active <= PIPELINE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {
		.ops = &http1_ops,
		.memory_max = MEMORY_MAX,
		.check = check,
		.sink.active = on_active_changed,
	};

	if (size == 0)
		return 0;
	world.sink.begin = data[0] & BIT_TARGET ? on_begin : NULL;
	world.sink.keep = data[0] & BIT_TARGET ? &keep : NULL;
	active = 0;
	proto_run(&world, data, size, NULL);
	assert(active == 0);
	return 0;
}
