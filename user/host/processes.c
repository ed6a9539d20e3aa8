/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processes (off by default): processes and threads by state. Goes through all of /proc, which costs; a process that
 * ends meanwhile is passed over.
 */
#include <errno.h>
#include <stdio.h>

#include "base/number.h"
#include "host/internal.h"

#define STATES 128 /* a state is a letter */
#define STAT_SIZE 1024

struct processes_state {
	struct host *host;
	uint64_t processes, threads;
	uint64_t by_state[STATES], threads_by_state[STATES];
	char process_state; /* of the process whose threads are gone through */
	uint32_t process;
};

/* `pid (name) state ...`: the name may hold anything, so its last parenthesis counts. The twentieth field is the number
 * of threads (proc(5)). */
static int parse_stat(struct span text, char *ret_state, uint64_t *ret_threads)
{
	const char *end = memrchr(text.at, ')', text.length);
	struct span word;

	if (!end)
		return -EINVAL;
	text = span_skip(text, (size_t)(end - text.at) + 1);
	if (!scan_word(&text, &word) || word.length != 1 || (unsigned char)*word.at > 0x7f)
		return -EINVAL;
	*ret_state = *word.at;
	for (size_t field = 4; field <= 20; field++)
		if (!scan_word(&text, &word))
			return -EINVAL;
	return span_u64(word, ret_threads);
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

static int read_stat(int directory, const char *name, char *ret_state, uint64_t *ret_threads)
{
	char path[64], buffer[STAT_SIZE];
	size_t length = 0;
	int error;

	snprintf(path, sizeof(path), "%.32s/stat", name);
	error = file_read(directory, path, buffer, sizeof(buffer), &length);
	return error ? error : parse_stat((struct span){ buffer, length }, ret_state, ret_threads);
}

static int count_thread(void *ctx, int directory, const char *name)
{
	struct processes_state *state = ctx;
	uint64_t threads;
	uint32_t number;
	char letter = state->process_state;
	int error = number_u32(name, &number);

	if (error)
		return 0;
	if (number != state->process) {
		error = read_stat(directory, name, &letter, &threads);
		if (error)
			return is_gone(error) ? 0 : error;
	}
	state->threads_by_state[(unsigned char)letter]++;
	return 0;
}

static int count_process(void *ctx, int directory, const char *name)
{
	struct processes_state *state = ctx;
	uint64_t threads;
	char path[64];
	int error;

	if (number_u32(name, &state->process))
		return 0;
	error = read_stat(directory, name, &state->process_state, &threads);
	if (error)
		return is_gone(error) ? 0 : error;
	state->processes++;
	state->threads += threads;
	state->by_state[(unsigned char)state->process_state]++;
	if (threads == 1) { /* itself */
		state->threads_by_state[(unsigned char)state->process_state]++;
		return 0;
	}
	snprintf(path, sizeof(path), "%.32s/task", name);
	error = host_each(directory, path, count_thread, state);
	return is_gone(error) ? 0 : error;
}

static void tell_states(struct host *host, const struct metric_family *family, const char *label,
			const uint64_t by_state[STATES])
{
	for (int letter = 0; letter < STATES; letter++)
		if (by_state[letter])
			host_tell_of(host, family, label, (char[]){ (char)letter, '\0' }, (double)by_state[letter]);
}

static int tell_limit(struct host *host, const char *path, const struct metric_family *family)
{
	uint64_t value;
	int error = host_read_number(host, host->proc_fd, path, &value);

	if (!error)
		host_tell(host, family, (double)value);
	return error;
}

static int update(struct host *host, void *ctx)
{
	static const struct metric_family threads =
		FAMILY("node_processes_threads", METRIC_GAUGE, "", "Threads of all processes.");
	static const struct metric_family max_threads =
		FAMILY("node_processes_max_threads", METRIC_GAUGE, "", "Threads that there may be.");
	static const struct metric_family states =
		FAMILY("node_processes_state", METRIC_GAUGE, "", "Processes by state.");
	static const struct metric_family thread_states =
		FAMILY("node_processes_threads_state", METRIC_GAUGE, "", "Threads by state.");
	static const struct metric_family pids = FAMILY("node_processes_pids", METRIC_GAUGE, "", "Processes.");
	static const struct metric_family max_pids =
		FAMILY("node_processes_max_processes", METRIC_GAUGE, "", "Process ids that there may be.");
	struct processes_state *state = ctx;
	int error;

	*state = (struct processes_state){ .host = host };
	host_at(host, "the processes of procfs");
	error = host_each(host->proc_fd, ".", count_process, state);
	if (error)
		return error;
	host_tell(host, &threads, (double)state->threads);
	error = tell_limit(host, "sys/kernel/threads-max", &max_threads);
	if (error)
		return error;
	tell_states(host, &states, "state", state->by_state);
	tell_states(host, &thread_states, "thread_state", state->threads_by_state);
	error = tell_limit(host, "sys/kernel/pid_max", &max_pids);
	if (!error)
		host_tell(host, &pids, (double)state->processes);
	return error;
}

const struct collector host_processes = { .state_size = sizeof(struct processes_state), .update = update };
