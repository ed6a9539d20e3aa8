/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of a signal at a time: sent, judged, tried again with back-off where the specification lets it (no
 * answer, 429, 502, 503, 504 or gRPC's like; Retry-After and RetryInfo are honoured). A request is tried until it is
 * taken, refused for good, or the queue needs its room.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "exporters/otlp/answer.h"
#include "exporters/otlp/internal.h"

#define BACKOFF_FIRST_NS NS_PER_SECOND
#define BACKOFF_MAX_NS (30 * NS_PER_SECOND)
#define BACKOFF_DOUBLINGS 5

static const char *signal_text(enum otlp_signal signal)
{
	return signal == OTLP_TRACES ? "traces" : "metrics";
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *ctx)
{
	struct otlp_call *call = ctx;
	size_t length = size * count;

	/* What is too long is not read further, but must come to its end for the connection to be of use. */
	if (length > OTLP_ANSWER_BYTES - call->answer.length)
		call->answer_cut = true;
	else
		buffer_append(&call->answer, bytes, length);
	return length;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
	static const char name[] = "retry-after:";
	struct otlp_call *call = ctx;
	size_t length = size * count;

	if (length > sizeof(name) - 1 && !strncasecmp(bytes, name, sizeof(name) - 1))
		call->retry_after_ns =
			answer_retry_after(bytes + sizeof(name) - 1, length - sizeof(name) + 1, clock_realtime_ns());
	grpc_answer_line(&call->grpc, bytes, length);
	return length;
}

static bool add_header(struct otlp *otlp, struct otlp_call *call, const char *text)
{
	struct curl_slist *list = otlp->curl.slist_append(call->headers, text);

	if (!list)
		return false;
	call->headers = list;
	return true;
}

static bool make_headers(struct otlp *otlp, struct otlp_call *call, const struct otlp_target *target)
{
	static const char *const types[] = {
		[OTLP_PROTOBUF] = "Content-Type: application/x-protobuf",
		[OTLP_JSON] = "Content-Type: application/json",
		[OTLP_GRPC] = "Content-Type: application/grpc+proto",
	};
	bool grpc = target->encoding == OTLP_GRPC;
	bool made = add_header(otlp, call, types[target->encoding]);

	/* Without this libcurl asks before it sends a large body, and waits a second for those that do not answer. */
	made = made && add_header(otlp, call, "Expect:");
	if (grpc)
		made = made && add_header(otlp, call, "TE: trailers");
	if (target->gzip)
		made = made && add_header(otlp, call, grpc ? "grpc-encoding: gzip" : "Content-Encoding: gzip");
	for (size_t i = 0; made && i < target->header_count; i++)
		made = add_header(otlp, call, target->headers[i]);
	return made;
}

static CURLcode set_tls(struct otlp *otlp, CURL *easy, const struct otlp_target *target)
{
	const struct curl_library *curl = &otlp->curl;
	CURLcode code = CURLE_OK;

	if (*target->certificate)
		code = curl->easy_setopt(easy, CURLOPT_CAINFO, target->certificate);
	if (!code && *target->client_certificate)
		code = curl->easy_setopt(easy, CURLOPT_SSLCERT, target->client_certificate);
	if (!code && *target->client_key)
		code = curl->easy_setopt(easy, CURLOPT_SSLKEY, target->client_key);
	if (!code && *otlp->config.proxy)
		code = curl->easy_setopt(easy, CURLOPT_PROXY, otlp->config.proxy);
	return code;
}

static CURLcode set_options(struct otlp *otlp, struct otlp_call *call, const struct otlp_target *target)
{
	const struct curl_library *curl = &otlp->curl;
	CURLcode code = curl->easy_setopt(call->easy, CURLOPT_URL, target->url);
	char agent[64];

	snprintf(agent, sizeof(agent), "sonde/%.40s", otlp->config.version);
#define SET(option, value)                                                       \
	do {                                                                     \
		if (!code)                                                       \
			code = curl->easy_setopt(call->easy, (option), (value)); \
	} while (0)
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, agent);
	SET(CURLOPT_HTTPHEADER, call->headers);
	SET(CURLOPT_TIMEOUT_MS, (long)(target->timeout_ns / NS_PER_MS));
	SET(CURLOPT_WRITEFUNCTION, on_answer);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, call);
	if (target->encoding == OTLP_GRPC) {
		/* Without TLS the server must be known to speak HTTP/2; a proxy must not take part. */
		SET(CURLOPT_HTTP_VERSION,
		    (long)(strncmp(target->url, "https:", 6) ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE :
							       CURL_HTTP_VERSION_2TLS));
		SET(CURLOPT_HTTPPROXYTUNNEL, 1L);
	}
