/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's events into plain records. Checks type and length before any field: an event that does not fit is
 * refused and counted, never guessed at. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"
#include "load/capture.h"

/* Decodes one event and hands it to the sink; 0, or -EBADMSG when it does not fit. `record` is aligned to 8 bytes. */
MUST_CHECK int decode_event(const uint8_t *record, size_t length, const struct capture_sink *sink);
