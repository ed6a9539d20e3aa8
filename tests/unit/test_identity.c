/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lives of processes, over a /proc that the test writes: first sight, exec, fork, exit, pids that come again,
 * limits, hostile files, memory that runs out. LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=file_read_start
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "identity/containers.h"
#include "identity/identity.h"

#define SECOND 1000000000ULL

/* Allocations until one fails; -1 for never. */
static int allocations_left = -1;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static int allocation_fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(count, size);
}

struct fixture {
	char procfs[64];
	struct identity *identity;
};

/* Called once, before the next file named `when_read` is read: what another processor does meanwhile. */
static const char *when_read;
static void (*meanwhile)(const struct fixture *fixture);
static const struct fixture *meanwhile_fixture;

int __real_file_read_start(int directory, const char *path, char *buffer, size_t size, size_t *ret_length);
int __wrap_file_read_start(int directory, const char *path, char *buffer, size_t size, size_t *ret_length);

int __wrap_file_read_start(int directory, const char *path, char *buffer, size_t size, size_t *ret_length)
{
	if (when_read && strstr(path, when_read)) {
		when_read = NULL;
		meanwhile(meanwhile_fixture);
	}
	return __real_file_read_start(directory, path, buffer, size, ret_length);
}

static void write_file(const struct fixture *f, uint32_t tgid, const char *file, const void *data, size_t length)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%u", f->procfs, tgid);
	assert_true(!mkdir(path, 0700) || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%u/%s", f->procfs, tgid, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), length);
	close(fd);
}

static void write_link(const struct fixture *f, uint32_t tgid, const char *file, const char *target)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%u/%s", f->procfs, tgid, file);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void write_start(const struct fixture *f, uint32_t tgid, unsigned start)
{
	char stat[128];
	int length =
		snprintf(stat, sizeof(stat), "%u (x) S 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 %u 5 6\n", tgid, start);

	write_file(f, tgid, "stat", stat, (size_t)length);
}

/* A process as /proc shows it; arguments and environment have a NUL after each string. */
#define PROCESS(f, tgid, start, exe, arguments, environment, cgroup)                   \
	do {                                                                           \
		write_start(f, tgid, start);                                           \
		write_link(f, tgid, "exe", exe);                                       \
		write_link(f, tgid, "cwd", "/");                                       \
		write_file(f, tgid, "comm", "comm\n", 5);                              \
		write_file(f, tgid, "cmdline", arguments "\0", sizeof(arguments));     \
		write_file(f, tgid, "environ", environment "\0", sizeof(environment)); \
		write_file(f, tgid, "cgroup", cgroup "\n", sizeof(cgroup));            \
	} while (0)

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

