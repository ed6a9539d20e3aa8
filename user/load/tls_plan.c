/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which functions of which library are hooked by which program. A file is hooked as a whole or not at all: reads
 * without writes would be requests without responses.
 */
#include "load/tls_plan.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "symbol/elf_debug.h"
#include "symbol/go_binary.h"
#include "symbol/tls_marks.h"
#include "symbol/x86_code.h"

#define SEARCH_BYTES (64ULL << 20) /* of one file's constants */
#define CALLER_BYTES 1024          /* of a function that may call another */

enum {
	AT_READ,
	AT_WRITE,
	AT_READ_EX,
	AT_WRITE_EX,
	AT_WRITE_EX2,
};

/* OpenSSL since 1.1.0; the _ex forms came with 1.1.1, SSL_write_ex2, which SSL_write_ex calls, with 3.3. SSL_peek is
 * its own function and is not hooked: what it shows is read again. */
static const struct tls_function openssl[] = {
	[AT_READ] = { .name = "SSL_read", .entry = SSL_READ, .returns = true, .required = true },
	[AT_WRITE] = { .name = "SSL_write", .entry = SSL_WRITE, .returns = true, .required = true },
	[AT_READ_EX] = { .name = "SSL_read_ex", .entry = SSL_READ_EX, .returns = true },
	[AT_WRITE_EX] = { .name = "SSL_write_ex", .entry = SSL_WRITE_EX, .returns = true },
	[AT_WRITE_EX2] = { .name = "SSL_write_ex2", .entry = SSL_WRITE_EX2, .returns = true },
	{ .name = "SSL_sendfile", .entry = SSL_SENDFILE, .returns = true }, /* since 3.0 */
	{ .name = "SSL_free", .entry = SESSION_GONE, .required = true },
	{ .name = "SSL_clear", .entry = SESSION_GONE },
	/* In the same file only where OpenSSL is linked into a program: event loops with BIOs of their own (Node). */
	{ .name = "BIO_write", .entry = BIO_WRITE },
};

/* The same names in BoringSSL and AWS-LC, and in whatever does not prove to be OpenSSL: nothing is known of where their
 * objects' fields lie. */
static const struct tls_function boring[] = {
	{ .name = "SSL_read", .entry = BORING_READ, .returns = true, .required = true },
	{ .name = "SSL_write", .entry = BORING_WRITE, .returns = true, .required = true },
	{ .name = "SSL_free", .entry = SESSION_GONE, .required = true },
	{ .name = "SSL_clear", .entry = SESSION_GONE },
	{ .name = "BIO_write", .entry = BIO_WRITE },
};

/* GnuTLS 3: gnutls_record_send2 came with 3.6.3, and everything that sends calls it since. */
static const struct tls_function gnutls[] = {
	{ .name = "gnutls_record_recv", .entry = GNUTLS_RECEIVE, .returns = true, .required = true },
	{ .name = "gnutls_record_recv_seq", .entry = GNUTLS_RECEIVE, .returns = true },
	{ .name = "gnutls_record_send2", .entry = GNUTLS_SEND, .returns = true },
	{ .name = "gnutls_record_send", .entry = GNUTLS_SEND, .returns = true, .required = true, .wrapped = true },
	{ .name = "gnutls_deinit", .entry = SESSION_GONE, .required = true },
};

/* rustls on AWS-LC, one call for each record. In AWS-LC `open` calls `open_gather` for all ciphers of TLS, and `free`
 * calls `cleanup`. */
static const struct tls_function records[] = {
	{ .name = "EVP_AEAD_CTX_seal", .entry = RECORD_SEAL, .returns = true, .required = true },
	{ .name = "EVP_AEAD_CTX_seal_scatter", .entry = RECORD_SEAL_SCATTER, .returns = true, .required = true },
	{ .name = "EVP_AEAD_CTX_open_gather", .entry = RECORD_OPEN_GATHER, .returns = true, .required = true },
	{ .name = "EVP_AEAD_CTX_open", .entry = RECORD_OPEN, .returns = true, .calls = true },
	{ .name = "EVP_AEAD_CTX_cleanup", .entry = SESSION_GONE, .required = true },
	{ .name = "EVP_AEAD_CTX_free", .entry = SESSION_GONE, .calls = true },
};

#define LIBRARY(all)                                                                          \
	{                                                                                     \
		.functions = (all), .count = sizeof(all) / sizeof((all)[0]), .records = false \
	}

enum {
	OPENSSL,
	BORING,
	GNUTLS,
	RECORDS,
	LIBRARY_COUNT,
};

static const struct tls_function_set libraries[LIBRARY_COUNT] = {
	[OPENSSL] = LIBRARY(openssl),
	[BORING] = LIBRARY(boring),
	[GNUTLS] = LIBRARY(gnutls),
	[RECORDS] = { .functions = records, .count = sizeof(records) / sizeof(records[0]), .records = true },
};

