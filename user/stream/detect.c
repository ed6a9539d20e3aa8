/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the first bytes of a connection for its protocol, and at the first bytes of calls for the next message
 * boundary where a lane has lost its step. A message may begin in the middle of a call, but a search there would take
 * payload for messages; programs begin most of their messages with a call of their own.
 */
#include <string.h>

#include "stream/connection_table.h"

#define WINDOW_BYTES 1024 /* more than the detect_max of every protocol */

/* The bytes that can be looked at from the beginning of a segment. */
struct sight {
	const uint8_t *bytes;
	size_t length;
	bool growing; /* what follows may come yet */
	uint8_t window[WINDOW_BYTES];
};

static void sight_append(struct sight *sight, const struct segment *segment)
{
	size_t room = sizeof(sight->window) - sight->length;
	size_t length = segment->captured_length < room ? segment->captured_length : room;

	memcpy(sight->window + sight->length, segment->data, length);
	sight->length += length;
	sight->growing = segment->captured_length < room && segment->captured_length == segment->length;
}

/* Bytes that were split over calls are joined: some programs write a message byte by byte. */
static void sight_take(struct sight *sight, const struct lane *lane, const struct segment *view)
{
	uint32_t position = view->position + view->length;
	const struct piece *piece;

	sight->bytes = view->data;
	sight->length = view->captured_offset ? 0 : view->captured_length;
	sight->growing = sight->length == view->length && sight->length < sizeof(sight->window);
	if (!sight->growing || !lane_head(lane))
		return;
	sight->bytes = sight->window;
	sight->length = 0;
	sight_append(sight, view);
	for (piece = lane_head(lane); piece && sight->growing && piece->segment.position == position;
	     piece = piece->next) {
		if (piece->segment.captured_offset) {
			sight->growing = false;
			return;
		}
		sight_append(sight, &piece->segment);
		position += piece->segment.length;
	}
}

/* RFC 8446 section 5.1: content type, legacy version (0x0301 or 0x0303), length. A connection that is older than the
 * agent shows application data (23) instead of a handshake (22). */
static enum proto_detect look_for_tls(const struct sight *sight)
{
	const uint8_t *bytes = sight->bytes;

	if (sight->length > 0 && bytes[0] != 0x16 && bytes[0] != 0x17)
		return DETECT_NO;
	if (sight->length > 1 && bytes[1] != 0x03)
		return DETECT_NO;
	if (sight->length < 3)
		return DETECT_MORE;
	return bytes[2] <= 0x04 ? DETECT_REQUEST : DETECT_NO;
}

/* RFC 9113 section 3.4: a client begins with these 24 bytes, a server with a SETTINGS frame (section 6.5): a length
 * that six divides, type 4, flags 0, stream 0. */
static enum proto_detect look_for_http2(const struct sight *sight)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	static const uint8_t settings[] = { 4, 0, 0, 0, 0, 0 };
	const uint8_t *bytes = sight->bytes;
	size_t length = sight->length < sizeof(preface) - 1 ? sight->length : sizeof(preface) - 1;

	if (length && !memcmp(bytes, preface, length))
		return length == sizeof(preface) - 1 ? DETECT_REQUEST : DETECT_MORE;
	if (length && (bytes[0] || (length > 1 && bytes[1]) || (length > 2 && bytes[2] % 6)))
		return DETECT_NO;
	if (length < 3 + sizeof(settings))
		return length <= 3 || !memcmp(bytes + 3, settings, length - 3) ? DETECT_MORE : DETECT_NO;
	return memcmp(bytes + 3, settings, sizeof(settings)) ? DETECT_NO : DETECT_RESPONSE;
}

/* What is recognised without being understood. */
static enum proto_detect look_for_opaque(const struct sight *sight, enum unparsed_reason *ret_reason)
{
	enum proto_detect tls = look_for_tls(sight);
	enum proto_detect http2 = look_for_http2(sight);

	*ret_reason = tls == DETECT_REQUEST ? UNPARSED_TLS : UNPARSED_HTTP2;
	if (tls == DETECT_REQUEST || http2 == DETECT_REQUEST || http2 == DETECT_RESPONSE)
		return DETECT_REQUEST;
	return tls == DETECT_MORE || http2 == DETECT_MORE ? DETECT_MORE : DETECT_NO;
}

static enum proto_detect look_for_protocol(const struct stream_table *table, const struct sight *sight,
					   const struct proto_ops **ret_ops)
{
	enum proto_detect result = DETECT_NO;
	const struct proto_ops *const *ops;

	for (ops = table->protocols; *ops; ops++) {
		enum proto_detect verdict = (*ops)->detect(sight->bytes, sight->length);

		if (verdict == DETECT_MORE) {
			result = DETECT_MORE;
		} else if (verdict != DETECT_NO) {
			*ret_ops = *ops;
			return verdict;
		}
	}
	return result;
}

