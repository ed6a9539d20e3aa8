/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl inside our epoll (libcurl's multi interface, "multi_socket"): it names the sockets to watch and the time to
 * be called again, and works only when we call it. It waits for nothing; names are resolved in a thread of its own.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "exporters/otlp/internal.h"

#define EVENTS_MAX 16
#define ROUNDS_MAX 8 /* of events in one run: the rest waits for the loop's next round */

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
	struct otlp *otlp = ctx;
	struct epoll_event event = { .data.fd = socket };

	(void)easy;
	(void)socket_ctx;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(otlp->epoll_fd, EPOLL_CTL_DEL, socket, NULL); /* may be closed already */
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (!epoll_ctl(otlp->epoll_fd, EPOLL_CTL_MOD, socket, &event))
		return 0;
	return errno == ENOENT && !epoll_ctl(otlp->epoll_fd, EPOLL_CTL_ADD, socket, &event) ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct otlp *otlp = ctx;

	(void)multi;
	otlp->curl_ns = timeout_ms < 0 ? 0 :
					 otlp->config.now_ns(otlp->config.ctx) + (uint64_t)timeout_ms * NS_PER_MS + 1;
	return 0;
}

bool transfer_init(struct otlp *otlp)
{
	const struct curl_library *curl = &otlp->curl;

	otlp->multi = curl->multi_init();
	if (!otlp->multi)
		return false;
	return !curl->multi_setopt(otlp->multi, CURLMOPT_SOCKETFUNCTION, on_socket) &&
	       !curl->multi_setopt(otlp->multi, CURLMOPT_SOCKETDATA, otlp) &&
	       !curl->multi_setopt(otlp->multi, CURLMOPT_TIMERFUNCTION, on_timer) &&
	       !curl->multi_setopt(otlp->multi, CURLMOPT_TIMERDATA, otlp) &&
	       !curl->multi_setopt(otlp->multi, CURLMOPT_MAXCONNECTS, (long)OTLP_SIGNAL_COUNT);
}

static void finish_ready(struct otlp *otlp)
{
	CURLMsg *message;
	int left;

	while ((message = otlp->curl.multi_info_read(otlp->multi, &left))) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result; /* the message is gone once another function is called */

		if (message->msg != CURLMSG_DONE)
			continue;
		for (int signal = 0; signal < OTLP_SIGNAL_COUNT; signal++)
			if (otlp->calls[signal].easy == easy)
				call_finished(otlp, (enum otlp_signal)signal, code);
	}
}

static int act_on_sockets(struct otlp *otlp)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(otlp->epoll_fd, events, EVENTS_MAX, 0), acted = 0, running;

	for (int i = 0; i < count; i++) {
		int what = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP) ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);

		if (events[i].data.fd == otlp->timer_fd)
			continue;
		(void)otlp->curl.multi_socket_action(otlp->multi, events[i].data.fd, what, &running);
		acted++;
	}
	return acted;
}

void transfer_run(struct otlp *otlp)
{
	int running, rounds = 0;

	while (act_on_sockets(otlp) > 0 && ++rounds < ROUNDS_MAX)
		;
	if (otlp->curl_ns && otlp->curl_ns <= otlp->config.now_ns(otlp->config.ctx)) {
		otlp->curl_ns = 0;
		(void)otlp->curl.multi_socket_action(otlp->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	finish_ready(otlp);
}

void transfer_done(struct otlp *otlp)
{
	if (otlp->multi)
		(void)otlp->curl.multi_cleanup(otlp->multi);
	otlp->multi = NULL;
}