static void end_process(const struct fixture *f, uint32_t tgid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%u", f->procfs, tgid);
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void open_identity(struct fixture *f, size_t max_processes)
{
	struct identity_config config = {
		.procfs = f->procfs, .max_processes = max_processes, .keep_dead_ns = 30 * SECOND, .hash_seed = 7
	};

	identity_free(f->identity);
	f->identity = NULL;
	assert_int_equal(identity_new(&config, &f->identity), 0);
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	snprintf(f->procfs, sizeof(f->procfs), "/tmp/sonde-identity-XXXXXX");
	if (!mkdtemp(f->procfs))
		return -1;
	open_identity(f, 100);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	allocations_left = -1;
	identity_free(f->identity);
	nftw(f->procfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	test_free(f);
	return 0;
}

#define exec_event(pid, time, file, argv, env)                      \
	(&(struct identity_exec){ .tgid = pid,                      \
				  .time_ns = time,                  \
				  .filename = file,                 \
				  .arguments = argv "\0",           \
				  .arguments_length = sizeof(argv), \
				  .environment = env,               \
				  .environment_length = sizeof(env) - 1 })

#define assert_service(f, tgid, now, expected) assert_string_equal(identity_service((f)->identity, tgid, now), expected)
#define assert_executable(f, tgid, now, expected) \
	assert_string_equal(identity_executable((f)->identity, tgid, now), expected)

static void test_precedence(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 1, 100, "/usr/sbin/nginx", "nginx: worker process", "OTEL_SERVICE_NAME=shop",
		"0::/system.slice/web.service");
	PROCESS(f, 2, 100, "/usr/sbin/nginx", "nginx: worker process", "OTEL_RESOURCE_ATTRIBUTES=service.name=till",
		"0::/system.slice/web.service");
	PROCESS(f, 3, 100, "/usr/sbin/nginx", "nginx: worker process", "A=b", "0::/system.slice/web.service");
	PROCESS(f, 4, 100, "/usr/sbin/nginx (deleted)", "nginx: worker process", "A=b", "0::/session-1.scope");
	PROCESS(f, 5, 100, "/usr/bin/python3.11", "python3\0/app/manage.py\0runserver", "A=b", "0::/");
	assert_service(f, 1, SECOND, "shop");
	assert_service(f, 2, SECOND, "till");
	assert_service(f, 3, SECOND, "web");
	assert_service(f, 4, SECOND, "nginx");
	assert_executable(f, 4, SECOND, "/usr/sbin/nginx");
	assert_service(f, 5, SECOND, "manage");
	assert_executable(f, 5, SECOND, "/usr/bin/python3.11");
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;

	assert_service(f, 0, SECOND, "unknown");
	assert_service(f, 77, SECOND, "unknown");
	assert_executable(f, 77, SECOND, "");
	/* Asked again at once, nothing is read; a second later it is. */
	PROCESS(f, 77, 100, "/usr/bin/till", "till", "", "0::/");
	assert_service(f, 77, SECOND, "unknown");
	assert_service(f, 77, 3 * SECOND, "till");
}

static void test_missing_files(void **state)
{
	struct fixture *f = *state;

	write_start(f, 8, 100);
	assert_service(f, 8, SECOND, "unknown");
	write_start(f, 9, 100);
	write_file(f, 9, "comm", "kworker/0:1\n", 12);
	assert_service(f, 9, SECOND, "kworker/0:1");
	write_start(f, 10, 100);
	write_link(f, 10, "exe", "/usr/bin/till");
	assert_service(f, 10, SECOND, "till");
	write_file(f, 11, "cmdline", "/usr/bin/till", 13);
	assert_service(f, 11, SECOND, "till");
}

static void test_exec_event_is_enough(void **state)
{
	struct fixture *f = *state;

	/* Gone before its event was read: nothing in /proc. */
	identity_on_exec(f->identity, exec_event(20, SECOND, "/usr/bin/till", "till\0-x", "A=b\0"));
	identity_on_exit(f->identity, 20, SECOND + 1);
	assert_service(f, 20, 2 * SECOND, "till");
	assert_executable(f, 20, 2 * SECOND, "/usr/bin/till");
	identity_on_exec(f->identity, exec_event(21, SECOND, "/srv/api.py", "/usr/bin/python3\0/srv/api.py", "A=b\0"));
	assert_service(f, 21, SECOND, "api");
	assert_executable(f, 21, SECOND, "/usr/bin/python3");
	identity_on_exec(f->identity, exec_event(22, SECOND, "/usr/bin/till", "till", "OTEL_SERVICE_NAME=shop\0"));
	assert_service(f, 22, SECOND, "shop");
	/* Without anything at all. */
	identity_on_exec(f->identity, &(struct identity_exec){ .tgid = 23, .time_ns = SECOND });
	assert_service(f, 23, SECOND, "unknown");
}

static void test_exec_prefers_its_event(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 30, 100, "/usr/sbin/python3", "a title that was written since", "OTEL_SERVICE_NAME=till", "0::/");
	identity_on_exec(f->identity, exec_event(30, SECOND, "/usr/bin/python3", "python3\0api.py", "A=b\0"));
	assert_service(f, 30, SECOND, "api");
	/* A block that was cut before its last NUL may hide a variable: then /proc is asked. */
	identity_on_exec(f->identity, exec_event(30, SECOND, "/usr/bin/python3", "python3\0api.py", "A=b\0LONG=xx"));
	assert_service(f, 30, SECOND, "till");
	identity_on_exec(f->identity, exec_event(30, SECOND, "/usr/bin/python3", "python3\0api.py", ""));
	assert_service(f, 30, SECOND, "till");
}

static void test_exec_replaces_and_inherits(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 40, 100, "/usr/bin/bash", "bash\0/srv/start.sh", "A=b", "0::/system.slice/till.service");
	assert_service(f, 40, SECOND, "till");
	/* The child of a unit that is gone before its cgroup could be read was in its parent's. */
	identity_on_fork(f->identity, 40, 41, SECOND);
	identity_on_exec(f->identity, exec_event(41, SECOND, "/usr/bin/curl", "curl", "A=b\0"));
	assert_service(f, 41, SECOND, "till");
	assert_executable(f, 41, SECOND, "/usr/bin/curl");
	/* An environment's name goes on through exec when the new environment could not be read. */
	PROCESS(f, 42, 100, "/usr/bin/bash", "bash", "OTEL_SERVICE_NAME=shop", "0::/");
	identity_on_fork(f->identity, 42, 43, SECOND);
	identity_on_exec(f->identity, exec_event(43, SECOND, "/usr/bin/curl", "curl", ""));
	assert_service(f, 43, SECOND, "shop");
	/* And not when it was read and says nothing. */
	identity_on_exec(f->identity, exec_event(43, SECOND, "/usr/bin/curl", "curl", "A=b\0"));
	assert_service(f, 43, SECOND, "curl");
	/* The old program's name goes with it. */
	PROCESS(f, 44, 100, "/usr/bin/one", "one", "", "0::/");
	assert_service(f, 44, SECOND, "one");
	PROCESS(f, 44, 100, "/usr/bin/two", "two", "", "0::/");
	identity_on_exec(f->identity, exec_event(44, SECOND, "/usr/bin/two", "two", "A=b\0"));
	assert_service(f, 44, SECOND, "two");
}

