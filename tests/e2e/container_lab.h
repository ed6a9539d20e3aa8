/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What container_truth.c stands on: cgroups of its own in every tree, the agent beside them, and samples of a scrape.
 * No line of sonde is used.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 512
#define SCRAPE_BYTES (64 << 20)
#define MIB (1 << 20)
#define CHURN 10000

static const char *const trees_v1[] = { "cpu", "cpuacct", "memory", "pids", "blkio", NULL };
static const char *const trees_v2[] = { "", NULL };

struct lab {
	bool unified;
	bool whole_host;
	const char *const *trees;
	char base[64]; /* cgroup that all others are in */
	char *text;    /* of the last scrape */
	uint16_t port;
	pid_t agent;
	FILE *json; /* where results go as well; NULL: nowhere */
	int number;
	int failed;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("Bail out! ");
	vprintf(format, arguments);
	printf(": %s\n", strerror(errno));
	va_end(arguments);
	exit(2);
}

/* --- cgroups */

static void tree_path(const struct lab *lab, const char *tree, const char *group, const char *file, char *path)
{
	snprintf(path, PATH_SIZE, "/sys/fs/cgroup/%s/%s/%s/%s", tree, lab->base, group, file);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %s", path, text);
	close(fd);
}

static void make_group(const struct lab *lab, const char *group)
{
	char path[PATH_SIZE];

	for (int i = 0; lab->trees[i]; i++) {
		tree_path(lab, lab->trees[i], group, "", path);
		if (mkdir(path, 0755) && errno != EEXIST)
			die("mkdir %s", path);
	}
}

static void remove_group(const struct lab *lab, const char *group)
{
	char path[PATH_SIZE];

	for (int i = 0; lab->trees[i]; i++) {
		tree_path(lab, lab->trees[i], group, "", path);
		for (int attempt = 0; rmdir(path) && errno == EBUSY && attempt < 200; attempt++)
			pause_ms(5);
	}
}

/* The calling process. */
static void enter_group(const struct lab *lab, const char *group)
{
	char path[PATH_SIZE];

	for (int i = 0; lab->trees[i]; i++) {
		tree_path(lab, lab->trees[i], group, "cgroup.procs", path);
		write_text(path, "0");
	}
}

static void set_group(const struct lab *lab, const char *group, const char *tree, const char *file, const char *text)
{
	char path[PATH_SIZE];

	tree_path(lab, lab->unified ? "" : tree, group, file, path);
	write_text(path, text);
}

/* A number of a file: the whole of it, or after a key. NAN when it is not there. */
static double group_number(const struct lab *lab, const char *group, const char *tree, const char *file,
			   const char *key)
{
	char path[PATH_SIZE], line[256];
	double number = NAN;
	FILE *stream;

	tree_path(lab, lab->unified ? "" : tree, group, file, path);
	stream = fopen(path, "re");
	while (stream && fgets(line, sizeof(line), stream)) {
		size_t length = strlen(key);

		if (!strncmp(line, key, length) && (!length || line[length] == ' '))
			number = strtod(line + length, NULL);
	}
	if (stream)
		fclose(stream);
	return number;
}

/* Does the kernel count I/O by device here at all? */
static bool group_has_devices(const struct lab *lab, const char *group)
{
	char path[PATH_SIZE], line[256] = "";
	FILE *stream;

	tree_path(lab, lab->unified ? "" : "blkio", group,
		  lab->unified ? "io.stat" : "blkio.throttle.io_service_bytes_recursive", path);
	stream = fopen(path, "re");
	if (!stream || !fgets(line, sizeof(line), stream))
		line[0] = '\0';
	if (stream)
		fclose(stream);
	return strchr(line, ':');
}

static double cpu_seconds(const struct lab *lab, const char *group)
{
	return lab->unified ? group_number(lab, group, "", "cpu.stat", "usage_usec") / 1e6 :
			      group_number(lab, group, "cpuacct", "cpuacct.usage", "") / 1e9;
}

/* --- processes: each a child that has entered its cgroup */

static pid_t start(const struct lab *lab, const char *group, void (*work)(void))
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return child;
	enter_group(lab, group);
	work();
	_exit(0);
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static bool stopped(pid_t child)
{
	int status;

	return waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status);
}

/* --- the agent */

