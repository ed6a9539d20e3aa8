/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words that the model's enumerations have in labels. They are part of the metrics' interface: a change here is a
 * change for every dashboard.
 */
#include "model/exchange.h"
#include "model/losses.h"
#include "model/plain.h"

#define TEXT(texts, index, otherwise) \
	((size_t)(index) < sizeof(texts) / sizeof((texts)[0]) ? (texts)[index] : (otherwise))

const char *exchange_error_text(enum exchange_error error)
{
	static const char *const texts[EXCHANGE_ERROR_COUNT] = {
		[EXCHANGE_COMPLETE] = "",
		[EXCHANGE_REQUEST_ABORTED] = "request_aborted",
		[EXCHANGE_NO_RESPONSE] = "no_response",
		[EXCHANGE_RESPONSE_ABORTED] = "response_aborted",
		[EXCHANGE_CONNECTION_RESET] = "connection_reset",
		[EXCHANGE_TIMEOUT] = "timeout",
	};

	return TEXT(texts, error, "_OTHER");
}

const char *http_method_text(enum http_method method)
{
	static const char *const texts[HTTP_METHOD_COUNT] = {
		[HTTP_METHOD_OTHER] = "_OTHER", [HTTP_METHOD_CONNECT] = "CONNECT", [HTTP_METHOD_DELETE] = "DELETE",
		[HTTP_METHOD_GET] = "GET",      [HTTP_METHOD_HEAD] = "HEAD",       [HTTP_METHOD_OPTIONS] = "OPTIONS",
		[HTTP_METHOD_PATCH] = "PATCH",  [HTTP_METHOD_POST] = "POST",       [HTTP_METHOD_PUT] = "PUT",
		[HTTP_METHOD_QUERY] = "QUERY",  [HTTP_METHOD_TRACE] = "TRACE",
	};

	return TEXT(texts, method, "_OTHER");
}

const char *skip_reason_text(enum skip_reason reason)
{
	static const char *const texts[SKIP_REASON_COUNT] = {
		[SKIP_GAP] = "gap",
		[SKIP_RESYNC] = "resync",
		[SKIP_BEFORE_START] = "before_start",
		[SKIP_MALFORMED] = "malformed",
	};

	return TEXT(texts, reason, "_OTHER");
}

const char *out_of_step_reason_text(enum out_of_step_reason reason)
{
	static const char *const texts[STEP_REASON_COUNT] = {
		[STEP_GAP] = "gap",
		[STEP_OVERLAP] = "overlap",
		[STEP_MALFORMED] = "malformed",
		[STEP_RESPONSE_ALONE] = "response_alone",
		[STEP_REQUEST_LOST] = "request_lost",
		[STEP_PIPELINE_FULL] = "pipeline_full",
		[STEP_HEAD_TOO_LARGE] = "head_too_large",
	};

	return TEXT(texts, reason, "_OTHER");
}

const char *unparsed_reason_text(enum unparsed_reason reason)
{
	static const char *const texts[UNPARSED_REASON_COUNT] = {
		[UNPARSED_UNKNOWN] = "unknown",     [UNPARSED_TLS] = "tls",         [UNPARSED_UPGRADED] = "upgraded",
		[UNPARSED_MALFORMED] = "malformed", [UNPARSED_NO_ROOM] = "no_room", [UNPARSED_HTTP2] = "http2",
	};

	return TEXT(texts, reason, "_OTHER");
}

const char *tls_version_text(enum tls_version version)
{
	static const char *const texts[TLS_VERSION_COUNT] = {
		[TLS_NONE] = "",   [TLS_UNKNOWN] = "", [TLS_1_0] = "1.0",
		[TLS_1_1] = "1.1", [TLS_1_2] = "1.2",  [TLS_1_3] = "1.3",
	};

	return TEXT(texts, version, "");
}
