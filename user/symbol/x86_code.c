/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings: Intel's Software Developer's Manual, volume 2.
 */
#include "symbol/x86_code.h"

#include <string.h>

#define CALL 0xe8
#define CALL_BYTES 5

static bool begins(const uint8_t *code, size_t length, size_t at, const char *bytes, size_t count)
{
	return at + count <= length && !memcmp(code + at, bytes, count);
}

static size_t landing_pad(const uint8_t *code, size_t length)
{
	return begins(code, length, 0, "\xf3\x0f\x1e\xfa", 4) ? 4 : 0; /* endbr64 */
}

static bool is_push(const uint8_t *code, size_t length, size_t at)
{
	if (at < length && code[at] == 0x41) /* of r8 to r15 */
		at++;
	return at < length && code[at] >= 0x50 && code[at] <= 0x57;
}

bool x86_cheap(const uint8_t *code, size_t length)
{
	return is_push(code, length, landing_pad(code, length));
}

size_t x86_entry(const uint8_t *code, size_t length)
{
	size_t at = landing_pad(code, length);

	return is_push(code, length, at) ? at : 0;
}

size_t x86_go_entry(const uint8_t *code, size_t length)
{
	size_t at = 0;

	if (begins(code, length, 0, "\x49\x3b\x66\x10", 4)) /* cmp 0x10(%r14),%rsp */
		at = 4;
	else if (begins(code, length, 0, "\x4c\x8d\x64\x24", 4)) /* lea -frame(%rsp),%r12 */
		at = 5;
	else if (begins(code, length, 0, "\x4c\x8d\xa4\x24", 4))
		at = 8;
	if (at > 4)
		at = begins(code, length, at, "\x4d\x3b\x66\x10", 4) ? at + 4 : 0; /* cmp 0x10(%r14),%r12 */
	if (at && (begins(code, length, at, "\x76", 1) || begins(code, length, at, "\x0f\x86", 2))) /* jbe */
		return at;
	return 0;
}

static int64_t call_target(const uint8_t *code, size_t at)
{
	int32_t distance;

	memcpy(&distance, code + at + 1, sizeof(distance));
	return (int64_t)at + CALL_BYTES + distance;
}

int64_t x86_inner(const uint8_t *code, size_t length)
{
	size_t at = landing_pad(code, length);

	if (begins(code, length, at, "\x48\x83\xec\x08", 4)) /* sub $8,%rsp: only to align the stack */
		at += 4;
	else if (begins(code, length, at, "\x50", 1)) /* push %rax, likewise */
		at += 1;
	else
		return 0;
	return at + CALL_BYTES <= length && code[at] == CALL ? call_target(code, at) : 0;
}

bool x86_calls(const uint8_t *code, size_t length, int64_t distance)
{
	for (size_t at = 0; at + CALL_BYTES <= length; at++)
		if (code[at] == CALL && call_target(code, at) == distance)
			return true;
	return false;
}