static bool scrape(struct lab *lab)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(lab->port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	ssize_t got = 1;

	lab->text[0] = '\0';
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, request, sizeof(request) - 1) != sizeof(request) - 1)
		got = 0;
	while (got > 0 && length < SCRAPE_BYTES - 1) {
		got = read(fd, lab->text + length, SCRAPE_BYTES - 1 - length);
		length += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	lab->text[length] = '\0';
	return length > 0;
}

/* A family's sample whose labels begin with id="/BASE/GROUP" and hold `more`. NAN when there is none. */
static double sample(const struct lab *lab, const char *family, const char *group, const char *more)
{
	char begin[PATH_SIZE];
	const char *line = lab->text;
	int size = snprintf(begin, sizeof(begin), "\n%s{id=\"/%s%s%s\"", family, lab->base, *group ? "/" : "", group);

	while ((line = strstr(line, begin))) {
		const char *end = strchr(line + 1, '\n'), *found = strstr(line, more);
		const char *value = strstr(line, "} ");

		line += size;
		if (value && end && found && found < end)
			return strtod(value + 2, NULL);
	}
	return NAN;
}

static double plain(const struct lab *lab, const char *series)
{
	char begin[PATH_SIZE];
	const char *line;

	snprintf(begin, sizeof(begin), "\n%s ", series);
	line = strstr(lab->text, begin);
	return line ? strtod(line + strlen(begin), NULL) : NAN;
}

static int series_of(const struct lab *lab, const char *family)
{
	char begin[PATH_SIZE];
	const char *line = lab->text;
	int count = 0;

	snprintf(begin, sizeof(begin), "\n%s{", family);
	while ((line = strstr(line, begin))) {
		line++;
		count++;
	}
	return count;
}

static void start_agent(struct lab *lab, const char *sonde)
{
	char listen[64], selected[PATH_SIZE];
	double until = now() + 60;

	snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", lab->port);
	snprintf(selected, sizeof(selected), "--select.cgroup=/sys/fs/cgroup/%s/%s", lab->unified ? "" : "cpu",
		 lab->base);
	lab->agent = fork();
	if (!lab->agent) {
		/* What is quickest to load: nothing that is captured is judged here. */
		execl(sonde, sonde, "run", listen, "--backend=tracepoint", "--no-capture.tls",
		      lab->whole_host ? NULL : selected, NULL);
		_exit(127);
	}
	while (!scrape(lab) || !strstr(lab->text, " 200 "))
		if (now() > until || waitpid(lab->agent, NULL, WNOHANG))
			die("the agent does not serve");
		else
			pause_ms(50);
}

/* --- results: TAP, and JSON for scripts/truth-table.py */

static void open_json(struct lab *lab, const char *path)
{
	lab->json = fopen(path, "we");
	if (!lab->json)
		die("%s", path);
	fputs("[", lab->json);
}

/* Of our own words: no quotes in them. */
static void write_json(const struct lab *lab, const char *name, const char *result, const char *detail)
{
	struct utsname system;

	if (!lab->json || uname(&system))
		return;
	fprintf(lab->json, "%s\n{\"case\": \"%s\", \"result\": \"%s\", \"detail\": \"%s\", ",
		lab->number > 1 ? "," : "", name, result, detail);
	fprintf(lab->json, "\"cgroups\": \"%s\", \"kernel\": \"%s\"}", lab->unified ? "v2" : "v1", system.release);
}

static void close_json(const struct lab *lab)
{
	if (lab->json)
		fputs("\n]\n", lab->json);
	if (lab->json && fclose(lab->json))
		die("results");
}

__attribute__((format(printf, 4, 5))) static void report(struct lab *lab, const char *name, bool good,
							 const char *format, ...)
{
	char detail[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	printf("# %s\n%sok %d - %s (%s)\n", detail, good ? "" : "not ", ++lab->number, name,
	       lab->unified ? "v2" : "v1");
	write_json(lab, name, good ? "pass" : "fail", detail);
	lab->failed += !good;
	fflush(stdout);
}

static void skip(struct lab *lab, const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++lab->number, name, reason);
	write_json(lab, name, "skip", reason);
	fflush(stdout);
}

static bool near(double left, double right, double tolerance)
{
	return fabs(left - right) <= tolerance;
}
