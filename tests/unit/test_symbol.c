/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols: the place of a function in a file is where its code is, by the test's own executable; returns of Go
 * functions are told from other bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "symbol/elf_debug.h"
#include "symbol/elf_file.h"
#include "symbol/go_file.h"
#include "symbol/tls_marks.h"

/* Not static: it is looked for by name. */
int symbol_test_function(int value);

__attribute__((noinline)) int symbol_test_function(int value)
{
	return value * 31 + 7;
}

static void a_function_lies_where_its_code_is(void **state)
{
	struct symbol symbols[] = { { .name = "symbol_test_function" }, { .name = "symbol_that_is_not_there" } };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t code[16];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(symbol_test_function(1), 38);
	assert_int_equal(elf_find_symbols(fd, symbols, 2), 0);
	assert_int_not_equal(symbols[0].offset, 0);
	assert_int_equal(symbols[1].offset, 0);
	assert_int_equal(pread(fd, code, sizeof(code), (off_t)symbols[0].offset), sizeof(code));
	assert_memory_equal(code, (const void *)(uintptr_t)symbol_test_function, sizeof(code));
	close(fd);
}

/* Only the file that the build-id names is asked, and it tells where the code of this program lies. */
static void symbols_of_another_file(void **state)
{
	struct symbol symbols[] = { { .name = "symbol_test_function" }, { .name = "symbol_that_is_not_there" } };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), none = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_false(elf_debug_exists(fd, "/nowhere"));
	assert_false(elf_debug_exists(none, "/nowhere"));
	assert_int_equal(elf_debug_find_symbols(fd, "/nowhere", symbols, 2), 0);
	assert_int_equal(symbols[0].offset, 0);
	assert_int_equal(elf_debug_find_symbols(none, "/nowhere", symbols, 2), -ENOEXEC);
	close(fd);
	close(none);
}

static void what_is_no_program_is_refused(void **state)
{
	struct go_function function = { .name = "crypto/tls.(*Conn).Read" };
	struct symbol symbol = { .name = "main" };
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(elf_find_symbols(fd, &symbol, 1), -ENOEXEC);
	assert_int_equal(go_find_functions(fd, &function, 1), -ENOENT);
	assert_int_equal(go_find_functions(self, &function, 1), -ENOENT);
	close(fd);
	close(self);
}

static void returns_of_go_functions(void **state)
{
	/* add rsp, 0x58; pop rbp; ret; a 0xc3 inside of an instruction; add rsp, 0xc0; pop rbp; ret; a bare ret. */
	static const uint8_t code[] = { 0x48, 0x83, 0xc4, 0x58, 0x5d, 0xc3, 0x48, 0x89, 0xc3, 0x48,
					0x81, 0xc4, 0xc0, 0x00, 0x00, 0x00, 0x5d, 0xc3, 0xcc, 0xc3 };
	static const uint32_t arm[] = { 0xd503201f, 0xd65f03c0, 0xd65f03c1, 0xd65f03c0 };
	uint64_t places[4];

	(void)state;
	assert_int_equal(go_find_returns(code, sizeof(code), EM_X86_64, places, 4), 2);
	assert_int_equal(places[0], 5);
	assert_int_equal(places[1], 17);
	assert_int_equal(go_find_returns(code, sizeof(code), EM_X86_64, places, 1), -1);
	assert_int_equal(go_find_returns((const uint8_t *)arm, sizeof(arm), EM_AARCH64, places, 4), 2);
	assert_int_equal(places[0], 4);
	assert_int_equal(places[1], 12);
}

static enum tls_brand brand_in(const char *text)
{
	return tls_brand_of_marks(tls_marks_in((const uint8_t *)text, strlen(text) + 1));
}

static void implementations_are_told_by_their_constants(void **state)
{
	static const char rfc8446[] = "TLS 1.3, server CertificateVerify";
	char text[256];

	(void)state;
	assert_int_equal(brand_in("../ssl/ssl_lib.c"), TLS_BRAND_OPENSSL);
	assert_int_equal(brand_in(rfc8446), TLS_BRAND_OTHER);
	snprintf(text, sizeof(text), "%s src/ssl/ssl_lib.cc", rfc8446);
	assert_int_equal(brand_in(text), TLS_BRAND_BORINGSSL);
	snprintf(text, sizeof(text), "%s rustls-0.23.23/src/msgs/deframer/mod.rs", rfc8446);
	assert_int_equal(brand_in(text), TLS_BRAND_RUSTLS);
	snprintf(text, sizeof(text), "%s /aws-lc-0/ssl/ssl_lib.cc AWS-LC", rfc8446);
	assert_int_equal(brand_in(text), TLS_BRAND_AWS_LC);
	/* A name alone, as in a message about it, is none. */
	assert_int_equal(brand_in("wolfSSL and AWS-LC are not supported"), TLS_BRAND_COUNT);
	assert_int_equal(tls_brand_of_name("/usr/lib/libssl.so.3"), TLS_BRAND_OPENSSL);
	assert_int_equal(tls_brand_of_name("/usr/lib/libssl3.so"), TLS_BRAND_NSS);
	assert_int_equal(tls_brand_of_name("/usr/lib/libc.so.6"), TLS_BRAND_COUNT);
}

static void a_file_is_searched_as_a_whole(void **state)
{
	enum tls_brand brand = TLS_BRAND_COUNT;
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), none = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	(void)state;
	/* The marks above are among this program's own constants. */
	assert_int_equal(tls_brand_of_file(self, 1 << 26, &brand), 0);
	assert_int_equal(brand, TLS_BRAND_AWS_LC);
	brand = TLS_BRAND_GO;
	assert_int_equal(tls_brand_of_file(self, 16, &brand), 0);
	assert_int_equal(brand, TLS_BRAND_COUNT);
	assert_int_equal(tls_brand_of_file(none, 1 << 26, &brand), -ENOEXEC);
	close(self);
	close(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_lies_where_its_code_is),
		cmocka_unit_test(symbols_of_another_file),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(returns_of_go_functions),
		cmocka_unit_test(implementations_are_told_by_their_constants),
		cmocka_unit_test(a_file_is_searched_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
