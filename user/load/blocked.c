/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function hook does not see the return of a call that had been entered before it was attached. Threads that sleep in
 * a receiving call at that moment (one per idle connection in servers that block) would lose their next message: their
 * calls are told at sys_exit instead, once each. /proc/PID/task/TID/syscall says who sleeps in what. The extra hook
 * goes when all of them have returned, or after five minutes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "load/internal.h"

#define BRIDGE_NS 300000000000ULL

static bool sleeps_in_receive(const struct capture *capture, int task, const char *thread)
{
	char path[300], text[256];
	uint64_t number;

	snprintf(path, sizeof(path), "%s/syscall", thread);
	if (file_read_start(task, path, text, sizeof(text), NULL))
		return false;
	text[strcspn(text, " \n")] = '\0';
	if (number_u64(text, &number) || number >= CALL_NUMBERS)
		return false;
	switch (capture->bpf->rodata->call_kinds[number]) {
	case CALL_READ:
	case CALL_READV:
	case CALL_RECVFROM:
	case CALL_RECVMSG:
	case CALL_RECVMMSG:
	case CALL_SPLICE:
		return true;
	default:
		return false;
	}
}

static void remember(struct capture *capture, const char *thread)
{
	struct undisturbed undisturbed;
	uint8_t value = 0;
	uint32_t tid;

	if (number_u32(thread, &tid))
		return;
	undisturbed = undisturbed_begin();
	/* A full map leaves the thread out: it loses one message, as all would without this. */
	if (!bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.blocked_calls), &tid, &value, BPF_NOEXIST))
		__atomic_fetch_add(&capture->bpf->bss->blocked_count, 1, __ATOMIC_RELAXED);
	undisturbed_end(&undisturbed);
}

static void look_at_process(struct capture *capture, int proc, const char *process)
{
	char path[300];
	struct dirent *entry;
	DIR *directory;
	int task;

	snprintf(path, sizeof(path), "%s/task", process);
	task = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = task < 0 ? NULL : fdopendir(task);
	if (!directory) {
		if (task >= 0)
			close(task);
		return;
	}
	while ((entry = readdir(directory)))
		if (sleeps_in_receive(capture, task, entry->d_name))
			remember(capture, entry->d_name);
	closedir(directory);
}

void blocked_remember(struct capture *capture)
{
	struct dirent *entry;
	DIR *proc;

	if (capture->backend == BACKEND_TRACEPOINT)
		return;
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			look_at_process(capture, dirfd(proc), entry->d_name);
	if (proc)
		closedir(proc);
}

void blocked_let_go(struct capture *capture, uint64_t now_ns)
{
	if (!capture->blocked_link)
		return;
	if (!capture->blocked_since_ns)
		capture->blocked_since_ns = now_ns;
	if (__atomic_load_n(&capture->bpf->bss->blocked_count, __ATOMIC_RELAXED) &&
	    now_ns - capture->blocked_since_ns < BRIDGE_NS)
		return;
	__atomic_store_n(&capture->bpf->bss->blocked_count, 0, __ATOMIC_RELAXED);
	bpf_link__destroy(capture->blocked_link);
	capture->blocked_link = NULL;
}
