/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector answers: any bytes, as protobuf, as JSON, as a Retry-After field, by gRPC.
 */
#include <stdlib.h>
#include <string.h>

#include "exporters/otlp/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc_answer grpc;
	struct answer answer;

	grpc_answer_init(&grpc);
	grpc_answer_line(&grpc, (const char *)data, size);
	grpc_answer_read(data, size, &answer);
	if (grpc.retry_after_ns > UINT64_C(86400000000000) || !grpc_status_text(grpc.status) ||
	    strnlen(grpc.message, sizeof(grpc.message)) == sizeof(grpc.message))
		abort();
	for (int json = 0; json < 2; json++) {
		answer_read(data, size, json != 0, &answer);
		if (strnlen(answer.message, sizeof(answer.message)) == sizeof(answer.message))
			abort();
	}
	if (answer_retry_after((const char *)data, size, UINT64_C(784111777000000000)) > UINT64_C(86400000000000))
		abort();
	return 0;
}
