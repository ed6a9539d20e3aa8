/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of one call, both seen here: they have the same pair of TCP sequence numbers, at which the request and
 * its response begin (inside TLS: where the connection begins, and how much plaintext had crossed; of a unix socket:
 * who it is connected to, and how many bytes had crossed). The server's end belongs to the trace of the client's.
 * Either may show first: a sender's call may return after the receiver's has. A response's beginning is foretold when
 * the request begins (it is where the response's direction stands, unless requests are pipelined or a 1xx comes first),
 * and known at the end.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "trace/internal.h"

struct join_key {
	uint32_t request_position;
	uint32_t response_position;
	uint8_t side;
};

static uint64_t key_hash(const struct trace *trace, const struct join_key *key)
{
	return hash_u64((uint64_t)key->request_position << 32 | key->response_position,
			trace->config.hash_seed + key->side);
}

static bool key_is(const struct hash_node *node, const void *key)
{
	const struct call *call = hash_entry(node, const struct call, key_node);
	const struct join_key *wanted = key;

	return call->request_position == wanted->request_position &&
	       call->response_position == wanted->response_position && call->side == wanted->side;
}

static struct join_key key_of(const struct call *call, enum side side)
{
	return (struct join_key){ call->request_position, call->response_position, (uint8_t)side };
}

/* A server's request may not belong to the trace of a call that belongs to its own. */
static bool is_below(const struct call *call, const struct call *above)
{
	int depth = 0;

	for (; call && depth < TRACE_DEPTH_MAX; call = call->up, depth++)
		if (call == above)
			return true;
	return call != NULL;
}

/* Two requests of one header: the client's own says nothing of a parent between them, unless it was passed on. */
static bool header_overrides(const struct call *server, const struct call *client)
{
	return server->has_header && !(client->up && client->has_header && client->header_id == server->header_id);
}

static void join(struct trace *trace, struct call *server, struct call *client)
{
	join_withdraw(trace, server);
	join_withdraw(trace, client);
	server->joined = client->joined = true;
	if (header_overrides(server, client))
		return;
	if (server->resolved) {
		/* A trace is told already: it is this one's only where both derive the same. */
		call_resolve(client);
		if (memcmp(server->trace_id, client->trace_id, TRACE_ID_BYTES) != 0) {
			trace->unresolved[UNRESOLVED_LATE]++;
			return;
		}
	} else {
		server->up = client;
		client->references++;
	}
	/* Of TCP it is known at the end. */
	if (!server->is_tcp)
		server->parent_id = client->span_id;
	server->source = PARENT_CONNECTION;
}

void join_withdraw(struct trace *trace, struct call *call)
{
	if (!call->keyed)
		return;
	hash_table_remove(&trace->keys, &call->key_node);
	trace->keyed_clients -= call->side == SIDE_CLIENT;
	call->keyed = false;
}

static void remember(struct trace *trace, struct call *call)
{
	struct join_key key = key_of(call, (enum side)call->side);

	call->keyed = !hash_table_insert(&trace->keys, &call->key_node, key_hash(trace, &key));
	trace->keyed_clients += call->keyed && call->side == SIDE_CLIENT;
}

uint32_t join_response_position(const struct exchange *exchange)
{
	uint32_t foretold = exchange->request_peer_position, begin = exchange->response_position;

	if (!foretold || (exchange->response_first_ns && (int32_t)(foretold - begin) > 0))
		return begin;
	return foretold;
}

struct call *join_find_client(const struct trace *trace, const struct call *server)
{
	struct join_key key = key_of(server, SIDE_CLIENT);
	struct hash_node *node;

	if (trace->keyed_clients == 0)
		return NULL;
	node = hash_table_find(&trace->keys, key_hash(trace, &key), key_is, &key);
	return node ? hash_entry(node, struct call, key_node) : NULL;
}

void join_offer(struct trace *trace, struct call *call)
{
	struct join_key key = key_of(call, call->side == SIDE_SERVER ? SIDE_CLIENT : SIDE_SERVER);
	struct hash_node *node = NULL;
	struct call *other;

	if (!call->shared || call->joined || call->keyed)
		return;
	if (call->side == SIDE_CLIENT || trace->keyed_clients > 0)
		node = hash_table_find(&trace->keys, key_hash(trace, &key), key_is, &key);
	if (!node) {
		remember(trace, call);
		return;
	}
	other = hash_entry(node, struct call, key_node);
	if (call->side == SIDE_SERVER && !is_below(other, call))
		join(trace, call, other);
	else if (call->side == SIDE_CLIENT && !is_below(call, other))
		join(trace, other, call);
}

/*
 * Where the client's thread was late to return from its send, another one may have read of the response by then, so
 * what was foretold lies behind the response's begin: the true one is taken. Where it lies before it, a 1xx response
 * came first on both ends, and a server whose trace was told has told it by that: only an unresolved one moves.
 */
void join_settle(struct trace *trace, struct call *call, const struct exchange *exchange)
{
	uint32_t begin = exchange->response_position;

	if (!exchange->response_first_ns || call->response_position == begin || !call->shared)
		return;
	if (!call->joined) {
		join_withdraw(trace, call);
		if (!call->resolved && (int32_t)(call->response_position - begin) > 0)
			call->response_position = begin;
	}
	join_offer(trace, call);
}

/* RFC 1918, RFC 6598, RFC 3927; RFC 4193 and RFC 4291 section 2.5.6. Not loopback: its other end is on this host. */
static bool is_private4(uint32_t address)
{
	return address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8 || address >> 22 == 0x191 ||
	       address >> 16 == 0xa9fe;
}

static bool is_private(const struct endpoint *endpoint)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *address = endpoint->address;
	uint32_t word;

	if (endpoint->family == AF_INET6 && memcmp(address, mapped, sizeof(mapped)) != 0)
		return (address[0] & 0xfe) == 0xfc || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
	if (endpoint->family == AF_INET6)
		address += sizeof(mapped);
	memcpy(&word, address, sizeof(word));
	return is_private4(ntohl(word));
}

bool join_is_remote(const struct trace *trace, const struct exchange *exchange)
{
	const struct endpoint *local = exchange->local, *remote = exchange->remote;

	if (!trace->config.remote_parents || !local || !remote ||
	    (remote->family != AF_INET && remote->family != AF_INET6))
		return false;
	/* Both ends have one address: the client is on this host, and was not observed. */
	return is_private(remote) && memcmp(local->address, remote->address, sizeof(local->address)) != 0;
}
