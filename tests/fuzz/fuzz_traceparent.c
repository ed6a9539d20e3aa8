/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traceparent and tracestate: any bytes. What is taken must be what it says: written out again it is the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hex(char *out, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = { (const char *)data, size };
	struct traceparent parent;
	char again[2 * TRACE_ID_BYTES + 1];

	(void)tracestate_valid(text);
	if (!traceparent_parse(text, &parent))
		return 0;
	hex(again, parent.trace_id, TRACE_ID_BYTES);
	if (memcmp(again, data + 3, 2 * TRACE_ID_BYTES) != 0)
		abort();
	hex(again, parent.parent_id, SPAN_ID_BYTES);
	if (memcmp(again, data + 36, 2 * SPAN_ID_BYTES) != 0)
		abort();
	return 0;
}
