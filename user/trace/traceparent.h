/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context, as it stands in a request. Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/exchange.h"
#include "model/span.h"

struct traceparent {
	uint8_t trace_id[TRACE_ID_BYTES];
	uint8_t parent_id[SPAN_ID_BYTES];
	uint8_t flags;
};

/* False: invalid, which is as if it were not there (section 4.3). */
bool traceparent_parse(struct text text, struct traceparent *ret_parent);
/* Whether every member of the list is sound; one that is not spoils the list (section 4.3). */
bool tracestate_valid(struct text text);