_Static_assert(sizeof(openssl) / sizeof(openssl[0]) <= TLS_FUNCTIONS_MAX, "functions of one library");
_Static_assert(sizeof(boring) / sizeof(boring[0]) <= TLS_FUNCTIONS_MAX, "functions of one library");
_Static_assert(sizeof(gnutls) / sizeof(gnutls[0]) <= TLS_FUNCTIONS_MAX, "functions of one library");
_Static_assert(sizeof(records) / sizeof(records[0]) <= TLS_FUNCTIONS_MAX, "functions of one library");

/* What is among a file's constants, looked for once, if at all: it takes milliseconds for each 10 MB. */
struct constants {
	int fd;
	bool searched;
	uint32_t marks;
};

static uint32_t search_constants(struct constants *constants)
{
	if (!constants->searched && tls_marks_of_file(constants->fd, SEARCH_BYTES, &constants->marks))
		constants->marks = 0; /* not an ELF file, or one that cannot be read: nothing is known of it */
	constants->searched = true;
	return constants->marks;
}

static bool has_library(const struct tls_function_set *library, const struct symbol *symbols)
{
	for (size_t i = 0; i < library->count; i++)
		if (library->functions[i].required && !symbols[i].offset)
			return false;
	return true;
}

static void take_library(struct tls_plan *plan, int which, const struct symbol *symbols, enum tls_brand brand)
{
	struct tls_planned *planned = &plan->planned[plan->count++];

	planned->library = &libraries[which];
	memcpy(planned->symbols, symbols, libraries[which].count * sizeof(*symbols));
	plan->finding = (struct tls_finding){ .brand = brand, .state = TLS_FILE_READ };
}

struct code {
	uint8_t bytes[X86_LOOK_BYTES];
	size_t length;
};

static bool is_amd64(int fd)
{
	Elf64_Ehdr header;

	return pread(fd, &header, sizeof(header), 0) == sizeof(header) && header.e_machine == EM_X86_64;
}

static struct code code_at(int fd, uint64_t offset)
{
	struct code code = { 0 };
	ssize_t length = offset ? pread(fd, code.bytes, sizeof(code.bytes), (off_t)offset) : 0;

	code.length = length > 0 ? (size_t)length : 0;
	return code;
}

/* The function that both of these call, which has the arguments of `form`: ssl_read_internal, ssl_write_internal. 0:
 * there is no such function, or hooks on it are not cheaper. */
static uint64_t inner_of(int fd, const struct symbol *form, const struct symbol *other)
{
	struct code code = code_at(fd, form->offset), inner;
	int64_t distance = x86_inner(code.bytes, code.length);
	uint64_t target = form->offset + (uint64_t)distance;

	if (!distance)
		return 0;
	code = code_at(fd, other->offset);
	if (!x86_calls(code.bytes, code.length, (int64_t)(target - other->offset)))
		return 0;
	inner = code_at(fd, target);
	return x86_cheap(inner.bytes, inner.length) ? target : 0;
}

/* Where a hook costs less: OpenSSL's functions mostly begin with what the kernel cannot emulate, and what they call
 * with a push. */
static void take_inner(int fd, struct symbol *symbols, bool amd64)
{
	size_t writes = symbols[AT_WRITE_EX2].offset ? AT_WRITE_EX2 : AT_WRITE_EX;
	uint64_t reads_at = amd64 ? inner_of(fd, &symbols[AT_READ_EX], &symbols[AT_READ]) : 0;
	uint64_t writes_at = amd64 ? inner_of(fd, &symbols[writes], &symbols[AT_WRITE]) : 0;

	if (reads_at) {
		symbols[AT_READ].offset = 0;
		symbols[AT_READ_EX].offset = reads_at;
	}
	if (writes_at) {
		symbols[AT_WRITE].offset = 0;
		symbols[AT_WRITE_EX].offset = 0;
		symbols[writes].offset = writes_at;
	} else {
		/* SSL_write_ex, which calls it, is hooked. */
		symbols[AT_WRITE_EX2].offset = 0;
	}
}

uint64_t tls_cheap_place(int fd, uint64_t function)
{
	struct code code = code_at(fd, is_amd64(fd) ? function : 0);

	return function + x86_entry(code.bytes, code.length);
}

/* OpenSSL's names, whose code? */
static void plan_openssl(struct constants *constants, struct tls_plan *plan, const struct symbol *as_openssl,
			 const struct symbol *as_boring)
{
	enum tls_brand brand = tls_brand_of_marks(search_constants(constants));

	if (brand == TLS_BRAND_OPENSSL)
		take_library(plan, OPENSSL, as_openssl, brand);
	else
		take_library(plan, BORING, as_boring, brand == TLS_BRAND_COUNT ? TLS_BRAND_OTHER : brand);
}

/* Many programs encrypt by these functions: they are hooked only where rustls is. Of a program that has a libssl, too,
 * that one is told. */
static void plan_records(struct constants *constants, struct tls_plan *plan, const struct symbol *symbols)
{
	struct tls_finding known = plan->finding;

	if (!has_library(&libraries[RECORDS], symbols) ||
	    !tls_marks_have(search_constants(constants), TLS_BRAND_RUSTLS))
		return;
	take_library(plan, RECORDS, symbols, TLS_BRAND_RUSTLS);
	if (known.state == TLS_FILE_READ)
		plan->finding = known;
}

