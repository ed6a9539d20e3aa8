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
#include "symbol/go_returns.h"
#include "symbol/tls_marks.h"
#include "symbol/x86_code.h"

/* Not static: it is looked for by name. */
int symbol_test_function(int value);

int aws_lc_0_47_0_SYMBOL_TEST(int value);

__attribute__((noinline)) int aws_lc_0_47_0_SYMBOL_TEST(int value)
{
	return value * 17 + 5;
}

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

/* AWS-LC's names, whose version is anyone's. */
static void a_prefix_is_passed_over(void **state)
{
	struct symbol symbols[] = { { .name = "SYMBOL_TEST", .prefixed = true },
				    { .name = "SYMBOL_TEST" },
				    { .name = "YMBOL_TEST", .prefixed = true } };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t code[16];

	(void)state;
	assert_int_equal(aws_lc_0_47_0_SYMBOL_TEST(1), 22);
	assert_int_equal(elf_find_symbols(fd, symbols, 3), 0);
	assert_int_equal(pread(fd, code, sizeof(code), (off_t)symbols[0].offset), sizeof(code));
	assert_memory_equal(code, (const void *)(uintptr_t)aws_lc_0_47_0_SYMBOL_TEST, sizeof(code));
	assert_true(symbols[0].size > 0);
	assert_int_equal(symbols[1].offset, 0);
	assert_int_equal(symbols[2].offset, 0);
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

/* A prologue, one return of each form that Go's releases have written, a 0xc3 inside of an instruction, the last return
 * with what makes room on the stack behind it. */
static const uint8_t go_code[] = {
	0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55,                   /* 0: cmp, jbe, push rbp */
	0x48, 0x83, 0xec, 0x58,                                     /* 7: sub rsp */
	0x48, 0x89, 0xc3,                                           /* 11: mov rbx, rax */
	0x48, 0x8b, 0x6c, 0x24, 0x50, 0x48, 0x83, 0xc4, 0x60, 0xc3, /* 14: mov rbp; add rsp; ret */
	0x48, 0x83, 0xc4, 0x58, 0x5d, 0x90, 0xc3,                   /* 24: add rsp; pop rbp; nop; ret */
	0x48, 0x83, 0xc4, 0x58, 0x5d, 0xc3,                         /* 31: add rsp; pop rbp; ret */
	0xe8, 0x01, 0x02, 0x03, 0x04, 0xeb, 0xd4,                   /* 37: call; jmp to the beginning */
};
/* Changes in zigzag, and over how many bytes each value holds: it begins with -1. */
static const uint8_t go_steps[] = { 2, 7, 16, 4, 176, 1, 12, 191, 1, 1, 192, 1, 4, 175,
				    1, 1, 15, 2, 192, 1, 4,  175, 1, 1, 15,  8, 0 };

static void returns_of_go_functions(void **state)
{
	static const uint32_t arm[] = { 0xd503201f, 0xd65f03c0, 0xd65f03c1, 0xd65f03c0 };
	uint64_t places[4];

	(void)state;
	assert_int_equal(go_returns_amd64(go_code, sizeof(go_code), go_steps, sizeof(go_steps), places, 4), 3);
	assert_int_equal(places[0], 23);
	assert_int_equal(places[1], 30);
	assert_int_equal(places[2], 36);
	assert_int_equal(go_returns_amd64(go_code, sizeof(go_code), go_steps, sizeof(go_steps), places, 2), -1);
	assert_int_equal(go_returns_arm64((const uint8_t *)arm, sizeof(arm), places, 4), 2);
	assert_int_equal(places[0], 4);
	assert_int_equal(places[1], 12);
	assert_int_equal(go_returns_arm64((const uint8_t *)arm, sizeof(arm), places, 1), -1);
}

/* A table that ends early, code that ends early, and a place that is neither a return nor a new beginning. */
static void returns_that_are_not_certain(void **state)
{
	uint8_t code[sizeof(go_code)];
	uint64_t places[4];

	(void)state;
	for (size_t length = 0; length < sizeof(go_steps); length++)
		assert_int_equal(go_returns_amd64(go_code, sizeof(go_code), go_steps, length, places, 4), -1);
	for (size_t length = 0; length < sizeof(go_code); length++)
		assert_int_equal(go_returns_amd64(go_code, length, go_steps, sizeof(go_steps), places, 4), -1);
	for (size_t at = 23; at < sizeof(go_code); at++) {
		if (at != 23 && at != 29 && at != 30 && at < 42)
			continue;
		memcpy(code, go_code, sizeof(code));
		code[at] ^= 0x10;
		assert_int_equal(go_returns_amd64(code, sizeof(code), go_steps, sizeof(go_steps), places, 4), -1);
	}
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
	snprintf(text, sizeof(text), "%s rustls-0.23.46/src/msgs/deframer/mod.rs src/aws-lc-rs-1.19.0", rfc8446);
	assert_int_equal(brand_in(text), TLS_BRAND_RUSTLS);
	assert_true(tls_marks_have(tls_marks_in((const uint8_t *)text, strlen(text)), TLS_BRAND_AWS_LC));
	assert_false(tls_marks_have(tls_marks_in((const uint8_t *)text, strlen(text)), TLS_BRAND_BORINGSSL));
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
	uint32_t marks = 0;
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), none = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	(void)state;
	/* The marks above are among this program's own constants. */
	assert_int_equal(tls_marks_of_file(self, 1 << 26, &marks), 0);
	assert_int_equal(tls_brand_of_marks(marks), TLS_BRAND_AWS_LC);
	assert_int_equal(tls_marks_of_file(self, 16, &marks), 0);
	assert_int_equal(tls_brand_of_marks(marks), TLS_BRAND_COUNT);
	assert_int_equal(tls_marks_of_file(none, 1 << 26, &marks), -ENOEXEC);
	close(self);
	close(none);
}