static void test_fork_inherits(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 50, 100, "/usr/bin/python3", "python3\0shop.py", "", "0::/");
	/* The parent was never asked for, the child is never in /proc. */
	identity_on_fork(f->identity, 50, 51, SECOND);
	identity_on_fork(f->identity, 51, 52, SECOND);
	identity_on_exit(f->identity, 51, SECOND);
	assert_service(f, 51, SECOND, "shop");
	assert_service(f, 52, SECOND, "shop");
	assert_executable(f, 52, SECOND, "/usr/bin/python3");
	/* A child whose title changed still belongs to its executable. */
	PROCESS(f, 53, 200, "/usr/bin/python3", "a title", "", "0::/");
	identity_on_fork(f->identity, 50, 53, SECOND);
	assert_service(f, 53, SECOND, "shop");
	assert_service(f, 53, 60 * SECOND, "shop");
	/* A new thread is no new process. */
	identity_on_fork(f->identity, 50, 50, SECOND);
	assert_service(f, 50, SECOND, "shop");
	/* A parent that nothing is known of leaves its child to be read. */
	PROCESS(f, 55, 100, "/usr/bin/till", "till", "", "0::/");
	identity_on_fork(f->identity, 54, 55, SECOND);
	assert_service(f, 55, SECOND, "till");
}

static void test_titled_forks(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 60, 100, "/usr/sbin/php-fpm8.2", "php-fpm: master process (/etc/x)", "", "0::/");
	PROCESS(f, 61, 100, "/usr/sbin/php-fpm8.2", "php-fpm: pool shop", "", "0::/");
	identity_on_fork(f->identity, 60, 61, SECOND);
	assert_service(f, 60, SECOND, "php-fpm");
	assert_service(f, 61, SECOND, "shop");
}

static void test_dead_are_kept_for_a_while(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 70, 100, "/usr/bin/till", "till", "", "0::/");
	assert_service(f, 70, SECOND, "till");
	identity_on_exit(f->identity, 70, 2 * SECOND);
	identity_on_exit(f->identity, 70, 90 * SECOND);
	end_process(f, 70);
	identity_tick(f->identity, 32 * SECOND);
	assert_service(f, 70, 32 * SECOND, "till");
	identity_tick(f->identity, 1);
	identity_tick(f->identity, 32 * SECOND + 1);
	assert_service(f, 70, 33 * SECOND, "unknown");
}

static void test_pid_comes_again(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 80, 100, "/usr/bin/one", "one", "", "0::/");
	assert_service(f, 80, SECOND, "one");
	/* No event came. Within the time of belief the old name stays, then the start time tells. */
	PROCESS(f, 80, 200, "/usr/bin/one", "two", "OTEL_SERVICE_NAME=two", "0::/");
	assert_service(f, 80, 2 * SECOND, "one");
	assert_service(f, 80, 12 * SECOND, "two");
	/* An exec that was not seen: the executable tells. */
	PROCESS(f, 80, 200, "/usr/bin/three", "three", "", "0::/");
	assert_service(f, 80, 30 * SECOND, "three");
	/* An exit that was not seen keeps the name while the dead are kept. */
	end_process(f, 80);
	assert_service(f, 80, 50 * SECOND, "three");
	/* A new process on a dead one's pid. */
	PROCESS(f, 80, 300, "/usr/bin/four", "four", "", "0::/");
	assert_service(f, 80, 60 * SECOND, "four");
	/* With its fork seen, at once. */
	identity_on_exit(f->identity, 80, 61 * SECOND);
	PROCESS(f, 81, 1, "/usr/bin/five", "five", "", "0::/");
	identity_on_fork(f->identity, 81, 80, 61 * SECOND);
	assert_service(f, 80, 61 * SECOND, "five");
}

