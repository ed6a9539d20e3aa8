/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to the page that answers it. GET and HEAD (RFC 9110 section 9.3; MHD leaves the content of a HEAD's
 * response out); 405 with Allow for other methods (section 15.5.6), 404 for other paths. What clients upload is thrown
 * away as it comes.
 */
#include <string.h>

#include "exporters/web/internal.h"

#define UPLOAD_MAX_BYTES ((size_t)1 << 20) /* read and ignored, so that the client gets to read our answer */

#define TEXT_PLAIN "text/plain; charset=utf-8"

enum MHD_Result web_respond(struct MHD_Connection *connection, unsigned int status, const char *content_type,
			    struct MHD_Response *response)
{
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) == MHD_YES &&
	    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response); /* the queue holds its own reference */
	return result;
}

static struct MHD_Response *constant(const char *text)
{
	/* The cast is for MHD's interface: persistent memory is only read. */
	return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result web_respond_text(struct MHD_Connection *connection, unsigned int status, const char *text)
{
	return web_respond(connection, status, TEXT_PLAIN, constant(text));
}

static enum MHD_Result method_not_allowed(struct MHD_Connection *connection)
{
	struct MHD_Response *response = constant("method not allowed: GET and HEAD are\n");

	if (response && MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") != MHD_YES) {
		MHD_destroy_response(response);
		return MHD_NO;
	}
	return web_respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT_PLAIN, response);
}

typedef enum MHD_Result (*page)(struct web *web, struct MHD_Connection *connection);

static const struct {
	const char *path;
	page answer;
} pages[] = {
	{ "/", web_page_index },
	{ "/health/live", web_page_live },
	{ "/health/ready", web_page_ready },
	{ "/-/healthy", web_page_healthy_text },
	{ "/-/ready", web_page_ready_text },
};

static page find_page(const char *url)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(url, pages[i].path))
			return pages[i].answer;
	return NULL;
}

static enum MHD_Result answer(struct web *web, struct MHD_Connection *connection, struct web_connection *slot,
			      const char *url, const char *method)
{
	bool is_scrape = !strcmp(url, web->config.telemetry_path);
	page page_answer = find_page(url);

	if (!is_scrape && !page_answer)
		return web_respond_text(connection, MHD_HTTP_NOT_FOUND, "not found: / has links to what there is\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return method_not_allowed(connection);
	if (is_scrape) /* first: it may have been configured to be "/" */
		return web_scrape(web, connection, slot);
	return page_answer(web, connection);
}

/* MHD calls once when the head is there, then for every piece of content, then once more for the answer. */
enum MHD_Result web_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
			    const char *version, const char *upload_data, size_t *upload_data_size, void **request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct web_connection *slot = info ? info->socket_context : NULL;
	struct web *web = ctx;

	(void)version;
	(void)upload_data;
	if (!slot)
		return MHD_NO;
	if (!*request) {
		*request = slot;
		slot->upload_bytes = 0;
		web_connection_enter(web, slot, PHASE_REQUEST);
		return MHD_YES;
	}
	if (*upload_data_size) {
		slot->upload_bytes += *upload_data_size;
		*upload_data_size = 0;
		return slot->upload_bytes <= UPLOAD_MAX_BYTES ? MHD_YES : MHD_NO;
	}
	return answer(web, connection, slot, url, method);
}

void web_request_completed(void *ctx, struct MHD_Connection *connection, void **request,
			   enum MHD_RequestTerminationCode code)
{
	struct web_connection *slot = *request;
	struct web *web = ctx;

	(void)connection;
	(void)code;
	if (!slot)
		return;
	*request = NULL;
	if (slot->is_scrape) {
		slot->is_scrape = false;
		web->scrapes_in_flight--;
	}
	if (slot->phase == PHASE_REQUEST)
		web_connection_enter(web, slot, PHASE_IDLE);
}