#undef SET
	return code ? code : set_tls(otlp, call->easy, target);
}

bool call_init(struct otlp *otlp, enum otlp_signal signal, struct exporter_error *ret_error)
{
	const struct otlp_target *target = &otlp->config.targets[signal];
	struct otlp_call *call = &otlp->calls[signal];
	CURLcode code;

	buffer_init(&call->body, OTLP_REQUEST_BYTES);
	buffer_init(&call->answer, OTLP_ANSWER_BYTES);
	call->easy = otlp->curl.easy_init();
	if (!call->easy || !make_headers(otlp, call, target)) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot export %s: out of memory",
			 signal_text(signal));
		return false;
	}
	code = set_options(otlp, call, target);
	if (code)
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot export %s to \"%.160s\": %s",
			 signal_text(signal), target->url, otlp->curl.easy_strerror(code));
	return !code;
}

void call_done(struct otlp *otlp, enum otlp_signal signal)
{
	struct otlp_call *call = &otlp->calls[signal];

	if (call->easy) {
		if (call->state == CALL_SENDING)
			(void)otlp->curl.multi_remove_handle(otlp->multi, call->easy);
		otlp->curl.easy_cleanup(call->easy);
	}
	if (call->headers)
		otlp->curl.slist_free_all(call->headers);
	buffer_done(&call->body);
	buffer_done(&call->answer);
	*call = (struct otlp_call){ 0 };
}

static void end(struct otlp *otlp, struct otlp_call *call)
{
	otlp->queue_bytes -= call->body.length;
	buffer_reset(&call->body);
	call->state = CALL_IDLE;
	call->attempts = 0;
	call->count = 0;
}

void call_drop(struct otlp *otlp, enum otlp_signal signal, enum otlp_dropped reason)
{
	struct otlp_call *call = &otlp->calls[signal];

	if (call->state == CALL_SENDING)
		(void)otlp->curl.multi_remove_handle(otlp->multi, call->easy);
	otlp->figures.dropped[signal][reason] += call->count;
	end(otlp, call);
}

void call_send(struct otlp *otlp, enum otlp_signal signal)
{
	const struct curl_library *curl = &otlp->curl;
	struct otlp_call *call = &otlp->calls[signal];

	buffer_reset(&call->answer);
	call->answer_cut = false;
	call->retry_after_ns = 0;
	grpc_answer_init(&call->grpc);
	call->attempts++;
	if (curl->easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length) ||
	    curl->easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body.data) ||
	    curl->multi_add_handle(otlp->multi, call->easy)) {
		otlp->figures.dropped[signal][DROPPED_NO_MEMORY] += call->count;
		end(otlp, call);
		return;
	}
	call->state = CALL_SENDING;
}

/* Half of it at least, so that those that were refused at one moment do not come back at one. */
static uint64_t jittered(struct otlp *otlp, uint64_t delay_ns)
{
	otlp->random = otlp->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth, MMIX */
	return delay_ns / 2 + (otlp->random >> 33) % (delay_ns / 2 + 1);
}

static void try_later(struct otlp *otlp, struct otlp_call *call)
{
	uint32_t doublings = call->attempts - 1 < BACKOFF_DOUBLINGS ? call->attempts - 1 : BACKOFF_DOUBLINGS;
	uint64_t delay = BACKOFF_FIRST_NS << doublings;

	if (delay > BACKOFF_MAX_NS)
		delay = BACKOFF_MAX_NS;
	call->state = CALL_WAITING;
	call->retry_ns = otlp->config.now_ns(otlp->config.ctx) +
			 (call->retry_after_ns ? call->retry_after_ns : jittered(otlp, delay));
	queue_bound(otlp);
}