static void test_a_zombie_is_still_itself(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 85, 100, "/usr/bin/till", "till", "", "0::/");
	assert_service(f, 85, SECOND, "till");
	identity_on_exit(f->identity, 85, 2 * SECOND);
	write_file(f, 85, "cmdline", "", 0);
	assert_service(f, 85, 20 * SECOND, "till");
}

static void test_exit_before_exec(void **state)
{
	struct fixture *f = *state;

	PROCESS(f, 86, 100, "/usr/bin/sh", "sh", "", "0::/");
	identity_on_fork(f->identity, 86, 87, SECOND);
	/* Two processors' events changed places. */
	identity_on_exit(f->identity, 87, 3 * SECOND);
	identity_on_exec(f->identity, exec_event(87, 2 * SECOND, "/usr/bin/till", "till", "A=b\0"));
	assert_service(f, 87, 4 * SECOND, "till");
	identity_tick(f->identity, 40 * SECOND);
	assert_service(f, 87, 40 * SECOND, "unknown");
}

static void replace_process(const struct fixture *f)
{
	PROCESS(f, 88, 200, "/usr/bin/new", "new", "OTEL_SERVICE_NAME=new", "0::/");
}

static void end_while_read(const struct fixture *f)
{
	end_process(f, 89);
}

static void test_changes_while_read(void **state)
{
	struct fixture *f = *state;

	/* The old environment and the new command line must not become one process. */
	PROCESS(f, 88, 100, "/usr/bin/old", "old", "A=b", "0::/");
	meanwhile_fixture = f;
	meanwhile = replace_process;
	when_read = "/88/cmdline";
	assert_service(f, 88, SECOND, "new");
	assert_executable(f, 88, SECOND, "/usr/bin/new");
	assert_null(when_read);
	/* One that ends while it is read has the name that was read until then. */
	PROCESS(f, 89, 100, "/usr/bin/old", "old", "OTEL_SERVICE_NAME=till", "0::/");
	meanwhile = end_while_read;
	when_read = "/89/cgroup";
	assert_service(f, 89, SECOND, "till");
	assert_null(when_read);
}

static void test_limit(void **state)
{
	struct fixture *f = *state;

	open_identity(f, 3);
	for (uint32_t tgid = 1; tgid <= 3; tgid++) {
		char name[32];
		int length = snprintf(name, sizeof(name), "OTEL_SERVICE_NAME=p%u", tgid);

		PROCESS(f, tgid, 100, "/usr/bin/x", "x", "", "0::/");
		write_file(f, tgid, "environ", name, (size_t)length);
	}
	assert_service(f, 1, SECOND, "p1");
	assert_service(f, 2, SECOND, "p2");
	assert_service(f, 3, SECOND, "p3");
	assert_service(f, 1, SECOND, "p1");
	identity_on_exit(f->identity, 3, SECOND);
	/* From now on /proc would answer otherwise: who still has the old name was kept. */
	for (uint32_t tgid = 1; tgid <= 3; tgid++)
		write_file(f, tgid, "environ", "OTEL_SERVICE_NAME=new", 21);
	PROCESS(f, 4, 100, "/usr/bin/four", "four", "", "0::/");
	assert_service(f, 4, SECOND, "four"); /* 3, the dead one, left */
	assert_service(f, 1, SECOND, "p1");
	assert_service(f, 2, SECOND, "p2");
	assert_service(f, 3, SECOND, "new"); /* 4, the least recently asked, left */
	assert_service(f, 1, SECOND, "p1");
	/* A fork whose parent has to leave for it. */
	open_identity(f, 1);
	identity_on_fork(f->identity, 1, 9, SECOND);
	assert_service(f, 9, SECOND, "new");
	for (uint32_t tgid = 100; tgid < 1000; tgid++)
		identity_on_fork(f->identity, 9, tgid, SECOND);
	assert_service(f, 3, SECOND, "new");
}

