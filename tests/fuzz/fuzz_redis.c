/* SPDX-License-Identifier: Apache-2.0 */
/* Redis: proto_world.h. The first byte's bit: the connection was joined in its middle. */
#include "tests/fuzz/proto_world.h"

#define COMMAND_BYTES 64   /* kept of an open command, at most */
#define SHORTEST_COMMAND 2 /* "x\n" */

static void check(const struct world *world, const struct exchange *exchange)
{
	assert(exchange->db.operation.length > 0 && exchange->db.operation.length < 40);
	assert(exchange->db.status.length <= 16 && exchange->db.name_space.length <= 10);
	assert(exchange->db.failed == (exchange->db.status.length > 0));
	assert(exchange->db.collection.length == 0 && exchange->db.summary.length == 0);
	/* Each is a value that crossed, or an argument. */
	assert(exchange->db.hits <= world->crossed[FLOW_RESPONSE]);
	assert(exchange->db.misses <= world->crossed[FLOW_REQUEST] + world->crossed[FLOW_RESPONSE]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {
		.ops = &redis_ops,
		.memory_max = 1024 + COMMAND_BYTES * 16,
		.memory_of_byte = COMMAND_BYTES * 4 / SHORTEST_COMMAND,
		.check = check,
	};

	if (size > 0)
		proto_run(&world, data, size, data[0] & BIT_TARGET ? redis_ops.joined : NULL);
	return 0;
}
