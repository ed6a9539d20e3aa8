/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of container_truth.c: pages that are read when they are touched, from a disk that is made slow for the cgroup
 * (200 reads in a second), while another process reads from the same disk. The witness is the program, which times each
 * touch that the kernel counted as a major fault. What it waited is the time that passed less its thread's CPU time, or
 * a little more: that begins with the wake-up, before the thread runs. Of a touch in which it was pushed aside, it may
 * be less.
 */
#pragma once

#include "container_io.h"

#include <sys/swap.h>

#define FAULT_FILE "/var/tmp/sonde-truth-fault"
#define FAULT_PAGES 48
#define FAULT_STRIDE (64 * 4096) /* more than is read ahead around a page */
#define FAULT_BYTES ((size_t)FAULT_PAGES * FAULT_STRIDE)
#define READ_OFFSET ((off_t)FAULT_BYTES)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct waits {
	double waited, passed, aside; /* seconds: without CPU time, with it, and those of touches with preemption */
	int faults;
};

/* What a program saw of its touches: in user mode, and by a system call that it hands the page to. */
struct touches {
	struct waits user, call;
	bool done;
};

static struct touches *touches; /* shared with the children */

static double thread_cpu(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct rusage thread_usage(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage;
}

static void touch_page(const volatile char *page)
{
	(void)*page;
}

static int touch_pipe[2];

/* The kernel copies from the page: the fault is the system call's. */
static void hand_page_over(const volatile char *page)
{
	char byte;

	if (write(touch_pipe[1], (const char *)page, 1) != 1 || read(touch_pipe[0], &byte, 1) != 1)
		_exit(1);
}

/* Every page once, all over the range. The memory is there already that the figures go to. */
static void touch_all(const char *memory, size_t stride, void (*touch)(const volatile char *page), struct waits *waits)
{
	for (int i = 0; i < FAULT_PAGES; i++) {
		const char *page = memory + (size_t)(i * 29 % FAULT_PAGES) * stride;
		struct rusage before = thread_usage(), after;
		double cpu = thread_cpu(), passed = now(), waited;

		touch(page);
		passed = now() - passed;
		waited = passed - (thread_cpu() - cpu);
		after = thread_usage();
		if (after.ru_majflt == before.ru_majflt)
			continue;
		waits->passed += passed;
		waits->waited += waited;
		waits->aside += after.ru_nivcsw == before.ru_nivcsw ? 0 : waited;
		waits->faults++;
	}
}

static int open_fault_file(void)
{
	return io_disk() ? open(io_disk(), O_RDWR | O_CLOEXEC) : open(FAULT_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* Twice what is touched: the other half is read. None of it is left in memory. */
static bool make_fault_file(void)
{
	int fd = open_fault_file();
	char *block = calloc(1, MIB);
	bool good = fd >= 0 && block;

	for (size_t i = 0; good && i < 2 * FAULT_BYTES / MIB; i++)
		good = pwrite(fd, block, MIB, (off_t)i * MIB) == MIB;
	good = good && !fsync(fd) && !posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	free(block);
	if (fd >= 0)
		close(fd);
	return good;
}

/* Half of the pages where the kernel is told that it is at random, so that it reads no more than is asked for. */
static void fault_and_stop(void)
{
	int fd = open_fault_file();
	char *memory = mmap(NULL, FAULT_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED || pipe(touch_pipe) || madvise(memory, FAULT_BYTES, MADV_RANDOM))
		_exit(1);
	touch_all(memory, FAULT_STRIDE, touch_page, &touches->user);
	madvise(memory, FAULT_BYTES, MADV_NORMAL);
	/* The pages half a stride away: not read yet. */
	touch_all(memory + FAULT_STRIDE / 2, FAULT_STRIDE, hand_page_over, &touches->call);
	touches->done = true;
	raise(SIGSTOP);
}

/* Waits for the disk as well, in no fault. */
static void read_and_stop(void)
{
	int fd = open_fault_file();
	char byte;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (int i = 0; i < FAULT_PAGES; i++)
		if (pread(fd, &byte, 1, READ_OFFSET + (off_t)(i * 29 % FAULT_PAGES) * FAULT_STRIDE) != 1)
			_exit(1);
	raise(SIGSTOP);
}

static void slow_down(const struct lab *lab, const char *group)
{
	char text[64];
	dev_t device;

	if (!disk_number(&device) || !major(device))
		return;
	snprintf(text, sizeof(text), lab->unified ? "%u:%u riops=200" : "%u:%u 200", major(device), minor(device));
	set_group(lab, group, "blkio", lab->unified ? "io.max" : "blkio.throttle.read_iops_device", text);
}

static double fault_seconds(const struct lab *lab, const char *group)
{
	return sample(lab, "container_memory_major_fault_seconds_total", group, "");
}

/* Faults of system calls are told where the kernel marks them, which it does for its multi-generational LRU alone. */
static bool calls_are_told(void)
{
	return !access("/sys/kernel/mm/lru_gen", F_OK);
}

static bool is_what_waited(double told, const struct waits *one, const struct waits *other)
{
	double least = one->waited - one->aside + other->waited - other->aside;

	return least > 0 && told >= 0.99 * least && told <= one->passed + other->passed;
}

static void report_faults(struct lab *lab)
{
	static const struct waits none;
	const struct waits *user = &touches->user, *call = &touches->call;
	double told = fault_seconds(lab, "fault"), other = fault_seconds(lab, "reader");

	report(lab, "how long major page faults waited",
	       user->faults >= FAULT_PAGES / 2 && call->faults >= 4 &&
		       is_what_waited(told, user, calls_are_told() ? call : &none) && other == 0,
	       "%d of user mode waited for %.4f s, %d of system calls for %.4f%s; sonde: %.4f, of one that reads %.4f",
	       user->faults, user->waited, call->faults, call->waited, calls_are_told() ? "" : " (not told here)", told,
	       other);
}

static void share_touches(void)
{
	touches = mmap(NULL, sizeof(*touches), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (touches == MAP_FAILED)
		die("memory");
	memset(touches, 0, sizeof(*touches));
}

static void case_fault(struct lab *lab)
{
	pid_t child, reader;

	share_touches();
	if (!make_fault_file())
		die("%s", FAULT_FILE);
	make_group(lab, "fault");
	make_group(lab, "reader");
	slow_down(lab, "fault");
	slow_down(lab, "reader");
	child = start(lab, "fault", fault_and_stop);
	reader = start(lab, "reader", read_and_stop);
	if (!stopped(child) || !stopped(reader) || !touches->done)
		die("touches");
	scrape(lab);
	report_faults(lab);
	end(child);
	end(reader);
	unlink(FAULT_FILE);
	remove_group(lab, "fault");
	remove_group(lab, "reader");
}

/* --- swap: in a VM, whose disk is ours */

static void swap_and_stop(void)
{
	size_t size = (size_t)FAULT_PAGES * 4096;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* What is there already stays, so that no fault is untimed. */
	if (mlockall(MCL_CURRENT) || memory == MAP_FAILED || munlock(memory, size))
		_exit(1);
	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 1, size);
	if (madvise(memory, size, MADV_PAGEOUT))
		_exit(1);
	raise(SIGSTOP); /* written, but in memory still */
	touch_all(memory, 4096, touch_page, &touches->user);
	touches->done = true;
	raise(SIGSTOP);
}

/* The header that mkswap writes. */
static bool swap_on(void)
{
	struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char rest[4096 - 1024 - 12 - 10];
		char magic[10];
	} __attribute__((packed)) header = { .version = 1, .last_page = 2047 };
	int fd = open(io_disk(), O_RDWR | O_CLOEXEC);
	bool written;

	memcpy(header.magic, "SWAPSPACE2", sizeof(header.magic));
	written = fd >= 0 && pwrite(fd, &header, sizeof(header), 0) == sizeof(header) && !fsync(fd);
	if (fd >= 0)
		close(fd);
	return written && !swapon(io_disk(), 0);
}

static void case_swap(struct lab *lab)
{
	static const char name[] = "how long pages in swap were waited for";
	static const struct waits none;
	double told;
	pid_t child;

	share_touches();
	if (!io_disk() || !swap_on()) {
		skip(lab, name, "no disk to swap to");
		return;
	}
	make_group(lab, "swap");
	slow_down(lab, "swap");
	child = start(lab, "swap", swap_and_stop);
	if (!stopped(child))
		die("pages to swap");
	set_group(lab, "swap", "memory", "memory.high", "0");
	set_group(lab, "swap", "memory", "memory.high", "max");
	kill(child, SIGCONT);
	if (!stopped(child) || !touches->done)
		die("touches");
	scrape(lab);
	told = fault_seconds(lab, "swap");
	report(lab, name, touches->user.faults >= 4 && is_what_waited(told, &touches->user, &none),
	       "%d faults waited for %.4f s; sonde: %.4f", touches->user.faults, touches->user.waited, told);
	end(child);
	swapoff(io_disk());
	remove_group(lab, "swap");
}
