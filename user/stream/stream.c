/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections and the short way through it: nearly every segment continues its lane exactly where the lane
 * stands, and its bytes go from the ring to the parser without a copy. Everything else is order.c's.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "stream/connection_table.h"

/* A connection of which nothing was heard for so long may have ended unheard, if events were lost. */
#define STALE_NS (600 * UINT64_C(1000000000))
#define SWEEP_EVERY_NS (1 * UINT64_C(1000000000))

int stream_table_new(const struct stream_config *config, const struct stream_callbacks *callbacks,
		     struct stream_table **ret_table)
{
	struct stream_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->config = *config;
	table->callbacks = *callbacks;
	table->protocols = config->protocols ? config->protocols : proto_table;
	table->share = config->max_bytes / (config->max_connections ? config->max_connections : 1);
	hash_table_init(&table->connections, config->max_connections);
	feed_init(table);
	*ret_table = table;
	return 0;
}

static bool drop_connection(struct hash_node *node, void *ctx)
{
	connection_free(ctx, hash_entry(node, struct connection, node));
	return true;
}

void stream_table_free(struct stream_table *table)
{
	const struct proto_ops *const *ops;

	if (!table)
		return;
	hash_table_remove_if(&table->connections, drop_connection, table);
	hash_table_done(&table->connections);
	for (ops = table->protocols; *ops; ops++) {
		if ((*ops)->shared_free)
			(*ops)->shared_free(table->shared[(*ops)->protocol]);
	}
	free(table);
}

static bool connection_is(const struct hash_node *node, const void *key)
{
	return hash_entry(node, const struct connection, node)->conn_id == *(const uint64_t *)key;
}

static struct connection *find(struct stream_table *table, uint64_t conn_id)
{
	struct hash_node *node;

	if (table->last && table->last->conn_id == conn_id)
		return table->last;
	node = hash_table_find(&table->connections, hash_u64(conn_id, table->config.hash_seed), connection_is,
			       &conn_id);
	if (!node)
		return NULL;
	table->last = hash_entry(node, struct connection, node);
	return table->last;
}

/* The bytes of an address that are not zeros at its end: four of IPv4's. */
static size_t address_size(const struct endpoint *endpoint)
{
	size_t size = sizeof(endpoint->address);

	while (size > 0 && endpoint->address[size - 1] == 0)
		size--;
	return size;
}

