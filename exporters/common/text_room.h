/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for the strings of a message: copies of any bytes, made valid UTF-8 and ended by NUL.
 */
#pragma once

#include <stddef.h>

#include "model/exchange.h"

struct text_room {
	char *at;
	size_t left;
};

/* NULL when there is no room. */
char *text_room_keep(struct text_room *room, struct text text);
