/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scrape: negotiate, refresh, render (through gzip), send. A response owns its memory while it is sent, which a
 * slow client can draw out; so the bytes held by all responses have a limit, and one response's memory, if it is small,
 * is kept for the next scrape instead of being asked for again.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exporters/web/internal.h"

#define HELD_MAX_BYTES ((size_t)64 << 20)  /* by all responses together */
#define CHUNK_MAX_BYTES ((size_t)64 << 20) /* a family that cannot be cut (protobuf) */
#define KEEP_MAX_BYTES ((size_t)1 << 20)   /* between scrapes, of each buffer */
#define FLUSH_BYTES ((size_t)32 << 10)
#define FIELD_SIZE 1024 /* of Accept and of Accept-Encoding: what is longer is cut */

/* A response's content. Freed by MHD when it was sent, or could not be. */
struct scrape_body {
	struct web *web;
	struct buffer buffer;
	size_t held; /* bytes counted in response_bytes_held */
};

static void keep_or_free(struct buffer *buffer, struct buffer *place)
{
	bool large = buffer->capacity > KEEP_MAX_BYTES;

	if (!place->data && !large) {
		*place = *buffer;
		buffer_reset(place);
		return;
	}
	buffer_done(buffer);
	/* After the first large block is freed glibc takes the next ones from the heap (its dynamic mmap threshold),
	 * and keeps them there: 7 MB, measured after two scrapes of that size. */
	if (large)
		malloc_trim(0);
}

static void body_free(void *ctx)
{
	struct scrape_body *body = ctx;

	body->web->response_bytes_held -= body->held;
	keep_or_free(&body->buffer, &body->web->spare);
	free(body);
}

static struct scrape_body *body_new(struct web *web)
{
	struct scrape_body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->web = web;
	body->buffer = web->spare;
	body->buffer.limit = HELD_MAX_BYTES - web->response_bytes_held;
	buffer_init(&web->spare, 0);
	return body;
}

/* A list field may come in several lines, which mean the same as one joined by commas (RFC 9110 section 5.3). */
struct joined_field {
	const char *name;
	char text[FIELD_SIZE];
};

static enum MHD_Result join_line(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct joined_field *field = ctx;
	size_t used = strlen(field->text);

	(void)kind;
	if (value && !strcasecmp(name, field->name) && used < sizeof(field->text))
		snprintf(field->text + used, sizeof(field->text) - used, "%s%s", used ? "," : "", value);
	return MHD_YES;
}

static void join_field(struct MHD_Connection *connection, const char *name, struct joined_field *ret_field)
{
	*ret_field = (struct joined_field){ .name = name };
	MHD_get_connection_values(connection, MHD_HEADER_KIND, join_line, ret_field);
}

static int render_gzip(struct web *web, struct exposition_choice choice, struct buffer *out)
{
	struct exposition_output output = {
		.buffer = &web->chunk,
		.flush_bytes = FLUSH_BYTES,
		.flush = gzip_flush,
		.ctx = &web->gzip,
	};
	struct buffer none = { 0 };
	int error = gzip_begin(&web->gzip, out);

	if (error)
		return error;
	web->chunk.limit = CHUNK_MAX_BYTES;
	error = web->config.exposition->render(choice, web->config.snapshot, &output);
	if (!error)
		error = gzip_flush(&web->gzip, &web->chunk);
	if (!error)
		error = gzip_finish(&web->gzip);
	keep_or_free(&web->chunk, &none);
	web->chunk = none;
	return error;
}

/* collect[]=NAME and exclude[]=NAME, as node_exporter has them. */
struct wanted {
	struct snapshot_filter filter;
	const char *problem; /* NULL: none */
};

static enum MHD_Result take_argument(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct wanted *wanted = ctx;
	struct snapshot_filter *filter = &wanted->filter;
	bool exclude = !strcmp(name, "exclude[]");

	(void)kind;
	if (!value || (!exclude && strcmp(name, "collect[]") != 0))
		return MHD_YES;
	if (filter->count && filter->exclude != exclude)
		wanted->problem = "collect[] and exclude[] cannot be given together\n";
	else if (filter->count == SNAPSHOT_NAMES_MAX)
		wanted->problem = "too many collectors are named\n";
	else
		filter->names[filter->count++] = value;
	filter->exclude = exclude;
	return wanted->problem ? MHD_NO : MHD_YES;
}