/* More bytes would help: they follow on this lane, unless what is held next shows a hole between. */
static enum stall wait_for_more(const struct lane *lane)
{
	return lane_head(lane) ? STALL_TIME : STALL_MORE;
}

static bool search_is_hopeless(const struct connection *conn)
{
	const struct connection_rest *rest = conn->rest;
	unsigned int d, exhausted = 0;

	for (d = 0; d < 2; d++) {
		if (rest->lanes[d].tries >= SEARCH_ONE_SIDED_MAX)
			return true;
		if (rest->lanes[d].tries >= SEARCH_SEGMENTS_MAX || rest->bytes[d] >= SEARCH_BYTES_MAX)
			exhausted++;
	}
	return exhausted == 2;
}

static void pass_over_undecided(struct stream_table *table, struct connection *conn, struct segment *view)
{
	struct lane *lane = &conn->lanes[view->direction];

	if (conn->from_start && !conn->rest->lanes[0].torn && !conn->rest->lanes[1].torn) {
		connection_unparsed(table, conn, UNPARSED_UNKNOWN, view);
		return;
	}
	conn->rest->bytes[view->direction] += view->length;
	lane_rest(lane)->tries++;
	lane_advance(lane, view->length);
	segment_trim(view, view->length);
	if (search_is_hopeless(conn))
		connection_unparsed(table, conn, UNPARSED_UNKNOWN, view);
}

enum stall detect_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
			bool force)
{
	const struct lane *lane = &conn->lanes[view->direction];
	const struct proto_ops *ops = NULL;
	enum proto_detect verdict = DETECT_NO, opaque = DETECT_NO;
	enum unparsed_reason reason = UNPARSED_UNKNOWN;
	struct sight sight;

	if (view->captured_offset || !view->captured_length) {
		uint32_t missing = view->captured_length ? view->captured_offset : view->length;

		feed_hole(table, conn, view, missing, true);
		segment_trim(view, missing);
		at_start = false;
		if (!view->length)
			return STALL_NONE;
	}
	sight_take(&sight, lane, view);
	if (at_start) {
		verdict = look_for_protocol(table, &sight, &ops);
		opaque = look_for_opaque(&sight, &reason);
	}
	if (verdict == DETECT_REQUEST || verdict == DETECT_RESPONSE) {
		bool server = (verdict == DETECT_REQUEST) == (view->direction == DIRECTION_RECEIVE);

		if (!connection_begin(table, conn, ops, server ? SIDE_SERVER : SIDE_CLIENT, view))
			return STALL_NONE;
		if (table->callbacks.control.recognised)
			table->callbacks.control.recognised(table->callbacks.control.ctx, conn->conn_id);
		return feed_offer(table, conn, view, true, force);
	}
	if (opaque == DETECT_REQUEST)
		connection_unparsed(table, conn, reason, view);
	else if ((verdict == DETECT_MORE || opaque == DETECT_MORE) && sight.growing && !force)
		return wait_for_more(lane);
	else
		pass_over_undecided(table, conn, view);
	return STALL_NONE;
}

void search_passed(struct connection *conn, enum direction direction, uint64_t length, uint32_t peer_position)
{
	if (conn->ops->passed && length)
		conn->ops->passed(conn->state, feed_flow(conn, direction), (uint32_t)length, peer_position);
}

void search_pass_over(struct stream_table *table, struct connection *conn, struct segment *view)
{
	struct lane *lane = &conn->lanes[view->direction];

	search_passed(conn, view->direction, view->length, view->peer_position);
	table->losses.skipped_bytes[lane->before_start ? SKIP_BEFORE_START : SKIP_RESYNC] += view->length;
	lane_advance(lane, view->length);
	segment_trim(view, view->length);
}

enum stall search_offer(struct stream_table *table, struct connection *conn, struct segment *view, bool at_start,
			bool force)
{
	bool request = feed_flow(conn, view->direction) == FLOW_REQUEST;
	struct lane *lane = &conn->lanes[view->direction];
	enum proto_detect verdict = DETECT_NO;
	struct sight sight;

	sight_take(&sight, lane, view);
	if (at_start && sight.length)
		verdict = conn->ops->detect(sight.bytes, sight.length);
	if (verdict == (request ? DETECT_REQUEST : DETECT_RESPONSE)) {
		lane->detour &= ~LANE_SEARCHING;
		lane->before_start = false;
		return feed_view(table, conn, view, force);
	}
	if (verdict == DETECT_MORE && sight.growing && !force)
		return wait_for_more(lane);
	search_pass_over(table, conn, view);
	return STALL_NONE;
}
