/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be hooked in a file, and why not, before anything is hooked: the agent attaches by it, doctor tells it.
 * For load/ only.
 */
#pragma once

#include "load/tls.h"
#include "symbol/elf_file.h"
#include "symbol/go_file.h"

#define TLS_FUNCTIONS_MAX 16 /* of one library */

enum tls_program {
	SSL_READ,
	SSL_WRITE,
	SSL_READ_EX,
	SSL_WRITE_EX,
	SSL_WRITE_EX2,
	SSL_SENDFILE,
	BORING_READ,
	BORING_WRITE,
	GNUTLS_RECEIVE,
	GNUTLS_SEND,
	SESSION_GONE,
	BIO_WRITE,
};

struct tls_function {
	const char *name;
	enum tls_program entry;
	bool returns; /* its return is hooked too */
	bool required;
	bool wrapped; /* where the function before it is there, this one calls that one */
};

struct tls_function_set {
	const struct tls_function *functions;
	size_t count;
};

struct tls_plan {
	struct tls_finding finding;
	const struct tls_function_set *library; /* NULL: Go's, or nothing to hook */
	struct symbol symbols[TLS_FUNCTIONS_MAX];
	struct go_function go[2]; /* Read and Write */
};

/* Where a hook on a function of the file costs least: at its beginning, or where it is the same. */
uint64_t tls_cheap_place(int fd, uint64_t function);
/* Looks into the file. `search`: also for an implementation that has no symbols, among the file's constants. */
void tls_plan_make(int fd, bool search, struct tls_plan *ret_plan);
