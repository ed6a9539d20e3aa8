/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: src/runtime/symtab.go (step, pcvalue), the same from Go 1.2 to 1.26. Pairs of variable-length numbers: by
 * how much the value changes (zigzag), and over how many bytes of code it holds; a change of zero ends it, but for the
 * first. The epilogue has had three forms: mov x(rsp),rbp; add rsp (to 1.20), add rsp; pop rbp (since), and the same
 * with a nop before `ret` (1.21).
 */
#include "symbol/go_returns.h"

#include <stdbool.h>
#include <string.h>

#define ARM64_RET 0xd65f03c0U
#define X86_NOP 0x90
#define X86_RET 0xc3
#define X86_JMP8 0xeb
#define X86_JMP32 0xe9

struct steps {
	const uint8_t *at;
	const uint8_t *end;
};

/* LEB128, of 32 bits. */
static bool read_number(struct steps *steps, uint32_t *ret_number)
{
	uint32_t number = 0;

	for (unsigned int shift = 0; shift < 32 && steps->at < steps->end; shift += 7) {
		uint8_t byte = *steps->at++;

		number |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_number = number;
			return true;
		}
	}
	return false;
}

/* Where there was no room on the stack: the function begins anew when there is. */
static bool begins_anew(const uint8_t *code, size_t from, size_t to)
{
	int32_t distance;

	if (to >= from + 2 && code[to - 2] == X86_JMP8 && to + (size_t)(int8_t)code[to - 1] == 0)
		return true;
	if (to < from + 5 || code[to - 5] != X86_JMP32)
		return false;
	memcpy(&distance, code + to - 4, sizeof(distance));
	return to + (size_t)distance == 0;
}

/* A stretch of code over which the stack pointer is where it was at the function's beginning: `ret`, and perhaps what
 * begins anew behind the function's last one. Its place; 0: there is none; -1: neither. */
static int64_t return_in(const uint8_t *code, size_t from, size_t to)
{
	size_t at = from;

	while (at + 1 < to && code[at] == X86_NOP)
		at++;
	if (code[at] != X86_RET)
		return begins_anew(code, from, to) ? 0 : -1;
	return at + 1 == to || begins_anew(code, at + 1, to) ? (int64_t)at : -1;
}

int go_returns_amd64(const uint8_t *code, size_t length, const uint8_t *table, size_t table_length,
		     uint64_t *ret_places, size_t max)
{
	struct steps steps = { .at = table, .end = table + table_length };
	uint32_t change, bytes;
	int32_t moved = -1;
	size_t from = 0, count = 0;

	for (;;) {
		int64_t place;

		if (!read_number(&steps, &change))
			return -1;
		if (!change && from)
			return (int)count;
		if (!read_number(&steps, &bytes) || !bytes || bytes > length - from)
			return -1;
		moved += change & 1 ? (int32_t) ~(change >> 1) : (int32_t)(change >> 1);
		place = moved || !from ? 0 : return_in(code, from, from + bytes);
		from += bytes;
		if (place < 0 || (place && count == max))
			return -1;
		if (place)
			ret_places[count++] = (uint64_t)place;
	}
}

int go_returns_arm64(const uint8_t *code, size_t length, uint64_t *ret_places, size_t max)
{
	size_t count = 0;

	for (size_t at = 0; at + 4 <= length; at += 4) {
		uint32_t instruction;

		memcpy(&instruction, code + at, sizeof(instruction));
		if (instruction != ARM64_RET)
			continue;
		if (count == max)
			return -1;
		ret_places[count++] = at;
	}
	return (int)count;
}
