/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent under test as a child process: started on a free port with the selection of this run, awaited by its
 * readiness, stopped by a signal. Its log goes to a memory file and is shown when it fails.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 40000
#define STOP_MS 1000
#define KILLED_MS 10000
#define ARGUMENTS_MAX (SONDE_ARGUMENTS_MAX + 10)
#define LOG_TAIL_BYTES 2048

static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t port = 0;

	if (fd < 0)
		return 0;
	if (!bind(fd, (struct sockaddr *)&address, length) && !getsockname(fd, (struct sockaddr *)&address, &length))
		port = ntohs(address.sin_port);
	close(fd);
	return port;
}

/* Never returns. */
static void execute(const struct truth *truth)
{
	const struct options *options = &truth->options;
	char listen_flag[64], backend[64], select_flag[300], log_level[32];
	char run[] = "run";
	char program[256];
	char *arguments[ARGUMENTS_MAX];
	int n = 0;

	snprintf(program, sizeof(program), "%s", options->sonde);
	snprintf(listen_flag, sizeof(listen_flag), "--web.listen-address=127.0.0.1:%u", truth->sonde.port);
	snprintf(backend, sizeof(backend), "--backend=%s", options->backend);
	snprintf(select_flag, sizeof(select_flag), "--select.cgroup=%s", truth->cgroup);
	snprintf(log_level, sizeof(log_level), "--log.level=%s", options->log_level);
	arguments[n++] = program;
	arguments[n++] = run;
	arguments[n++] = listen_flag;
	arguments[n++] = backend;
	arguments[n++] = log_level;
	if (*truth->cgroup)
		arguments[n++] = select_flag;
	for (int i = 0; i < options->extra_count; i++)
		arguments[n++] = (char *)(uintptr_t)options->extra[i];
	arguments[n] = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(truth->sonde.log, STDOUT_FILENO);
	dup2(truth->sonde.log, STDERR_FILENO);
	execv(program, arguments);
	_exit(127);
}

bool sonde_alive(struct truth *truth)
{
	siginfo_t info = { 0 };

	/* Leaves the dead to be waited for by sonde_stop. */
	return truth->sonde.pid && !waitid(P_PID, (id_t)truth->sonde.pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

void sonde_last_words(const struct truth *truth, char *text, size_t size)
{
	char tail[LOG_TAIL_BYTES + 1];
	struct stat stat;
	off_t from;
	ssize_t n;
	char *line;

	snprintf(text, size, "(no log)");
	if (fstat(truth->sonde.log, &stat) < 0)
		return;
	from = stat.st_size > LOG_TAIL_BYTES ? stat.st_size - LOG_TAIL_BYTES : 0;
	n = pread(truth->sonde.log, tail, LOG_TAIL_BYTES, from);
	while (n > 0 && tail[n - 1] == '\n')
		n--;
	if (n <= 0)
		return;
	tail[n] = '\0';
	line = strrchr(tail, '\n');
	snprintf(text, size, "%s", line ? line + 1 : tail);
}

static int await_ready(struct truth *truth)
{
	uint64_t deadline = clock_ns() + (uint64_t)(READY_MS * truth->options.slow) * 1000000U;
	int status;

	for (;;) {
		char *body = NULL;

		status = http_get(truth->sonde.port, "/health/ready", 1000, &body);
		free(body);
		if (status == 200)
			return 0;
		if (!sonde_alive(truth))
			return -ECHILD;
		if (clock_ns() > deadline)
			return -ETIMEDOUT;
		sleep_us(3000);
	}
}

int sonde_start(struct truth *truth)
{
	struct sonde *sonde = &truth->sonde;
	char words[TEXT_LENGTH - 100];
	uint64_t before = clock_ns();
	int err;

	if (truth->options.dry_run)
		return 0;
	sonde->log = memfd_create("sonde-log", MFD_CLOEXEC);
	sonde->port = free_port();
	sonde->pid = fork();
	if (!sonde->pid)
		execute(truth);
	err = sonde->pid < 0 ? -errno : await_ready(truth);
	truth->start_ns = clock_ns() - before;
	truth->scrape_ns = 0;
	if (!err)
		return 0;
	sonde_last_words(truth, words, sizeof(words));
	if (truth->result)
		result_fail(truth->result, "sonde did not become ready (%s): %s", strerror(-err), words);
	sonde_stop(truth, SIGKILL);
	return err;
}

int sonde_stop(struct truth *truth, int signal)
{
	struct sonde *sonde = &truth->sonde;
	/* A killed agent leaves its hooks to the kernel, which lets them go one after the other. */
	unsigned limit_ms = signal == SIGTERM ? STOP_MS : KILLED_MS;
	uint64_t deadline = clock_ns() + (uint64_t)(limit_ms * truth->options.slow) * 1000000U;
	int status = 0;
	int err = 0;

	if (sonde->pid <= 0)
		return 0;
	kill(sonde->pid, signal);
	while (waitpid(sonde->pid, &status, WNOHANG) == 0) {
		if (clock_ns() > deadline && !err) {
			err = -ETIMEDOUT;
			kill(sonde->pid, SIGKILL);
		}
		sleep_us(2000);
	}
	if (signal == SIGTERM && !err && (!WIFEXITED(status) || WEXITSTATUS(status)))
		err = -ECHILD;
	close(sonde->log);
	*sonde = (struct sonde){ .log = -1 };
	return err;
}
