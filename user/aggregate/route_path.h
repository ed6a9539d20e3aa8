/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request path taken apart into segments, and what one segment becomes in a route: itself, or {id} when it looks like
 * an identifier. First step of routes; knows no service and keeps nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/exchange.h"

#define ROUTE_MAX 255                                    /* bytes of a route, and of a configured pattern */
#define ROUTE_SEGMENTS_MAX 32                            /* segments looked at */
#define ROUTE_SEGMENT_BYTES 64                           /* a longer segment is an identifier */
#define ROUTE_SEGMENT_ROOM (3 * ROUTE_SEGMENT_BYTES + 1) /* when every byte has to be replaced */
#define ROUTE_ID "{id}"
#define ROUTE_ID_LENGTH (sizeof(ROUTE_ID) - 1)

struct route_path {
	struct text segments[ROUTE_SEGMENTS_MAX]; /* none empty; borrowed */
	size_t count;
	bool cut;            /* there were more */
	bool trailing_slash; /* false for "/" */
};

/* Query, fragment and path parameters (RFC 3986 section 3.3, `;name=value`) are left out, empty segments skipped.
 * False for what is no path: "", "*", an authority (CONNECT), an absolute form. */
bool route_path_split(struct text path, struct route_path *ret_path);

/* The segment's text in a learned route: made printable, or "{id}", or "{id}.ext". Returns its length. */
size_t route_segment_text(struct text segment, char out[ROUTE_SEGMENT_ROOM]);
/* True when the segment looks like a value and not like a name. */
bool route_segment_is_identifier(struct text segment);
