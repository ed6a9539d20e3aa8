/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when something is to be exported: with all it depends on it costs 6 MB of resident memory and thirty
 * mappings, which an agent that only answers scrapes shall not pay.
 */
#pragma once

#include <curl/curl.h>

#include "base/cleanup.h"
#include "exporters/exporter.h"

/* As in curl/curl.h and curl/multi.h. */
struct curl_library {
	void *handle;
	CURLcode (*global_init)(long flags);
	void (*global_cleanup)(void);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
	const char *(*easy_strerror)(CURLcode code);
	void (*easy_cleanup)(CURL *easy);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_socket_action)(CURLM *multi, curl_socket_t socket, int events, int *running);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	CURLMcode (*multi_cleanup)(CURLM *multi);
};

/* -ENOENT when there is none, -ENOSYS when it lacks something. */
MUST_CHECK int curl_library_load(struct curl_library *ret_library, struct exporter_error *ret_error);
void curl_library_unload(struct curl_library *library);
