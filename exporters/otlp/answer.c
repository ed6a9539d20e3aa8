/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A protobuf answer is read by protobuf-c. Of a JSON answer two values are looked for by their names, wherever they
 * stand: no more than that is asked of it.
 */
#include "exporters/otlp/answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/number.h"
#include "otlp.pb-c.h"

#define DAY_SECONDS (24 * 60 * 60)

enum answer_verdict answer_judge(long status)
{
	if (status == 200)
		return ANSWER_TAKEN;
	return status == 429 || status == 502 || status == 503 || status == 504 ? ANSWER_RETRY : ANSWER_REFUSED;
}

static void keep_message(struct answer *answer, const char *text, size_t length)
{
	if (length >= sizeof(answer->message))
		length = sizeof(answer->message) - 1;
	for (size_t i = 0; i < length; i++)
		answer->message[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	answer->message[length] = '\0';
}

static void read_protobuf(const void *bytes, size_t length, struct answer *answer)
{
	Otlp__ExportResponse *response = otlp__export_response__unpack(NULL, length, bytes);
	const Otlp__PartialSuccess *partial = response ? response->partial_success : NULL;

	answer->understood = response != NULL;
	if (partial && partial->has_rejected && partial->rejected > 0)
		answer->rejected = (uint64_t)partial->rejected;
	if (partial && partial->error_message)
		keep_message(answer, partial->error_message, strlen(partial->error_message));
	if (response)
		otlp__export_response__free_unpacked(response, NULL);
}

/* Where the value of `"name":` begins; NULL. */
static const char *find_value(const char *bytes, const char *end, const char *name)
{
	size_t length = strlen(name);
	const char *at = memmem(bytes, (size_t)(end - bytes), name, length);

	if (!at)
		return NULL;
	for (at += length; at < end && (*at == ' ' || *at == ':' || *at == '\t' || *at == '\n' || *at == '\r'); at++)
		;
	return at < end ? at : NULL;
}

static void read_json(const char *bytes, size_t length, struct answer *answer)
{
	static const char *const names[] = { "\"rejectedSpans\"", "\"rejectedDataPoints\"" };
	const char *end = bytes + length, *message = find_value(bytes, end, "\"errorMessage\"");

	answer->understood = length >= 2 && memchr(bytes, '{', length);
	for (size_t i = 0; i < 2; i++) {
		const char *at = find_value(bytes, end, names[i]), *stop;

		if (at && *at == '"') /* 64-bit integers may be strings */
			at++;
		for (stop = at; stop && stop < end && *stop >= '0' && *stop <= '9'; stop++)
			;
		if (at && number_u64_span(at, (size_t)(stop - at), &answer->rejected))
			continue; /* not a number: nothing is said */
	}
	if (message && *message == '"') {
		const char *quote = memchr(message + 1, '"', (size_t)(end - message - 1));

		keep_message(answer, message + 1, (size_t)((quote ? quote : end) - message - 1));
	}
}

void answer_read(const void *bytes, size_t length, bool json, struct answer *ret_answer)
{
	*ret_answer = (struct answer){ 0 };
	/* An empty body is the whole message with nothing in it. */
	if (length == 0)
		ret_answer->understood = true;
	else if (json)
		read_json(bytes, length, ret_answer);
	else
		read_protobuf(bytes, length, ret_answer);
}

/* IMF-fixdate alone (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". In the agent's C locale. */
static uint64_t until_date(const char *text, uint64_t epoch_ns)
{
	struct tm date = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date);
	time_t at, now = (time_t)(epoch_ns / NS_PER_SECOND);

	if (!end || *end)
		return 0;
	at = timegm(&date);
	if (at <= now)
		return 0;
	return (uint64_t)(at - now < DAY_SECONDS ? at - now : DAY_SECONDS) * NS_PER_SECOND;
}

uint64_t answer_retry_after(const char *value, size_t length, uint64_t epoch_ns)
{
	char text[64];
	uint64_t seconds;

	while (length > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		length--;
	}
	while (length > 0 && (uint8_t)value[length - 1] <= ' ')
		length--;
	if (length == 0 || length >= sizeof(text))
		return 0;
	if (!number_u64_span(value, length, &seconds))
		return (seconds < DAY_SECONDS ? seconds : DAY_SECONDS) * NS_PER_SECOND;
	memcpy(text, value, length);
	text[length] = '\0';
	return until_date(text, epoch_ns);
}
