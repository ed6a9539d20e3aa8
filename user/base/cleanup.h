/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The six ownership macros, and the one attribute for results that must be looked at.
 * A variable declared with one of these owns its value until the scope ends or the value is stolen.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))

static inline void cleanup_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Calls FUNCTION(&variable) when the variable leaves its scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))
#define CLEANUP_FREE CLEANUP(cleanup_free_pointer)
#define CLEANUP_FD CLEANUP(cleanup_close_fd)
#define CLEANUP_FILE CLEANUP(cleanup_close_file)

/* Take the value out of an owning variable: the caller owns it now. */
#define STEAL_POINTER(pointer)                        \
	({                                            \
		__typeof__(pointer) *_p = &(pointer); \
		__typeof__(pointer) _v = *_p;         \
		*_p = NULL;                           \
		_v;                                   \
	})
#define STEAL_FD(fd)             \
	({                       \
		int *_p = &(fd); \
		int _v = *_p;    \
		*_p = -1;        \
		_v;              \
	})