static void test_hostile_contents(void **state)
{
	struct fixture *f = *state;
	size_t size = 1 << 20;
	char *large = test_malloc(size);
	const char *name;

	/* One MiB without a single NUL. */
	memset(large, 'A', size);
	write_start(f, 90, 100);
	write_file(f, 90, "cmdline", large, size);
	write_file(f, 90, "environ", large, size);
	write_file(f, 90, "cgroup", large, size);
	write_file(f, 90, "comm", large, size);
	name = identity_service(f->identity, 90, SECOND);
	assert_int_equal(strlen(name), 128);
	/* Not text. */
	memset(large, 0xfe, size);
	write_start(f, 91, 100);
	write_file(f, 91, "cmdline", large, size);
	write_file(f, 91, "cgroup", large, size);
	name = identity_service(f->identity, 91, SECOND);
	assert_true(name[0] && strlen(name) <= 128 && utf8_valid(name, strlen(name)));
	/* Nothing but NULs. */
	memset(large, 0, size);
	write_start(f, 92, 100);
	write_file(f, 92, "cmdline", large, size);
	write_file(f, 92, "environ", large, size);
	write_file(f, 92, "comm", large, size);
	name = identity_service(f->identity, 92, SECOND);
	assert_true(name[0] && utf8_valid(name, strlen(name)));
	/* A stat that is none: the process cannot be told from another, but has its name. */
	PROCESS(f, 93, 100, "/usr/bin/till", "till", "", "0::/");
	write_file(f, 93, "stat", large, size);
	assert_service(f, 93, SECOND, "till");
	/* A name that breaks lines, and one that is only blanks. */
	PROCESS(f, 94, 100, "/usr/bin/till", "till", "OTEL_SERVICE_NAME=a\nb\"\\", "0::/");
	assert_service(f, 94, SECOND, "a_b\"\\");
	PROCESS(f, 95, 100, "/usr/bin/till", "till", "OTEL_SERVICE_NAME=  ", "0::/");
	assert_service(f, 95, SECOND, "till");
	test_free(large);
}

static void test_bad_configuration(void **state)
{
	struct identity_config config = { .procfs = "/proc" };
	struct identity *identity = NULL;

	(void)state;
	assert_int_equal(identity_new(&config, &identity), -EINVAL);
	config = (struct identity_config){ .max_processes = 1 };
	assert_int_equal(identity_new(&config, &identity), -EINVAL);
	assert_null(identity);
	identity_free(NULL);
}

static void test_memory_runs_out(void **state)
{
	struct fixture *f = *state;
	bool named = false;

	PROCESS(f, 96, 100, "/usr/bin/till", "till", "", "0::/system.slice/shop.service");
	for (int n = 0; n < 20 && !named; n++) {
		open_identity(f, 10);
		allocations_left = n;
		identity_on_fork(f->identity, 96, 97, SECOND);
		identity_on_exec(f->identity, exec_event(96, SECOND, "/usr/bin/till", "till", "A=b\0"));
		named = !strcmp(identity_service(f->identity, 96, SECOND), "shop");
		assert_true(named || !strcmp(identity_service(f->identity, 96, SECOND), "unknown"));
		named = named && allocations_left >= 0;
		allocations_left = -1;
	}
	assert_true(named);
}

/* For spans: a fork has its own pid and its parent's container. */
static void test_resources(void **state)
{
	struct fixture *f = *state;
	struct containers_config of_containers = { .rootfs = f->procfs, .limit = 8 };
	struct identity_config config = {
		.procfs = f->procfs, .max_processes = 8, .keep_dead_ns = SECOND, .hash_seed = 7
	};

	assert_int_equal(containers_new(&of_containers, &config.containers), 0);
	identity_free(f->identity);
	assert_int_equal(identity_new(&config, &f->identity), 0);
	PROCESS(f, 70, 100, "/usr/bin/shop", "shop", "", "0::/lxc/cellar/.lxc");
	PROCESS(f, 72, 100, "/usr/bin/cron", "cron", "", "0::/system.slice/cron.service");
	assert_string_equal(identity_resource(f->identity, 70, SECOND),
			    "process.pid=70\nprocess.executable.name=shop\nprocess.executable.path=/usr/bin/shop\n"
			    "container.id=cellar\ncontainer.name=cellar\n");
	identity_on_fork(f->identity, 70, 71, SECOND);
	assert_string_equal(identity_resource(f->identity, 71, SECOND),
			    "process.pid=71\nprocess.executable.name=shop\nprocess.executable.path=/usr/bin/shop\n"
			    "container.id=cellar\ncontainer.name=cellar\n");
	assert_string_equal(identity_resource(f->identity, 72, SECOND),
			    "process.pid=72\nprocess.executable.name=cron\nprocess.executable.path=/usr/bin/cron\n");
	assert_string_equal(identity_resource(f->identity, 0, SECOND), "");
	identity_free(f->identity);
	f->identity = NULL;
	containers_free(config.containers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_precedence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_event_is_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_prefers_its_event, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_replaces_and_inherits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork_inherits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_titled_forks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_are_kept_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_zombie_is_still_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit_before_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_while_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resources, setup, teardown),
		cmocka_unit_test(test_bad_configuration),
		cmocka_unit_test_setup_teardown(test_memory_runs_out, setup, teardown),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
