/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that move bytes through sockets or connect them, by the numbers of the machine this is built for.
 * preadv2 and pwritev2 act on sockets when their offset is -1; the plain positioned calls never do (ESPIPE).
 */
#include <sys/syscall.h>

#include "load/internal.h"

static const struct {
	uint16_t number;
	uint8_t kind;
} calls[] = {
	{ SYS_read, CALL_READ },         { SYS_write, CALL_WRITE },
	{ SYS_readv, CALL_READV },       { SYS_writev, CALL_WRITEV },
	{ SYS_preadv2, CALL_READV },     { SYS_pwritev2, CALL_WRITEV },
	{ SYS_recvfrom, CALL_RECVFROM }, { SYS_sendto, CALL_SENDTO },
	{ SYS_recvmsg, CALL_RECVMSG },   { SYS_sendmsg, CALL_SENDMSG },
	{ SYS_recvmmsg, CALL_RECVMMSG }, { SYS_sendmmsg, CALL_SENDMMSG },
	{ SYS_sendfile, CALL_SENDFILE }, { SYS_splice, CALL_SPLICE },
	{ SYS_connect, CALL_CONNECT },   { SYS_socketpair, CALL_SOCKETPAIR },
};

void calls_fill(volatile const uint8_t *kinds)
{
	uint8_t *writable = (uint8_t *)(uintptr_t)kinds;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number < CALL_NUMBERS)
			writable[calls[i].number] = calls[i].kind;
}
