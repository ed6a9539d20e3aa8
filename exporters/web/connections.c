/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of connections. libmicrohttpd's own timeout counts inactivity, which a client that sends or takes one byte
 * now and then never reaches; here a request as a whole has its time. A connection over its time is shut down, and
 * libmicrohttpd then sees its end like any other. The table is small: it is walked, not sorted.
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "exporters/web/internal.h"

#define FRESH_MAX_NS (10 * NS_PER_SECOND)   /* to send a first request */
#define REQUEST_MAX_NS (60 * NS_PER_SECOND) /* to take the answer: scrape timeouts are shorter */
#define IDLE_MAX_NS (180 * NS_PER_SECOND)   /* between requests: scrape intervals are mostly 15 to 60 s */

static uint64_t now_ns(const struct web *web)
{
	return web->config.now_ns(web->config.ctx);
}

void web_connection_enter(struct web *web, struct web_connection *slot, enum web_phase phase)
{
	slot->phase = phase;
	slot->since_ns = now_ns(web);
}

static void connection_started(struct web *web, struct MHD_Connection *connection, void **ret_slot)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	for (size_t i = 0; info && i < WEB_CONNECTIONS_MAX; i++) {
		struct web_connection *slot = &web->connections[i];

		if (slot->connection)
			continue;
		*slot = (struct web_connection){ .connection = connection, .fd = info->connect_fd };
		web_connection_enter(web, slot, PHASE_FRESH);
		web->connection_count++;
		*ret_slot = slot;
		return;
	}
}

void web_connection_notify(void *ctx, struct MHD_Connection *connection, void **slot,
			   enum MHD_ConnectionNotificationCode code)
{
	struct web *web = ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_started(web, connection, slot);
	} else if (*slot) {
		((struct web_connection *)*slot)->connection = NULL;
		*slot = NULL;
		web->connection_count--;
	}
}

static uint64_t deadline_ns(const struct web_connection *slot)
{
	switch (slot->phase) {
	case PHASE_FRESH:
		return slot->since_ns + FRESH_MAX_NS;
	case PHASE_REQUEST:
		return slot->since_ns + REQUEST_MAX_NS;
	case PHASE_IDLE:
		return slot->since_ns + IDLE_MAX_NS;
	case PHASE_CLOSING:
		break;
	}
	return UINT64_MAX;
}

static void end(struct web *web, struct web_connection *slot, enum web_closed_reason reason)
{
	/* Not close: the descriptor is MHD's, which reads the end of the stream from it and closes it. */
	shutdown(slot->fd, SHUT_RDWR);
	web_connection_enter(web, slot, PHASE_CLOSING);
	web->figures.closed[reason]++;
}

uint64_t web_connections_sweep(struct web *web)
{
	uint64_t now = now_ns(web), next = UINT64_MAX;

	for (size_t i = 0; i < WEB_CONNECTIONS_MAX; i++) {
		struct web_connection *slot = &web->connections[i];
		uint64_t deadline;

		if (!slot->connection)
			continue;
		if (deadline_ns(slot) <= now)
			end(web, slot, CLOSED_DEADLINE);
		deadline = deadline_ns(slot);
		next = deadline < next ? deadline : next;
	}
	return next == UINT64_MAX ? 0 : next;
}

void web_connections_evict(struct web *web)
{
	struct web_connection *longest = NULL;

	for (size_t i = 0; i < WEB_CONNECTIONS_MAX; i++) {
		struct web_connection *slot = &web->connections[i];

		if (slot->connection && slot->phase == PHASE_CLOSING)
			return; /* room is being made already */
		if (slot->connection && slot->phase == PHASE_IDLE && (!longest || slot->since_ns < longest->since_ns))
			longest = slot;
	}
	if (longest)
		end(web, longest, CLOSED_CROWDED);
}
