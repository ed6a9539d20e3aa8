/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per event type. The segment is the hot one: no copy, its payload is lent from the ring.
 */
#include "load/decode.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash_table.h"

_Static_assert((int)FLOW_RECEIVE == (int)DIRECTION_RECEIVE && (int)FLOW_SEND == (int)DIRECTION_SEND, "directions");
_Static_assert((int)END_KIND_RECEIVE == (int)END_RECEIVE && (int)END_KIND_SEND == (int)END_SEND &&
		       (int)END_KIND_CLOSED == (int)END_CLOSED,
	       "end kinds");
_Static_assert((int)END_REASON_RESET == (int)END_RESET && (int)END_REASON_TIMEOUT == (int)END_TIMEOUT, "end reasons");

static int decode_segment(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct segment_event *event = (const void *)record;
	struct segment segment;

	if (length < sizeof(*event) || event->captured_length > length - sizeof(*event) || event->direction > FLOW_SEND)
		return -EBADMSG;
	if (event->captured_offset > event->full_length ||
	    event->captured_length > event->full_length - event->captured_offset)
		return -EBADMSG;
	segment = (struct segment){
		.conn_id = event->conn_id,
		.time_ns = event->time_ns,
		.tgid = event->tgid,
		.tid = event->tid,
		.goroutine = event->goroutine,
		.direction = event->direction,
		.position = event->position,
		.peer_position = event->peer_position,
		.length = event->full_length,
		.captured_offset = event->captured_offset,
		.captured_length = event->captured_length,
		.reached = event->reached,
		.data = record + sizeof(*event),
	};
	sink->segment(sink->ctx, &segment);
	return 0;
}

static void decode_unix_name(const struct open_event *event, struct endpoint *endpoint)
{
	size_t length = event->name_length;

	if (!length)
		return;
	/* The abstract name space begins with a zero byte, which people write as "@". */
	memcpy(endpoint->path, event->unix_name, length < sizeof(endpoint->path) ? length : sizeof(endpoint->path) - 1);
	if (!endpoint->path[0])
		endpoint->path[0] = '@';
}

static int decode_open(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct open_event *event = (const void *)record;
	struct connection_open open = { 0 };

	if (length < sizeof(*event) || event->name_length > sizeof(event->unix_name))
		return -EBADMSG;
	open.conn_id = event->conn_id;
	open.time_ns = event->time_ns;
	open.tgid = event->tgid;
	open.from_start = event->from_start;
	open.local.family = event->family;
	open.remote.family = event->family;
	open.local.port = event->local_port;
	open.remote.port = event->remote_port;
	memcpy(open.local.address, event->local, sizeof(open.local.address));
	memcpy(open.remote.address, event->remote, sizeof(open.remote.address));
	memcpy(open.position, event->position, sizeof(open.position));
	open.shared = event->family != AF_UNIX || (event->from_start && event->peer);
	if (event->family == AF_UNIX) {
		decode_unix_name(event, event->name_is_remote ? &open.remote : &open.local);
		open.origin[DIRECTION_RECEIVE] = (uint32_t)hash_u64(event->peer, event->sock);
		open.origin[DIRECTION_SEND] = (uint32_t)hash_u64(event->sock, event->peer);
	}
	sink->open(sink->ctx, &open);
	return 0;
}

static int decode_end(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct end_event *event = (const void *)record;
	struct connection_end end;

	if (length < sizeof(*event) || event->kind > END_KIND_CLOSED || event->reason > END_REASON_TIMEOUT)
		return -EBADMSG;
	end = (struct connection_end){
		.conn_id = event->conn_id,
		.time_ns = event->time_ns,
		.kind = (enum connection_end_kind)event->kind,
		.reason = (enum connection_end_reason)event->reason,
		.positions_known = event->positions_known,
		.position = { event->position[0], event->position[1] },
		.skipped = { event->skipped[0], event->skipped[1] },
	};
	sink->end(sink->ctx, &end);
	return 0;
}

static int decode_exec(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct exec_event *event = (const void *)record;
	const char *text = (const char *)record + sizeof(*event);
	char filename[EXEC_FILENAME_BYTES];
	struct process_exec exec;

	if (length < sizeof(*event) || event->filename_length >= sizeof(filename))
		return -EBADMSG;
	if (length - sizeof(*event) <
	    (size_t)event->filename_length + event->arguments_length + event->environment_length)
		return -EBADMSG;
	memcpy(filename, text, event->filename_length);
	filename[event->filename_length] = '\0';
	text += event->filename_length;
	exec = (struct process_exec){
		.tgid = event->tgid,
		.time_ns = event->time_ns,
		.filename = filename,
		.arguments = text,
		.arguments_length = event->arguments_length,
		.environment = text + event->arguments_length,
		.environment_length = event->environment_length,
	};
	if (event->header.type == EVENT_SIGHT)
		sink->sight(sink->ctx, &exec);
	else
		sink->exec(sink->ctx, &exec);
	return 0;
}

