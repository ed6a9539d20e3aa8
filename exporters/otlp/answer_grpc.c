/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC over HTTP/2 as far as one request and one answer need it ("PROTOCOL-HTTP2" of gRPC). The status is in a trailer:
 *   grpc-status: 14
 *   grpc-message: percent-encoded words
 *   grpc-status-details-bin: google.rpc.Status in base64, whose details may hold a RetryInfo
 * Which codes may be tried again is OTLP's to say ("OTLP/gRPC Response", "Failures" and "OTLP/gRPC Throttling").
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/number.h"
#include "exporters/otlp/answer.h"
#include "otlp.pb-c.h"

#define DETAILS_BYTES 2048
#define INFLATED_BYTES 8192
#define DAY_SECONDS (24 * 60 * 60)
#define STATUS_COUNT 17
#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"

enum grpc_status {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
};

void grpc_answer_init(struct grpc_answer *answer)
{
	*answer = (struct grpc_answer){ .status = GRPC_STATUS_NONE };
}

const char *grpc_status_text(int status)
{
	static const char *const texts[STATUS_COUNT] = {
		"OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
		"NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
		"DATA_LOSS", "UNAUTHENTICATED",
	};

	return status >= 0 && status < STATUS_COUNT ? texts[status] : texts[GRPC_UNKNOWN];
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* RFC 4648 section 4, padded or not; ends at what is no digit. Returns the length, at most `size`. */
static size_t base64_decode(const char *text, size_t length, uint8_t *out, size_t size)
{
	uint32_t bits = 0;
	size_t count = 0;
	int have = 0;

	for (size_t i = 0; i < length && count < size; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			break;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[count++] = (uint8_t)(bits >> have);
	}
	return count;
}

static void read_retry_info(struct grpc_answer *answer, const ProtobufCBinaryData *bytes)
{
	Otlp__RetryInfo *info = otlp__retry_info__unpack(NULL, bytes->len, bytes->data);
	const Otlp__Duration *delay = info ? info->retry_delay : NULL;

	answer->may_retry = info != NULL;
	if (delay && (delay->seconds > 0 || delay->nanos > 0)) {
		uint64_t seconds = delay->seconds > 0 ? (uint64_t)delay->seconds : 0;
		uint64_t nanos = delay->nanos > 0 ? (uint64_t)delay->nanos % NS_PER_SECOND : 0;

		answer->retry_after_ns = seconds < DAY_SECONDS ? seconds * NS_PER_SECOND + nanos :
								 (uint64_t)DAY_SECONDS * NS_PER_SECOND;
	}
	if (info)
		otlp__retry_info__free_unpacked(info, NULL);
}

static void read_details(struct grpc_answer *answer, const char *value, size_t length)
{
	uint8_t bytes[DETAILS_BYTES];
	size_t size = base64_decode(value, length, bytes, sizeof(bytes));
	Otlp__RpcStatus *status = otlp__rpc_status__unpack(NULL, size, bytes);

	if (!status)
		return;
	for (size_t i = 0; i < status->n_details; i++) {
		const Otlp__Any *detail = status->details[i];

		if (detail->type_url && !strcmp(detail->type_url, RETRY_INFO))
			read_retry_info(answer, &detail->value);
	}
	otlp__rpc_status__free_unpacked(status, NULL);
}

static void read_message(struct grpc_answer *answer, const char *value, size_t length)
{
	if (length >= sizeof(answer->message))
		length = sizeof(answer->message) - 1;
	for (size_t i = 0; i < length; i++)
		answer->message[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
	answer->message[length] = '\0';
}

static void read_status(struct grpc_answer *answer, const char *value, size_t length)
{
	uint64_t status;

	answer->status = number_u64_span(value, length, &status) || status >= STATUS_COUNT ? GRPC_UNKNOWN : (int)status;
}

void grpc_answer_line(struct grpc_answer *answer, const char *line, size_t length)
{
	static const struct {
		const char *name;
		void (*read)(struct grpc_answer *answer, const char *value, size_t length);
	} fields[] = {
		{ "grpc-status:", read_status },
		{ "grpc-message:", read_message },
		{ "grpc-status-details-bin:", read_details },
	};

	while (length > 0 && (uint8_t)line[length - 1] <= ' ')
		length--;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t size = strlen(fields[i].name);

		if (length < size || strncasecmp(line, fields[i].name, size) != 0)
			continue;
		while (size < length && line[size] == ' ')
			size++;
		fields[i].read(answer, line + size, length - size);
		return;
	}
}

enum answer_verdict grpc_answer_judge(const struct grpc_answer *answer)
{
	switch (answer->status) {
	case GRPC_OK:
		return ANSWER_TAKEN;
	case GRPC_CANCELLED:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_ABORTED:
	case GRPC_OUT_OF_RANGE:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS:
		return ANSWER_RETRY;
	case GRPC_RESOURCE_EXHAUSTED:
		return answer->may_retry ? ANSWER_RETRY : ANSWER_REFUSED;
	default:
		return ANSWER_REFUSED;
	}
}

/* A server may answer in the coding that it was asked in. False: it is not gzip, or too long. */
static bool inflate_message(const uint8_t *bytes, size_t length, uint8_t *out, size_t size, size_t *ret_length)
{
	z_stream stream = { 0 };
	int result;

	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) /* gzip's header and trailer */
		return false;
	stream.next_in = (uint8_t *)(uintptr_t)bytes; /* only read */
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)size;
	result = inflate(&stream, Z_FINISH);
	*ret_length = size - stream.avail_out;
	(void)inflateEnd(&stream); /* cannot fail: the state is consistent */
	return result == Z_STREAM_END;
}

void grpc_answer_read(const void *bytes, size_t length, struct answer *ret_answer)
{
	const uint8_t *prefix = bytes;
	uint8_t plain[INFLATED_BYTES];
	size_t said;

	*ret_answer = (struct answer){ 0 };
	if (length < GRPC_PREFIX_BYTES || prefix[0] > 1)
		return;
	said = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
	if (said != length - GRPC_PREFIX_BYTES)
		return;
	bytes = prefix + GRPC_PREFIX_BYTES;
	if (prefix[0] == 0)
		answer_read(bytes, said, false, ret_answer);
	else if (inflate_message(bytes, said, plain, sizeof(plain), &said))
		answer_read(plain, said, false, ret_answer);
}
