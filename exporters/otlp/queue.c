/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits to be sent: a lane for each signal, one bound in bytes over both and over the bodies under way. When it is
 * reached the oldest goes, be it a body that waits to be tried again: what is newest matters most to who looks.
 */
#include <string.h>

#include "exporters/otlp/internal.h"

struct otlp_item *queue_take(struct otlp *otlp, enum otlp_signal signal)
{
	struct otlp_lane *lane = &otlp->lanes[signal];
	struct otlp_item *item = lane->first;

	if (!item)
		return NULL;
	lane->first = item->next;
	if (!lane->first)
		lane->last = NULL;
	lane->count--;
	return item;
}

void queue_item_free(struct otlp *otlp, struct otlp_item *item)
{
	otlp->queue_bytes -= item->size;
	free(item);
}

static void drop_first(struct otlp *otlp, enum otlp_signal signal)
{
	struct otlp_item *item = queue_take(otlp, signal);

	if (!item)
		return;
	otlp->figures.dropped[signal][DROPPED_QUEUE_FULL] += item->count;
	queue_item_free(otlp, item);
}

/* The signal whose first item is the oldest. */
static enum otlp_signal oldest(const struct otlp *otlp)
{
	const struct otlp_item *traces = otlp->lanes[OTLP_TRACES].first, *metrics = otlp->lanes[OTLP_METRICS].first;

	if (!traces)
		return OTLP_METRICS;
	return metrics && metrics->sequence < traces->sequence ? OTLP_METRICS : OTLP_TRACES;
}

void queue_bound(struct otlp *otlp)
{
	/* Bodies that wait are older than all items of their signal. */
	for (int signal = 0; signal < OTLP_SIGNAL_COUNT && otlp->queue_bytes > otlp->config.queue_bytes; signal++)
		if (otlp->calls[signal].state == CALL_WAITING)
			call_drop(otlp, (enum otlp_signal)signal, DROPPED_QUEUE_FULL);
	while (otlp->queue_bytes > otlp->config.queue_bytes &&
	       (otlp->lanes[OTLP_TRACES].first || otlp->lanes[OTLP_METRICS].first))
		drop_first(otlp, oldest(otlp));
	while (otlp->config.queue_spans && otlp->lanes[OTLP_TRACES].count > otlp->config.queue_spans)
		drop_first(otlp, OTLP_TRACES);
}

void queue_put(struct otlp *otlp, enum otlp_signal signal, const char *service, const void *bytes, size_t length,
	       uint32_t count)
{
	struct otlp_lane *lane = &otlp->lanes[signal];
	size_t service_length = strlen(service), size = sizeof(struct otlp_item) + service_length + length;
	struct otlp_item *item = size <= otlp->config.queue_bytes ? malloc(size) : NULL;

	if (!item) {
		otlp->figures.dropped[signal][DROPPED_NO_MEMORY] += count;
		return;
	}
	*item = (struct otlp_item){ .sequence = otlp->sequence++,
				    .size = size,
				    .count = count,
				    .service_length = (uint32_t)service_length,
				    .length = length };
	memcpy(item->bytes, service, service_length);
	memcpy(item->bytes + service_length, bytes, length);
	if (!lane->last)
		lane->waiting_ns = otlp->config.now_ns(otlp->config.ctx);
	if (lane->last)
		lane->last->next = item;
	else
		lane->first = item;
	lane->last = item;
	lane->count++;
	otlp->queue_bytes += size;
	queue_bound(otlp);
}
