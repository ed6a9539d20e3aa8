/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection adds to the exchanges that its parser tells: who it is, and where they lie in its streams.
 */
#include <sys/socket.h>

#include "stream/connection_table.h"

/* From this end's count to the one that both ends share. Of a unix socket the other direction's position is not known
 * when a request begins: its place in one direction must do, which no other request of the connection has. */
static void share_positions(const struct connection *conn, struct exchange *exchange, bool begins)
{
	bool is_server = conn->side == SIDE_SERVER;
	uint32_t request = conn->origin[is_server ? DIRECTION_RECEIVE : DIRECTION_SEND];
	uint32_t response = conn->origin[is_server ? DIRECTION_SEND : DIRECTION_RECEIVE];

	exchange->positions_shared = conn->shared;
	if (!conn->shared || (!conn->tls && conn->families[0] != AF_UNIX))
		return;
	exchange->request_position += request;
	if (!conn->tls) {
		exchange->request_peer_position = exchange->response_position = response;
		return;
	}
	exchange->response_position += response;
	if (begins || exchange->request_peer_position)
		exchange->request_peer_position += response;
}

void exchange_fill(const struct connection *conn, struct endpoint endpoints[2], struct exchange *exchange, bool begins)
{
	connection_endpoints(conn, &endpoints[0], &endpoints[1]);
	exchange->conn_id = conn->conn_id;
	exchange->protocol = conn->ops->protocol;
	exchange->side = conn->side;
	exchange->tls = conn->tls;
	exchange->local = &endpoints[0];
	exchange->remote = &endpoints[1];
	share_positions(conn, exchange, begins);
}

/* Apart from what is being fed: this is asked for from inside of its callbacks. */
struct open_walk {
	const struct stream_table *table;
	const struct connection *conn;
	struct endpoint endpoints[2];
};

static void on_open_request(void *ctx, struct exchange *exchange)
{
	struct open_walk *walk = ctx;

	exchange_fill(walk->conn, walk->endpoints, exchange, true);
	walk->table->callbacks.begin(walk->table->callbacks.ctx, exchange);
}

void stream_each_open(struct stream_table *table, uint32_t tgid)
{
	struct open_walk walk = { .table = table };
	const struct proto_sink sink = { .ctx = &walk, .begin = on_open_request };
	const struct hash_node *node = NULL;

	if (!table->callbacks.begin)
		return;
	while ((node = hash_table_next(&table->connections, node))) {
		walk.conn = hash_entry(node, const struct connection, node);
		if (walk.conn->state && walk.conn->side == SIDE_SERVER && walk.conn->ops->each_open)
			walk.conn->ops->each_open(walk.conn->state, &sink, tgid);
	}
}