/* Beginnings of functions as GCC writes them: libssl 3.0.17's SSL_read_ex and SSL_read at 0x354c0 and 0x35430, and what
 * both call at 0x35290; with landing pads, libssl 3.5's SSL_write_ex2. */
static const uint8_t read_ex[] = { 0x48, 0x83, 0xec, 0x08, 0xe8, 0xc7, 0xfd, 0xff, 0xff, 0x31, 0xd2 };
static const uint8_t read_plain[] = { 0x48, 0x83, 0xec, 0x18, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0x00, 0x00,
				      0x00, 0x48, 0x89, 0x44, 0x24, 0x08, 0x31, 0xc0, 0x85, 0xd2, 0x78, 0x2f,
				      0x48, 0x89, 0xe1, 0x48, 0x63, 0xd2, 0xe8, 0x3d, 0xfe, 0xff, 0xff };
static const uint8_t inner[] = { 0x41, 0x55, 0x41, 0x54, 0x55, 0x53, 0x48, 0x83, 0xec, 0x38 };
static const uint8_t write_ex2[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 0x08, 0xe8, 0x83, 0xfa, 0xff, 0xff };

static void what_a_function_hands_on_to(void **state)
{
	(void)state;
	assert_int_equal(x86_inner(read_ex, sizeof(read_ex)), 0x35290 - 0x354c0);
	assert_true(x86_calls(read_plain, sizeof(read_plain), 0x35290 - 0x35430));
	assert_false(x86_calls(read_plain, sizeof(read_plain), 0x35291 - 0x35430));
	assert_false(x86_calls(read_plain, sizeof(read_plain) - 1, 0x35290 - 0x35430));
	assert_int_equal(x86_inner(write_ex2, sizeof(write_ex2)), 0x3e8f0 - 0x3ee60);
	assert_int_equal(x86_inner(read_plain, sizeof(read_plain)), 0);
	assert_int_equal(x86_inner(inner, sizeof(inner)), 0);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(x86_inner(read_ex, i), 0);
}

static void where_a_hook_is_cheap(void **state)
{
	static const uint8_t padded[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57 };
	static const uint8_t small[] = { 0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x7a, 0x03, 0x00, 0x00 };
	static const uint8_t large[] = { 0x4c, 0x8d, 0x64, 0x24, 0xb8, 0x4d, 0x3b, 0x66, 0x10, 0x76, 0x93 };

	(void)state;
	assert_true(x86_cheap(inner, sizeof(inner)));
	assert_int_equal(x86_entry(inner, sizeof(inner)), 0);
	assert_true(x86_cheap(padded, sizeof(padded)));
	assert_int_equal(x86_entry(padded, sizeof(padded)), 4);
	assert_false(x86_cheap(write_ex2, sizeof(write_ex2)));
	assert_int_equal(x86_entry(write_ex2, sizeof(write_ex2)), 0);
	assert_false(x86_cheap(padded, 4));
	assert_int_equal(x86_go_entry(small, sizeof(small)), 4);
	assert_int_equal(x86_go_entry(large, sizeof(large)), 9);
	assert_int_equal(x86_go_entry(large, 9), 0);
	assert_int_equal(x86_go_entry(inner, sizeof(inner)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_lies_where_its_code_is),
		cmocka_unit_test(a_prefix_is_passed_over),
		cmocka_unit_test(symbols_of_another_file),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(returns_of_go_functions),
		cmocka_unit_test(returns_that_are_not_certain),
		cmocka_unit_test(what_a_function_hands_on_to),
		cmocka_unit_test(where_a_hook_is_cheap),
		cmocka_unit_test(implementations_are_told_by_their_constants),
		cmocka_unit_test(a_file_is_searched_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
