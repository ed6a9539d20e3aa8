/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector answers: any bytes, as protobuf, as JSON, as a Retry-After field.
 */
#include <stdlib.h>
#include <string.h>

#include "exporters/otlp/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer answer;

	for (int json = 0; json < 2; json++) {
		answer_read(data, size, json != 0, &answer);
		if (strnlen(answer.message, sizeof(answer.message)) == sizeof(answer.message))
			abort();
	}
	if (answer_retry_after((const char *)data, size, UINT64_C(784111777000000000)) > UINT64_C(86400000000000))
		abort();
	return 0;
}
