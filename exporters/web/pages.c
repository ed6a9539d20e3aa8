/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small documents: health as JSON for programs and as a line for people, and the page of links. The words of states
 * are those of the health check response format (draft-inadarei-api-health-check): pass, warn, fail.
 */
#include <time.h>

#include "base/clock.h"
#include "exporters/common/escape.h"
#include "exporters/web/internal.h"

#define DOCUMENT_MAX_BYTES ((size_t)64 << 10)
#define TIME_SIZE 32

static const char *state_text(enum web_check_state state)
{
	switch (state) {
	case WEB_CHECK_PASS:
		return "pass";
	case WEB_CHECK_WARN:
		return "warn";
	case WEB_CHECK_FAIL:
		break;
	}
	return "fail";
}

static enum web_check_state overall(const struct web_check *checks, size_t count)
{
	enum web_check_state worst = WEB_CHECK_PASS;

	for (size_t i = 0; i < count; i++)
		worst = checks[i].state > worst ? checks[i].state : worst;
	return worst;
}

static size_t ask(struct web *web, struct web_check checks[WEB_CHECKS_MAX])
{
	size_t count = web->config.health ? web->config.health(web->config.ctx, checks) : 0;

	return count <= WEB_CHECKS_MAX ? count : WEB_CHECKS_MAX;
}

static void append_string(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, "\"%s\":\"", name);
	escape_append(out, value, ESCAPE_JSON);
	buffer_append_char(out, '"');
}

/* RFC 3339, UTC; nothing when the time is not known. */
static void append_time(struct buffer *out, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NS_PER_SECOND);
	char text[TIME_SIZE];
	struct tm utc;

	if (!time_ns || !gmtime_r(&seconds, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		return;
	buffer_printf(out, ",\"time\":\"%s.%03uZ\"", text, (unsigned int)(time_ns % NS_PER_SECOND / NS_PER_MS));
}

static void append_check(struct buffer *out, const struct web_check *check)
{
	buffer_append_char(out, '{');
	append_string(out, "name", check->name);
	buffer_append_char(out, ',');
	append_string(out, "state", state_text(check->state));
	append_time(out, check->time_ns);
	buffer_append_char(out, ',');
	append_string(out, "message", check->message ? check->message : "");
	buffer_append_char(out, '}');
}

/* Sends the document and frees it. */
static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, const char *content_type,
			       struct buffer *document)
{
	enum MHD_Result result = MHD_NO;

	if (!buffer_error(document))
		result = web_respond(
			connection, status, content_type,
			MHD_create_response_from_buffer(document->length, document->data, MHD_RESPMEM_MUST_COPY));
	buffer_done(document);
	return result;
}

enum MHD_Result web_page_ready(struct web *web, struct MHD_Connection *connection)
{
	struct web_check checks[WEB_CHECKS_MAX] = { 0 };
	size_t count = ask(web, checks);
	enum web_check_state state = overall(checks, count);
	struct buffer document;

	buffer_init(&document, DOCUMENT_MAX_BYTES);
	buffer_printf(&document, "{\"status\":\"%s\",\"checks\":[", state_text(state));
	for (size_t i = 0; i < count; i++) {
		buffer_append_string(&document, i ? "," : "");
		append_check(&document, &checks[i]);
	}
	buffer_append_string(&document, "]}\n");
	return respond(connection, state == WEB_CHECK_FAIL ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
		       "application/json", &document);
}

enum MHD_Result web_page_live(struct web *web, struct MHD_Connection *connection)
{
	struct buffer document;

	(void)web;
	buffer_init(&document, DOCUMENT_MAX_BYTES);
	buffer_append_string(&document, "{\"status\":\"pass\"}\n");
	return respond(connection, MHD_HTTP_OK, "application/json", &document);
}

enum MHD_Result web_page_healthy_text(struct web *web, struct MHD_Connection *connection)
{
	(void)web;
	return web_respond_text(connection, MHD_HTTP_OK, "sonde is healthy\n");
}

enum MHD_Result web_page_ready_text(struct web *web, struct MHD_Connection *connection)
{
	struct web_check checks[WEB_CHECKS_MAX] = { 0 };

	if (overall(checks, ask(web, checks)) == WEB_CHECK_FAIL)
		return web_respond_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
					"sonde is not ready: /health/ready says why\n");
	return web_respond_text(connection, MHD_HTTP_OK, "sonde is ready\n");
}

static void append_link(struct buffer *out, const char *path, const char *what)
{
	buffer_append_string(out, "<li><a href=\"");
	escape_append(out, path, ESCAPE_HTML);
	buffer_append_string(out, "\">");
	escape_append(out, path, ESCAPE_HTML);
	buffer_printf(out, "</a> %s</li>\n", what);
}

enum MHD_Result web_page_index(struct web *web, struct MHD_Connection *connection)
{
	struct buffer page;

	buffer_init(&page, DOCUMENT_MAX_BYTES);
	buffer_append_string(
		&page,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>sonde</title></head>\n"
		"<body>\n<h1>sonde</h1>\n<p>Version ");
	escape_append(&page, web->config.version, ESCAPE_HTML);
	buffer_append_string(&page, "</p>\n<ul>\n");
	append_link(&page, web->config.telemetry_path, "metrics");
	append_link(&page, "/health/live", "whether it runs");
	append_link(&page, "/health/ready", "whether it works, check by check");
	append_link(&page, "/-/healthy", "whether it runs, in a line");
	append_link(&page, "/-/ready", "whether it works, in a line");
	buffer_append_string(&page, "</ul>\n</body>\n</html>\n");
	return respond(connection, MHD_HTTP_OK, "text/html; charset=utf-8", &page);
}
