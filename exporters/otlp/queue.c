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

static void resource_free_unused(struct otlp_resource *resource)
{
	if (!resource->items && !resource->recent)
		free(resource);
}

static void forget_recent(struct otlp_resource **place)
{
	struct otlp_resource *resource = *place;

	*place = NULL;
	if (!resource)
		return;
	resource->recent = false;
	resource_free_unused(resource);
}

/* Services take turns: a few are looked at. NULL without memory. */
static struct otlp_resource *resource_find(struct otlp *otlp, const char *text)
{
	struct otlp_resource **place = &otlp->recent[otlp->next_recent], *resource;
	size_t length = strlen(text);

	for (size_t i = 0; i < OTLP_RECENT_RESOURCES; i++) {
		resource = otlp->recent[i];
		if (resource && resource->length == length && !memcmp(resource->text, text, length))
			return resource;
	}
	resource = malloc(sizeof(*resource) + length);
	if (!resource)
		return NULL;
	resource->items = 0;
	resource->recent = true;
	resource->length = length;
	memcpy(resource->text, text, length);
	forget_recent(place);
	*place = resource;
	otlp->next_recent = (otlp->next_recent + 1) % OTLP_RECENT_RESOURCES;
	return resource;
}

static void resource_drop(struct otlp *otlp, struct otlp_resource *resource)
{
	if (--resource->items)
		return;
	otlp->queue_bytes -= sizeof(*resource) + resource->length;
	resource_free_unused(resource);
}

size_t otlp_queued_bytes(const struct otlp *otlp)
{
	return otlp->queue_bytes;
}

void queue_done(struct otlp *otlp)
{
	for (size_t i = 0; i < OTLP_RECENT_RESOURCES; i++)
		forget_recent(&otlp->recent[i]);
}

void queue_item_free(struct otlp *otlp, struct otlp_item *item)
{
	otlp->queue_bytes -= item->size;
	resource_drop(otlp, item->resource);
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

static struct otlp_item *item_new(struct otlp *otlp, const char *resource, const void *bytes, size_t length)
{
	size_t size = sizeof(struct otlp_item) + length;
	struct otlp_item *item = size <= otlp->config.queue_bytes ? malloc(size) : NULL;

	if (!item)
		return NULL;
	*item = (struct otlp_item){
		.sequence = otlp->sequence++, .size = size, .resource = resource_find(otlp, resource), .length = length
	};
	if (!item->resource) {
		free(item);
		return NULL;
	}
	if (item->resource->items++ == 0)
		otlp->queue_bytes += sizeof(*item->resource) + item->resource->length;
	memcpy(item->bytes, bytes, length);
	return item;
}

void queue_put(struct otlp *otlp, enum otlp_signal signal, const char *resource, const void *bytes, size_t length,
	       uint32_t count)
{
	struct otlp_lane *lane = &otlp->lanes[signal];
	struct otlp_item *item = item_new(otlp, resource, bytes, length);

	if (!item) {
		otlp->figures.dropped[signal][DROPPED_NO_MEMORY] += count;
		return;
	}
	item->count = count;
	if (!lane->last)
		lane->waiting_ns = otlp->config.now_ns(otlp->config.ctx);
	if (lane->last)
		lane->last->next = item;
	else
		lane->first = item;
	lane->last = item;
	lane->count++;
	otlp->queue_bytes += item->size;
	queue_bound(otlp);
}
