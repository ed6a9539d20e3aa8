/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of web share: the server's state, and who does what. web.c owns the loop and the listeners,
 * connections.c the deadlines, request.c the routes, scrape.c the exposition, pages.c the small documents, metrics.c
 * the server's own figures.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "exporters/web/coding.h"
#include "exporters/web/listen.h"
#include "exporters/web/web.h"

#define WEB_CONNECTIONS_MAX 64
#define WEB_RENDER_BOUNDS 7 /* of the histogram of render times */

enum web_phase {
	PHASE_FRESH,   /* accepted; its first request is not complete */
	PHASE_REQUEST, /* being received to its end, answered and sent */
	PHASE_IDLE,    /* kept alive between requests */
	PHASE_CLOSING, /* shut down by us; MHD has still to see it */
};

struct web_connection {
	struct MHD_Connection *connection; /* MHD's; NULL: a free slot */
	int fd;                            /* MHD's */
	enum web_phase phase;
	uint64_t since_ns;
	size_t upload_bytes; /* of this request: thrown away */
	bool is_scrape;      /* counted in scrapes_in_flight */
};

enum web_closed_reason {
	CLOSED_DEADLINE,
	CLOSED_CROWDED, /* idle, and its place was needed */
	CLOSED_REASON_COUNT,
};

enum web_scrape_code {
	SCRAPE_OK,          /* 200 */
	SCRAPE_REFUSED,     /* 400 */
	SCRAPE_NO_MEMORY,   /* 500 */
	SCRAPE_UNAVAILABLE, /* 503 */
	SCRAPE_CODE_COUNT,
};

struct web_figures {
	uint64_t scrapes[SCRAPE_CODE_COUNT][EXPOSITION_FORMATS_MAX];
	uint64_t render_counts[WEB_RENDER_BOUNDS + 1];
	uint64_t render_count;
	double render_seconds;
	uint64_t response_bytes; /* of the last exposition, as sent */
	uint64_t closed[CLOSED_REASON_COUNT];
	uint64_t accept_errors;
};

struct web {
	struct web_config config;
	struct MHD_Daemon *daemon; /* owned */
	int epoll_fd;              /* owned: the listeners, MHD's epoll and the timer */
	int timer_fd;              /* owned */
	struct listener listeners[WEB_LISTENERS_MAX];
	size_t listener_count;
	bool accepting;           /* whether epoll watches the listeners */
	uint64_t accept_after_ns; /* no descriptor was left: not before then */
	struct web_connection connections[WEB_CONNECTIONS_MAX];
	size_t connection_count;
	size_t scrapes_in_flight;
	size_t response_bytes_held; /* allocated for expositions that are being sent */
	struct buffer chunk;        /* what is rendered and not yet compressed */
	struct gzip_writer gzip;
	struct buffer spare; /* the last response's memory, for the next one */
	struct web_figures figures;
};

/* connections.c */
void web_connection_notify(void *web, struct MHD_Connection *connection, void **slot,
			   enum MHD_ConnectionNotificationCode code);
void web_connection_enter(struct web *web, struct web_connection *slot, enum web_phase phase);
/* Ends what is over its time. Returns when the next one will be, 0 when there is none. */
uint64_t web_connections_sweep(struct web *web);
/* Ends the connection that has been idle longest, to make room. */
void web_connections_evict(struct web *web);

/* request.c */
enum MHD_Result web_request(void *web, struct MHD_Connection *connection, const char *url, const char *method,
			    const char *version, const char *upload_data, size_t *upload_data_size, void **request);
void web_request_completed(void *web, struct MHD_Connection *connection, void **request,
			   enum MHD_RequestTerminationCode code);
/* Queues the response and lets go of it; MHD_NO (which ends the connection) when there was no memory for it. */
enum MHD_Result web_respond(struct MHD_Connection *connection, unsigned int status, const char *content_type,
			    struct MHD_Response *response);
/* The same for a constant text. */
enum MHD_Result web_respond_text(struct MHD_Connection *connection, unsigned int status, const char *text);

/* pages.c */
enum MHD_Result web_page_index(struct web *web, struct MHD_Connection *connection);
enum MHD_Result web_page_live(struct web *web, struct MHD_Connection *connection);
enum MHD_Result web_page_ready(struct web *web, struct MHD_Connection *connection);
enum MHD_Result web_page_healthy_text(struct web *web, struct MHD_Connection *connection);
enum MHD_Result web_page_ready_text(struct web *web, struct MHD_Connection *connection);

/* scrape.c */
enum MHD_Result web_scrape(struct web *web, struct MHD_Connection *connection, struct web_connection *slot);

/* metrics.c */
void web_figures_render(struct web_figures *figures, uint64_t duration_ns);
