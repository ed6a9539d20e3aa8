/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The held segments of a lane, copied and in the order of their positions. Few lanes ever hold one. Appending is the
 * common case (a lane that waits for the other one), so there is a tail; what must go before it walks from the head.
 */
#include <string.h>

#include "stream/connection_table.h"

static size_t piece_bytes(const struct piece *piece)
{
	return sizeof(*piece) + piece->segment.captured_length;
}

static struct piece *piece_new(const struct segment *view, bool at_start)
{
	struct piece *piece = malloc(sizeof(*piece) + view->captured_length);

	if (!piece)
		return NULL;
	piece->next = NULL;
	piece->seen_ns = 0;
	piece->at_start = at_start;
	piece->segment = *view;
	piece->segment.data = piece->bytes;
	if (view->captured_length)
		memcpy(piece->bytes, view->data, view->captured_length);
	return piece;
}

static void link_after(struct lane *lane, struct piece *before, struct piece *piece)
{
	struct lane_rest *rest = lane_rest(lane);
	struct piece **link = before ? &before->next : &rest->head;

	piece->next = *link;
	*link = piece;
	if (!piece->next)
		rest->tail = piece;
	lane->detour |= LANE_QUEUED;
	rest->piece_count++;
}

static bool covers(const struct segment *held, const struct segment *view)
{
	uint32_t offset = view->position - held->position;

	return offset <= held->length && view->length <= held->length - offset;
}

bool queue_insert(struct stream_table *table, struct lane *lane, const struct segment *view, bool at_start)
{
	size_t bytes = sizeof(struct piece) + view->captured_length;
	struct lane_rest *rest = connection_rest(lane_connection(lane)) ? lane_rest(lane) : NULL;
	struct piece *piece, *before = rest ? rest->tail : NULL;

	if (!rest || rest->piece_count >= LANE_PIECES_MAX || table->bytes + bytes > table->config.max_bytes)
		return false;
	if (before && position_before(view->position, before->segment.position)) {
		table->losses.reordered_segments++;
		before = NULL;
		while (!position_before(view->position, (before ? before->next : rest->head)->segment.position))
			before = before ? before->next : rest->head;
	}
	if (before && covers(&before->segment, view)) {
		table->losses.out_of_step[STEP_OVERLAP]++;
		return true;
	}
	piece = piece_new(view, at_start);
	if (!piece)
		return false;
	link_after(lane, before, piece);
	table->bytes += bytes;
	return true;
}

struct piece *queue_pop(struct stream_table *table, struct lane *lane)
{
	struct lane_rest *rest = lane_rest(lane);
	struct piece *piece = rest->head;

	rest->head = piece->next;
	if (!rest->head) {
		rest->tail = NULL;
		lane->detour &= ~LANE_QUEUED;
	}
	rest->piece_count--;
	table->bytes -= piece_bytes(piece);
	return piece;
}

void queue_push_front(struct stream_table *table, struct lane *lane, struct piece *piece)
{
	link_after(lane, NULL, piece);
	table->bytes += piece_bytes(piece);
}

uint64_t queue_drop(struct stream_table *table, struct lane *lane)
{
	uint64_t length = 0;

	while (lane_head(lane)) {
		struct piece *piece = queue_pop(table, lane);

		length += piece->segment.length;
		free(piece);
	}
	lane->stall = STALL_NONE;
	return length;
}
