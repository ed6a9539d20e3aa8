/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both flavours of Debian's libcurl have one interface; OpenSSL's is the one that most machines have.
 */
#include "exporters/otlp/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

struct symbol {
	const char *name;
	size_t offset;
};

#define SYMBOL(member)                                                 \
	{                                                              \
		"curl_" #member, offsetof(struct curl_library, member) \
	}

static const struct symbol symbols[] = {
	SYMBOL(global_init),         SYMBOL(global_cleanup),      SYMBOL(easy_init),       SYMBOL(easy_setopt),
	SYMBOL(easy_getinfo),        SYMBOL(easy_strerror),       SYMBOL(easy_cleanup),    SYMBOL(slist_append),
	SYMBOL(slist_free_all),      SYMBOL(multi_init),          SYMBOL(multi_setopt),    SYMBOL(multi_add_handle),
	SYMBOL(multi_remove_handle), SYMBOL(multi_socket_action), SYMBOL(multi_info_read), SYMBOL(multi_cleanup),
};

static int find_symbols(struct curl_library *library, struct exporter_error *ret_error)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library->handle, symbols[i].name);

		if (!symbol) {
			snprintf(ret_error->text, sizeof(ret_error->text),
				 "libcurl has no %s: install libcurl 7.68 or newer", symbols[i].name);
			return -ENOSYS;
		}
		memcpy((char *)library + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

int curl_library_load(struct curl_library *ret_library, struct exporter_error *ret_error)
{
	struct curl_library library = { 0 };
	int error;

	for (size_t i = 0; !library.handle && i < sizeof(names) / sizeof(names[0]); i++)
		library.handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library.handle) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "cannot export: libcurl.so.4 is not on this machine: install libcurl4");
		return -ENOENT;
	}
	error = find_symbols(&library, ret_error);
	if (!error && library.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		snprintf(ret_error->text, sizeof(ret_error->text), "cannot export: libcurl does not start");
		error = -ENOSYS;
	}
	if (error) {
		dlclose(library.handle);
		return error;
	}
	*ret_library = library;
	return 0;
}

void curl_library_unload(struct curl_library *library)
{
	if (!library->handle)
		return;
	library->global_cleanup();
	dlclose(library->handle);
	library->handle = NULL;
}