/* Those that call the one before them: its hook sees their calls. */
static void drop_callers(int fd, struct tls_planned *planned, bool amd64)
{
	uint8_t code[CALLER_BYTES];

	for (size_t i = 1; i < planned->library->count && amd64; i++) {
		struct symbol *symbol = &planned->symbols[i];
		ssize_t length = 0;

		if (planned->library->functions[i].calls && symbol->offset)
			length = pread(fd, code, symbol->size < sizeof(code) ? symbol->size : sizeof(code),
				       (off_t)symbol->offset);
		if (length > 0 && x86_calls(code, (size_t)length, (int64_t)(symbol[-1].offset - symbol->offset)))
			symbol->offset = 0;
	}
}

static void take_found(struct constants *constants, struct tls_plan *plan, const struct symbol *const *of)
{
	int fd = constants->fd;

	if (has_library(&libraries[OPENSSL], of[OPENSSL]))
		plan_openssl(constants, plan, of[OPENSSL], of[BORING]);
	else if (has_library(&libraries[GNUTLS], of[GNUTLS]))
		take_library(plan, GNUTLS, of[GNUTLS], TLS_BRAND_GNUTLS);
	plan_records(constants, plan, of[RECORDS]);
	for (size_t i = 0; i < plan->count; i++) {
		struct tls_planned *planned = &plan->planned[i];

		if (planned->library == &libraries[OPENSSL])
			take_inner(fd, planned->symbols, is_amd64(fd));
		drop_callers(fd, planned, is_amd64(fd));
		for (size_t j = 0; j < planned->library->count; j++)
			planned->symbols[j].offset = tls_cheap_place(fd, planned->symbols[j].offset);
	}
}

/* Symbols that are not in the file itself are looked for only where there is something to find. */
static bool find_stripped(struct constants *constants, struct symbol *symbols, size_t count)
{
	return elf_debug_exists(constants->fd, ELF_DEBUG_FOLDER) &&
	       tls_brand_of_marks(search_constants(constants)) != TLS_BRAND_COUNT &&
	       !elf_debug_find_symbols(constants->fd, ELF_DEBUG_FOLDER, symbols, count);
}

static bool plan_by_symbols(struct constants *constants, struct tls_plan *plan)
{
	struct symbol symbols[LIBRARY_COUNT * TLS_FUNCTIONS_MAX] = { 0 };
	const struct symbol *of[LIBRARY_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < LIBRARY_COUNT; i++) {
		of[i] = &symbols[count];
		for (size_t j = 0; j < libraries[i].count; j++)
			symbols[count++] = (struct symbol){ .name = libraries[i].functions[j].name,
							    .prefixed = libraries[i].records };
	}
	if (elf_find_symbols(constants->fd, symbols, count))
		return false;
	for (int round = 0; round < 2 && !plan->count; round++) {
		if (round && !find_stripped(constants, symbols, count))
			break;
		take_found(constants, plan, of);
	}
	return plan->count > 0;
}

static bool plan_go(int fd, struct tls_plan *plan)
{
	int error;

	plan->go[0].name = "crypto/tls.(*Conn).Read";
	plan->go[1].name = "crypto/tls.(*Conn).Write";
	error = go_find_functions(fd, plan->go, 2);
	if (error == -ENOTSUP)
		plan->finding = (struct tls_finding){ .brand = TLS_BRAND_GO, .state = TLS_FILE_GO_RETURNS };
	else if (!error && plan->go[0].offset && plan->go[1].offset)
		plan->finding = (struct tls_finding){ .brand = TLS_BRAND_GO, .state = TLS_FILE_READ };
	return !error || error == -ENOTSUP;
}

static bool is_go(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return go_binary(path, NULL, 0);
}

void tls_plan_make(int fd, bool search, struct tls_plan *ret_plan)
{
	struct constants constants = { .fd = fd };
	enum tls_brand brand;
	uint32_t marks;

	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->finding.brand = TLS_BRAND_COUNT;
	if (plan_by_symbols(&constants, ret_plan) || plan_go(fd, ret_plan) || !search)
		return;
	marks = search_constants(&constants);
	brand = tls_brand_of_marks(marks);
	if (brand == TLS_BRAND_COUNT)
		return;
	ret_plan->finding.brand = brand;
	if (is_go(fd))
		ret_plan->finding = (struct tls_finding){ .brand = TLS_BRAND_GO, .state = TLS_FILE_GO_OLD };
	else if (brand == TLS_BRAND_OPENSSL || brand == TLS_BRAND_BORINGSSL || brand == TLS_BRAND_AWS_LC ||
		 brand == TLS_BRAND_GNUTLS || (brand == TLS_BRAND_RUSTLS && tls_marks_have(marks, TLS_BRAND_AWS_LC)))
		ret_plan->finding.state = TLS_FILE_NO_SYMBOLS;
	else
		ret_plan->finding.state = TLS_FILE_NOT_KNOWN;
}
