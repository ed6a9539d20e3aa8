/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span as OTLP's message. Lives in one block that is filled anew for each span: nothing is allocated.
 */
#pragma once

#include "exporters/common/text_room.h"
#include "model/span.h"
#include "otlp.pb-c.h"

#define SPAN_TEXT_BYTES 16384

struct span_message {
	Otlp__Span span; /* what is filled in; points into the rest */
	Otlp__Status status;
	Otlp__KeyValue pairs[SPAN_ATTRIBUTES_MAX];
	Otlp__KeyValue *pair_pointers[SPAN_ATTRIBUTES_MAX];
	Otlp__AnyValue values[SPAN_ATTRIBUTES_MAX];
	Otlp__ArrayValue lists[SPAN_ATTRIBUTES_MAX];
	Otlp__AnyValue texts[SPAN_LIST_TEXTS_MAX]; /* of all lists */
	Otlp__AnyValue *text_pointers[SPAN_LIST_TEXTS_MAX];
	size_t text_count;
	uint8_t ids[2 * SPAN_ID_BYTES + TRACE_ID_BYTES];
	struct text_room room;
	char text[SPAN_TEXT_BYTES];
};

/* Texts become valid UTF-8; those that find no room are left out. */
void span_message_fill(struct span_message *message, const struct span *span);
