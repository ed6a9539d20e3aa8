/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans of databases, by OpenTelemetry's conventions for their clients (database client spans, stable). The conventions
 * have none for the server's own end: sonde's says so, in `sonde.db.side`, so that nobody counts a call twice.
 */
#include <string.h>
#include <sys/socket.h>

#include "aggregate/peer.h"
#include "trace/internal.h"

static const char *system_name(const struct exchange *exchange)
{
	switch (exchange->protocol) {
	case PROTOCOL_POSTGRESQL:
		return "postgresql";
	case PROTOCOL_REDIS:
		return "redis";
	default:
		return "other_sql";
	}
}

/* `{summary}`, else `{operation} {collection}`, else the system. */
static void name_it(struct span_writer *writer, const struct db_facts *db, const char *system)
{
	struct text pieces[] = { db->operation, { " ", 1 }, db->collection };

	if (db->summary.length > 0)
		writer->name = db->summary;
	else if (db->operation.length > 0)
		writer->name = writer_join(writer, pieces, db->collection.length > 0 ? 3 : 1);
	else
		writer->name = (struct text){ system, strlen(system) };
}

static void tell_error(struct span_writer *writer, const struct exchange *exchange)
{
	const struct db_facts *db = &exchange->db;

	writer_text(writer, "db.response.status_code", db->status);
	if (exchange->error != EXCHANGE_COMPLETE)
		writer_string(writer, "error.type", exchange_error_text(exchange->error));
	else if (db->failed && db->status.length > 0)
		writer_text(writer, "error.type", db->status);
	else if (db->failed)
		writer_string(writer, "error.type", "_OTHER");
}

static void tell_server(struct span_writer *writer, const struct endpoint *server)
{
	char text[PEER_TEXT_MAX + 1];
	struct text address = { text, server ? peer_from_endpoint(server, text) : 0 };

	if (address.length == 0)
		return;
	writer_text(writer, "server.address", writer_join(writer, &address, 1));
	if (server->port)
		writer_int(writer, "server.port", server->port);
}

void build_db(struct span_writer *writer, const struct exchange *exchange)
{
	const struct db_facts *db = &exchange->db;
	const char *system = system_name(exchange);

	name_it(writer, db, system);
	writer_string(writer, "db.system.name", system);
	writer_text(writer, "db.operation.name", db->operation);
	writer_text(writer, "db.collection.name", db->collection);
	writer_text(writer, "db.namespace", db->name_space);
	writer_text(writer, "db.query.summary", db->summary);
	writer_text(writer, "db.query.text", db->query_text);
	tell_error(writer, exchange);
	if (db->rows_known)
		writer_int(writer, "db.response.returned_rows", (int64_t)db->rows);
	tell_server(writer, exchange->side == SIDE_CLIENT ? exchange->remote : exchange->local);
	writer_peer(writer, exchange);
	if (exchange->side == SIDE_SERVER)
		writer_string(writer, "sonde.db.side", "server");
}
