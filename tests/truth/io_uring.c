/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving and sending through io_uring, by the bare system calls: one submission, one completion, waited for. Its
 * bytes cross the socket below the system calls that a tracepoint sees.
 */
#include "truth.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 4

struct uring {
	int fd;
	struct io_uring_params params;
	uint8_t *rings; /* submission and completion share one mapping */
	size_t rings_bytes;
	struct io_uring_sqe *sqes;
};

void uring_free(struct uring *uring)
{
	if (!uring)
		return;
	if (uring->rings)
		munmap(uring->rings, uring->rings_bytes);
	if (uring->sqes)
		munmap(uring->sqes, ENTRIES * sizeof(*uring->sqes));
	if (uring->fd >= 0)
		close(uring->fd);
	free(uring);
}

static void *map_ring(const struct uring *uring, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring->fd, offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static struct uring *uring_new(void)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	const struct io_uring_params *params;
	size_t completions;

	if (!uring)
		return NULL;
	params = &uring->params;
	uring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &uring->params);
	if (uring->fd < 0 || !(params->features & IORING_FEAT_SINGLE_MMAP)) {
		uring_free(uring);
		return NULL;
	}
	uring->rings_bytes = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	completions = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	if (completions > uring->rings_bytes)
		uring->rings_bytes = completions;
	uring->rings = map_ring(uring, uring->rings_bytes, IORING_OFF_SQ_RING);
	uring->sqes = map_ring(uring, ENTRIES * sizeof(*uring->sqes), IORING_OFF_SQES);
	if (!uring->rings || !uring->sqes) {
		uring_free(uring);
		return NULL;
	}
	return uring;
}

static uint32_t *ring_word(const struct uring *uring, uint32_t offset)
{
	return (uint32_t *)(void *)(uring->rings + offset);
}

bool uring_supported(void)
{
	/* In a child: the kernel takes a ring down later, by work that interrupts its owner's system calls. */
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(uring_new() ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !status;
}

ssize_t call_uring(struct channel *channel, bool send, const uint8_t *bytes, size_t size)
{
	struct uring *uring = channel->uring ? channel->uring : (channel->uring = uring_new());
	const struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	uint32_t tail, mask, head;

	if (!uring)
		return -ENOSYS;
	tail = *ring_word(uring, uring->params.sq_off.tail);
	mask = *ring_word(uring, uring->params.sq_off.ring_mask);
	sqe = &uring->sqes[tail & mask];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = send ? IORING_OP_SEND : IORING_OP_RECV;
	sqe->fd = channel->fd;
	sqe->addr = (uint64_t)(uintptr_t)bytes;
	sqe->len = (uint32_t)size;
	sqe->msg_flags = MSG_NOSIGNAL;
	ring_word(uring, uring->params.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(ring_word(uring, uring->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, uring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	head = *ring_word(uring, uring->params.cq_off.head);
	if (head == __atomic_load_n(ring_word(uring, uring->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return -EIO;
	mask = *ring_word(uring, uring->params.cq_off.ring_mask);
	cqe = (const struct io_uring_cqe *)(const void *)(uring->rings + uring->params.cq_off.cqes) + (head & mask);
	__atomic_store_n(ring_word(uring, uring->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}