static int decode_process(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct process_event *event = (const void *)record;

	if (length < sizeof(*event))
		return -EBADMSG;
	if (event->header.type == EVENT_FORK)
		sink->fork(sink->ctx, &(struct process_fork){ .parent_tgid = event->parent_tgid,
							      .child_tgid = event->tgid,
							      .time_ns = event->time_ns });
	else if (event->header.type == EVENT_MAPPED)
		sink->mapped(sink->ctx, event->tgid);
	else
		sink->exit(sink->ctx, &(struct process_exit){ .tgid = event->tgid, .time_ns = event->time_ns });
	return 0;
}

_Static_assert((int)TLS_CHANNEL_OTHER == (int)PLAIN_CHANNEL_OTHER &&
		       (int)TLS_CHANNEL_DESCRIPTOR == (int)PLAIN_CHANNEL_DESCRIPTOR &&
		       (int)TLS_CHANNEL_MEMORY == (int)PLAIN_CHANNEL_MEMORY &&
		       (int)TLS_CHANNEL_HALF == (int)PLAIN_CHANNEL_HALF && TLS_TAIL_BYTES == PLAIN_TAIL_BYTES,
	       "channels");

static int decode_plain(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct plain_event *event = (const void *)record;
	struct plain_segment plain;

	if (length < sizeof(*event) || event->captured_length > length - sizeof(*event) ||
	    event->direction > FLOW_SEND || event->channel > TLS_CHANNEL_HALF)
		return -EBADMSG;
	if (event->captured_offset > event->full_length ||
	    event->captured_length > event->full_length - event->captured_offset)
		return -EBADMSG;
	plain = (struct plain_segment){
		.segment = {
			.conn_id = event->tls_id,
			.time_ns = event->time_ns,
			.tgid = event->tgid,
			.tid = event->tid,
			.goroutine = event->goroutine,
			.direction = event->direction,
			.position = event->position,
			.peer_position = event->peer_position,
			.length = event->full_length,
			.captured_offset = event->captured_offset,
			.captured_length = event->captured_length,
			.data = record + sizeof(*event),
		},
		.conn_id = event->conn_id,
		.session = event->session,
		.entered_ns = event->entered_ns,
		.call_length = event->call_length,
		.channel = (enum plain_channel)event->channel,
		.nested = event->nested,
		.tail = event->has_tail ? event->tail : NULL,
	};
	sink->plain(sink->ctx, &plain);
	return 0;
}

static int decode_plain_end(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct plain_end_event *event = (const void *)record;

	if (length < sizeof(*event))
		return -EBADMSG;
	sink->plain_end(sink->ctx, &(struct plain_end){ .tls_id = event->tls_id, .time_ns = event->time_ns });
	return 0;
}

static int decode_plain_tail(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct plain_tail_event *event = (const void *)record;

	if (length < sizeof(*event))
		return -EBADMSG;
	sink->plain_tail(sink->ctx, event->tls_id, event->tail);
	return 0;
}

int decode_event(const uint8_t *record, size_t length, const struct capture_sink *sink)
{
	const struct event_header *header = (const void *)record;

	if (length < sizeof(*header) || header->length > length)
		return -EBADMSG;
	switch (header->type) {
	case EVENT_SEGMENT:
		return decode_segment(record, header->length, sink);
	case EVENT_OPEN:
		return decode_open(record, header->length, sink);
	case EVENT_END:
		return decode_end(record, header->length, sink);
	case EVENT_EXEC:
	case EVENT_SIGHT:
		return decode_exec(record, header->length, sink);
	case EVENT_PLAIN:
		return decode_plain(record, header->length, sink);
	case EVENT_PLAIN_END:
		return decode_plain_end(record, header->length, sink);
	case EVENT_PLAIN_TAIL:
		return decode_plain_tail(record, header->length, sink);
	case EVENT_FORK:
	case EVENT_EXIT:
	case EVENT_MAPPED:
		return decode_process(record, header->length, sink);
	default:
		return -EBADMSG;
	}
}