static void read_answer(const struct otlp *otlp, enum otlp_signal signal, struct answer *ret_answer)
{
	const struct otlp_call *call = &otlp->calls[signal];
	enum otlp_encoding encoding = otlp->config.targets[signal].encoding;

	if (encoding == OTLP_GRPC)
		grpc_answer_read(call->answer.data, call->answer.length, ret_answer);
	else
		answer_read(call->answer.data, call->answer.length, encoding == OTLP_JSON, ret_answer);
}

static void taken(struct otlp *otlp, enum otlp_signal signal)
{
	struct otlp_call *call = &otlp->calls[signal];
	struct otlp_figures *figures = &otlp->figures;
	struct answer answer;

	read_answer(otlp, signal, &answer);
	if (!answer.understood || call->answer_cut) {
		figures->failures[signal][FAILURE_ANSWER]++;
		otlp_note(otlp, "%s: the answer to a request is not OTLP's; is this the address of a collector?",
			  signal_text(signal));
	}
	if (answer.rejected > call->count)
		answer.rejected = call->count;
	if (answer.rejected || *answer.message)
		otlp_note(otlp, "%s: the collector rejected %llu of %u: %s", signal_text(signal),
			  (unsigned long long)answer.rejected, call->count, answer.message);
	figures->dropped[signal][DROPPED_REJECTED] += answer.rejected;
	figures->sent[signal] += call->count - answer.rejected;
	figures->bytes[signal] += call->body.length;
	end(otlp, call);
}

/* What the collector said, by gRPC or by HTTP, in words. */
static enum answer_verdict judge(struct otlp *otlp, enum otlp_signal signal, long status, char *words, size_t size)
{
	struct otlp_call *call = &otlp->calls[signal];
	const struct grpc_answer *grpc = &call->grpc;

	snprintf(words, size, "status %ld", status);
	/* A proxy on the way answers with HTTP's status alone. */
	if (otlp->config.targets[signal].encoding != OTLP_GRPC || status != 200)
		return answer_judge(status);
	if (grpc->status == GRPC_STATUS_NONE)
		snprintf(words, size, "something that is not gRPC");
	else
		snprintf(words, size, "%s %.100s", grpc_status_text(grpc->status), grpc->message);
	if (grpc->retry_after_ns)
		call->retry_after_ns = grpc->retry_after_ns;
	return grpc_answer_judge(grpc);
}

/* libcurl 7.88 cannot use an HTTP/2 connection without TLS a second time (mended in 8.0.0, "http2: fix for
 * http2-prior-knowledge when reusing connections"). Where that shows, each request has a connection of its own. */
static bool connect_afresh(struct otlp *otlp, struct otlp_call *call)
{
	long connects = 1;

	(void)otlp->curl.easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects > 0 || call->fresh || otlp->curl.easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L))
		return false;
	call->fresh = true;
	call->state = CALL_WAITING;
	call->retry_ns = 1;
	return true;
}

void call_finished(struct otlp *otlp, enum otlp_signal signal, CURLcode code)
{
	struct otlp_call *call = &otlp->calls[signal];
	char words[ANSWER_MESSAGE_BYTES];
	long status = 0;

	(void)otlp->curl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)otlp->curl.multi_remove_handle(otlp->multi, call->easy);
	call->state = CALL_IDLE;
	otlp->figures.requests[signal]++;
	if (code == CURLE_HTTP2 && connect_afresh(otlp, call))
		return;
	if (code != CURLE_OK) {
		otlp->figures.failures[signal][FAILURE_CONNECTION]++;
		otlp_note(otlp, "%s: %s", signal_text(signal), otlp->curl.easy_strerror(code));
		try_later(otlp, call);
		return;
	}
	switch (judge(otlp, signal, status, words, sizeof(words))) {
	case ANSWER_TAKEN:
		taken(otlp, signal);
		break;
	case ANSWER_RETRY:
		otlp->figures.failures[signal][FAILURE_RETRYABLE]++;
		otlp_note(otlp, "%s: the collector answered %s", signal_text(signal), words);
		try_later(otlp, call);
		break;
	default:
		otlp->figures.failures[signal][FAILURE_STATUS]++;
		otlp_note(otlp, "%s: the collector refused a request with %s", signal_text(signal), words);
		call_drop(otlp, signal, DROPPED_REFUSED);
	}
}