/* True when the snapshot has what the request asks for; else the answer was queued, into ret_result. */
static bool refresh(struct web *web, struct MHD_Connection *connection, struct exposition_choice choice,
		    enum MHD_Result *ret_result)
{
	const struct snapshot *snapshot = web->config.snapshot;
	struct wanted wanted = { 0 };
	struct MHD_Response *response;
	char text[256] = "";
	int error = 0;

	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_argument, &wanted);
	if (wanted.problem)
		snprintf(text, sizeof(text), "%s", wanted.problem);
	else if (snapshot->refresh)
		error = snapshot->refresh(snapshot->refresh_ctx, &wanted.filter, text, sizeof(text));
	if (!error && !wanted.problem)
		return true;
	web->figures.scrapes[SCRAPE_REFUSED][choice.format]++;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
	*ret_result = web_respond(connection, MHD_HTTP_BAD_REQUEST, "text/plain; charset=utf-8", response);
	return false;
}

static int render(struct web *web, struct exposition_choice choice, bool gzip, struct buffer *out)
{
	const struct exposition_output output = { .buffer = out };
	const struct snapshot *snapshot = web->config.snapshot;
	uint64_t start;
	int error;

	start = web->config.now_ns(web->config.ctx);
	if (gzip)
		error = render_gzip(web, choice, out);
	else
		error = web->config.exposition->render(choice, snapshot, &output);
	web_figures_render(&web->figures, web->config.now_ns(web->config.ctx) - start);
	return error;
}

static enum MHD_Result refuse(struct web *web, struct MHD_Connection *connection, struct exposition_choice choice,
			      enum web_scrape_code code, const char *text)
{
	unsigned int status = code == SCRAPE_UNAVAILABLE ? MHD_HTTP_SERVICE_UNAVAILABLE :
							   MHD_HTTP_INTERNAL_SERVER_ERROR;

	web->figures.scrapes[code][choice.format]++;
	return web_respond_text(connection, status, text);
}

static enum MHD_Result send_body(struct web *web, struct MHD_Connection *connection, struct exposition_choice choice,
				 bool gzip, struct scrape_body *body)
{
	char content_type[EXPOSITION_CONTENT_TYPE_SIZE];
	struct MHD_Response *response;

	body->held = body->buffer.capacity;
	web->response_bytes_held += body->held;
	response = MHD_create_response_from_buffer_with_free_callback_cls(body->buffer.length, body->buffer.data,
									  body_free, body);
	if (!response) {
		body_free(body);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") != MHD_YES ||
	    (gzip && MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") != MHD_YES)) {
		MHD_destroy_response(response);
		return MHD_NO;
	}
	web->figures.scrapes[SCRAPE_OK][choice.format]++;
	web->figures.response_bytes = body->buffer.length;
	web->config.exposition->content_type(choice, content_type);
	return web_respond(connection, MHD_HTTP_OK, content_type, response);
}

enum MHD_Result web_scrape(struct web *web, struct MHD_Connection *connection, struct web_connection *slot)
{
	struct joined_field accept, accept_encoding;
	struct exposition_choice choice;
	enum MHD_Result result;
	struct scrape_body *body;
	bool gzip;
	int error;

	join_field(connection, MHD_HTTP_HEADER_ACCEPT, &accept);
	join_field(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING, &accept_encoding);
	choice = web->config.exposition->negotiate(accept.text);
	gzip = coding_wants_gzip(accept_encoding.text);
	if (web->scrapes_in_flight >= web->config.max_requests)
		return refuse(web, connection, choice, SCRAPE_UNAVAILABLE,
			      "too many scrapes in flight: web.max-requests\n");
	if (!refresh(web, connection, choice, &result))
		return result;
	slot->is_scrape = true;
	web->scrapes_in_flight++;
	body = body_new(web);
	if (!body)
		return refuse(web, connection, choice, SCRAPE_NO_MEMORY, "out of memory\n");
	error = render(web, choice, gzip, &body->buffer);
	if (!error)
		return send_body(web, connection, choice, gzip, body);
	body_free(body);
	if (error == -ENOBUFS && web->response_bytes_held)
		return refuse(web, connection, choice, SCRAPE_UNAVAILABLE, "too many bytes of responses in flight\n");
	if (error == -ENOBUFS)
		return refuse(web, connection, choice, SCRAPE_NO_MEMORY,
			      "exposition too large: accept gzip, or lower metrics.series-limit\n");
	return refuse(web, connection, choice, SCRAPE_NO_MEMORY, "exposition failed: out of memory\n");
}