/* With its NUL. */
static size_t path_size(const struct endpoint *endpoint)
{
	return endpoint->family == AF_UNIX ? strnlen(endpoint->path, sizeof(endpoint->path) - 1) + 1 : 0;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* A connection with the endpoints of `open`. They are as long as need be: paths of unix sockets are rare and long. */
static struct connection *connection_new(const struct connection_open *open)
{
	size_t size = larger(address_size(&open->local), address_size(&open->remote));
	size_t local = path_size(&open->local), remote = path_size(&open->remote);
	struct connection *conn = calloc(1, offsetof(struct connection, names) + 2 * size + local + remote);

	if (!conn)
		return NULL;
	conn->address_size = (uint8_t)size;
	conn->families[0] = open->local.family;
	conn->families[1] = open->remote.family;
	conn->ports[0] = open->local.port;
	conn->ports[1] = open->remote.port;
	memcpy(conn->names, open->local.address, size);
	memcpy(conn->names + size, open->remote.address, size);
	memcpy(conn->names + 2 * size, open->local.path, local);
	memcpy(conn->names + 2 * size + local, open->remote.path, remote);
	return conn;
}

static int add_connection(struct stream_table *table, const struct connection_open *open)
{
	struct connection *conn = connection_new(open);
	bool is_tcp = !open->tls && open->local.family != AF_UNIX;
	unsigned int d;
	int error = -ENOMEM;

	if (!conn)
		return -ENOMEM;
	conn->shared = open->shared;
	conn->conn_id = open->conn_id;
	conn->tgid = open->tgid;
	conn->from_start = open->from_start || open->role != ROLE_UNKNOWN;
	conn->tls = open->tls;
	conn->opened_ns = open->time_ns;
	conn->heard_ns = open->time_ns;
	conn->heard_direction = HEARD_NOTHING;
	for (d = 0; d < 2; d++) {
		conn->lanes[d].next = open->position[d];
		conn->lanes[d].detour = LANE_NOT_PARSED;
		conn->lanes[d].second = d;
		conn->origin[d] = is_tcp ? open->position[d] : open->origin[d];
	}
	if (connection_rest(conn))
		error = hash_table_insert(&table->connections, &conn->node,
					  hash_u64(open->conn_id, table->config.hash_seed));
	if (error) {
		free(conn->rest);
		free(conn);
	}
	return error;
}

struct sweep {
	struct stream_table *table;
	uint64_t now_ns;
};

static bool drop_stale(struct hash_node *node, void *ctx)
{
	struct connection *conn = hash_entry(node, struct connection, node);
	const struct sweep *sweep = ctx;

	if (conn->heard_ns + STALE_NS > sweep->now_ns)
		return false;
	conn->close_reason = END_TIMEOUT;
	if (connection_rest(conn))
		conn->rest->close_ns = sweep->now_ns;
	else
		conn->heard_ns = sweep->now_ns;
	connection_conclude(sweep->table, conn);
	connection_free(sweep->table, conn);
	return true;
}

/* Ends can be lost as every event can: without this the table would fill with the dead. */
static void make_room(struct stream_table *table, uint64_t now_ns)
{
	struct sweep sweep = { .table = table, .now_ns = now_ns };

	if (!table->ends_lost || now_ns < table->sweep_ns)
		return;
	table->sweep_ns = now_ns + SWEEP_EVERY_NS;
	hash_table_remove_if(&table->connections, drop_stale, &sweep);
}

void stream_on_open(struct stream_table *table, const struct connection_open *open)
{
	struct unparsed_report report = { .conn_id = open->conn_id, .tgid = open->tgid, .reason = UNPARSED_NO_ROOM };

	if (find(table, open->conn_id))
		return;
	if (table->connections.count >= table->config.max_connections)
		make_room(table, open->time_ns);
	if (!add_connection(table, open))
		return;
	table->losses.no_room_connections++;
	table->callbacks.unparsed(table->callbacks.ctx, &report);
	table->callbacks.control.mute(table->callbacks.control.ctx, open->conn_id);
}

/* Bytes that no hook saw, as many as there are between what was told of the lane and where it has been read to. */
static void on_reached(struct stream_table *table, struct connection *conn, const struct segment *segment)
{
	const struct lane_rest *rest = lane_rest(&conn->lanes[segment->direction]);
	uint32_t told = conn->lanes[segment->direction].next;
	struct segment unseen = *segment;

	if (rest && rest->tail && position_before(told, rest->tail->segment.position + rest->tail->segment.length))
		told = rest->tail->segment.position + rest->tail->segment.length;
	if (!position_before(told, segment->position))
		return;
	unseen.position = told;
	unseen.length = segment->position - told;
	unseen.reached = false;
	table->losses.reached_bytes += unseen.length;
	stream_on_segment(table, &unseen);
}

void stream_on_segment(struct stream_table *table, const struct segment *segment)
{
	struct connection *conn = find(table, segment->conn_id);
	const struct lane *lane;

	if (!conn) {
		table->losses.unopened_segments++;
		return;
	}
	if (segment->reached) {
		on_reached(table, conn, segment);
		return;
	}
	lane = &conn->lanes[segment->direction];
	if (lane->detour || segment->position != lane->next || !segment->length) {
		order_segment(table, conn, segment);
		return;
	}
	conn->heard_ns = segment->time_ns;
	conn->heard_direction = (uint8_t)segment->direction;
	feed_in_order(table, conn, segment);
}

/* One that found no room has no state, but the kernel counted its bytes. */
static void report_no_room(struct stream_table *table, const struct connection_end *end)
{
	struct unparsed_report report = {
		.conn_id = end->conn_id,
		.reason = UNPARSED_NO_ROOM,
		.bytes = { end->skipped[0], end->skipped[1] },
		.final = true,
	};

	if (end->kind == END_CLOSED && (end->skipped[0] || end->skipped[1]))
		table->callbacks.unparsed(table->callbacks.ctx, &report);
}

void stream_on_end(struct stream_table *table, const struct connection_end *end)
{
	struct connection *conn = find(table, end->conn_id);

	if (conn)
		connection_end(table, conn, end);
	else
		report_no_room(table, end);
}

void stream_on_loss(struct stream_table *table)
{
	table->ends_lost = true;
}

void stream_tick(struct stream_table *table, uint64_t now_ns)
{
	struct connection *conn, *next;

	for (conn = table->pending; conn; conn = next) {
		next = conn->rest->pending_next;
		order_tick(table, conn, now_ns);
	}
}

bool stream_table_waiting(const struct stream_table *table)
{
	return table->pending;
}

bool stream_describe(struct stream_table *table, uint64_t conn_id, struct connection_open *ret_open)
{
	const struct connection *conn = find(table, conn_id);

	if (!conn)
		return false;
	*ret_open = (struct connection_open){
		.conn_id = conn_id, .time_ns = conn->opened_ns, .from_start = conn->from_start, .tgid = conn->tgid
	};
	memcpy(ret_open->position, conn->origin, sizeof(ret_open->position));
	connection_endpoints(conn, &ret_open->local, &ret_open->remote);
	return true;
}

const struct stream_losses *stream_table_losses(const struct stream_table *table)
{
	return &table->losses;
}

size_t stream_table_connections(const struct stream_table *table)
{
	return table->connections.count;
}

size_t stream_table_bytes(const struct stream_table *table)
{
	return table->bytes;
}

size_t stream_table_shared_bytes(const struct stream_table *table)
{
	const struct proto_ops *const *ops;
	size_t bytes = 0;

	for (ops = table->protocols; *ops; ops++) {
		if ((*ops)->shared_memory && table->shared[(*ops)->protocol])
			bytes += (*ops)->shared_memory(table->shared[(*ops)->protocol]);
	}
	return bytes;
}

void stream_each_session(struct stream_table *table, stream_session_visitor visitor, void *ctx)
{
	const struct hash_node *node = NULL;

	while ((node = hash_table_next(&table->connections, node))) {
		const struct connection *conn = hash_entry(node, const struct connection, node);
		struct stream_session session = {
			.side = conn->side,
			.tgid = conn->tgid,
			.local = &table->scratch[0],
			.remote = &table->scratch[1],
		};

		if (!conn->state || !conn->ops->session || !conn->ops->session(conn->state, &session.now))
			continue;
		session.protocol = conn->ops->protocol;
		connection_endpoints(conn, &table->scratch[0], &table->scratch[1]);
		visitor(ctx, &session);
	}
}
