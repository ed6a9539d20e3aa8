/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL: proto_world.h. The first byte's bit: texts of queries are kept. */
#include "tests/fuzz/proto_world.h"

#define MEMORY_MAX (KEEP_STATEMENT_BYTES + 512 + 8192 * 80 + 512 * 24 + 4096)

static const struct keep keep = { .query_text = true };

static void check(const struct world *world, const struct exchange *exchange)
{
	assert(exchange->response_last_ns != 0);
	assert(exchange->db.operation.length <= 32 && exchange->db.collection.length <= 127);
	assert(exchange->db.summary.length <= 255 && exchange->db.name_space.length <= 63);
	assert(exchange->db.query_text.length <= (world->sink.keep ? KEEP_STATEMENT_BYTES : 0));
	assert(exchange->db.status.length <= 5 && !memchr(exchange->db.status.data, 0, exchange->db.status.length));
	assert(exchange->error == EXCHANGE_COMPLETE || exchange->db.status.length == 0);
}

static void on_transaction(void *ctx, const struct db_transaction *transaction)
{
	struct world *world = ctx;

	assert(transaction->duration_ns <= world->time_ns);
	assert(transaction->idle_ns <= world->time_ns);
	assert(transaction->name_space.length <= 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {
		.ops = &postgres_ops,
		.memory_max = MEMORY_MAX,
		.check = check,
		.sink.transaction = on_transaction,
	};

	if (size == 0)
		return 0;
	world.sink.keep = data[0] & BIT_TARGET ? &keep : NULL;
	proto_run(&world, data, size, NULL);
	return 0;
}
