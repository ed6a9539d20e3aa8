/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places in amd64 code where a uprobe is cheap. The kernel emulates a push, a jump, a call and a nop; every other
 * instruction is executed alone, with a second exception behind it, and in a virtual machine that one leaves the guest:
 * 9.7 us against 0.6 us for one hook on an AMD EPYC (docs/PERFORMANCE.md). So a hook goes to a place that means the
 * same as the function's first instruction, where the first bytes are known to allow it; else it stays where it is.
 * arch/x86/kernel/uprobes.c, branch_setup_xol_ops and push_setup_xol_ops.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_LOOK_BYTES 96 /* of a function's code are enough for all of these */

/* The first `length` bytes of a function; returns how far behind its beginning the hook belongs: 0, or behind a landing
 * pad, when a push follows. The stack pointer is the same there. */
size_t x86_entry(const uint8_t *code, size_t length);
/* Does the function begin with a push, behind a landing pad perhaps? */
bool x86_cheap(const uint8_t *code, size_t length);
/* The same for Go's check for room on the stack: its jump. Registers and stack pointer are the same there. */
size_t x86_go_entry(const uint8_t *code, size_t length);
/* A function that does nothing but call another one with its own arguments, and then finish: the distance from its
 * beginning to that one. 0: it is not of this form. */
int64_t x86_inner(const uint8_t *code, size_t length);
/* Is there a call to that distance from its beginning in the function? */
bool x86_calls(const uint8_t *code, size_t length, int64_t distance);
