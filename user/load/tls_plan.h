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
	RECORD_SEAL,
	RECORD_SEAL_SCATTER,
	RECORD_OPEN,
	RECORD_OPEN_GATHER,
};

struct tls_function {
	const char *name;
	enum tls_program entry;
	bool returns; /* its return is hooked too */
	bool required;
	bool wrapped; /* where the function before it is there, this one calls that one */
	bool calls;   /* where its code shows that it calls the one before it, that one is enough */
};

struct tls_function_set {
	const struct tls_function *functions;
	size_t count;
	bool records; /* they encrypt and decrypt records (bpf/tls_aead.h); names may have AWS-LC's prefix */
};

struct tls_planned {
	const struct tls_function_set *library;
	struct symbol symbols[TLS_FUNCTIONS_MAX];
};

#define TLS_PLANNED_MAX 2 /* AWS-LC's libssl, and rustls on its libcrypto */

struct tls_plan {
	struct tls_finding finding;
	struct tls_planned planned[TLS_PLANNED_MAX];
	size_t count;             /* of planned; 0: Go's, or nothing to hook */
	struct go_function go[2]; /* Read and Write */
};

/* Where a hook on a function of the file costs least: at its beginning, or where it is the same. */
uint64_t tls_cheap_place(int fd, uint64_t function);
/* Looks into the file. `search`: also for an implementation that has no symbols, among the file's constants. */
void tls_plan_make(int fd, bool search, struct tls_plan *ret_plan);
