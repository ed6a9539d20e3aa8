/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /proc/PID/{stat,exe,cwd,comm,cgroup,cmdline,environ}. The files are read one after the other while the process
 * may exec or end, so the start time is looked at before and after: facts of two processes never mix.
 */
#include "identity/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/number.h"
#include "identity/command.h"
#include "identity/unit.h"

#define SCRATCH_BYTES (256 * 1024) /* of cmdline and environ; names stand early, class paths are long */
#define STAT_BYTES 1024
#define START_FIELD 22 /* proc_pid_stat(5): starttime */
#define COMM_BYTES 64
#define SMALL_BYTES 4352 /* a path and the words before it */

static int process_path(char *path, size_t size, const char *procfs, uint32_t tgid, const char *file)
{
	int length = snprintf(path, size, "%s/%u/%s", procfs, tgid, file);

	return length > 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

/* The start of a file of the process. */
static int read_file(const char *procfs, uint32_t tgid, const char *file, char *data, size_t size, size_t *ret_length)
{
	char path[PATH_MAX];
	int error = process_path(path, sizeof(path), procfs, tgid, file);

	return error ? error : file_read_start(AT_FDCWD, path, data, size, ret_length);
}

static void read_link(const char *procfs, uint32_t tgid, const char *file, char *target)
{
	char path[PATH_MAX];
	ssize_t length = -1;

	if (!process_path(path, sizeof(path), procfs, tgid, file))
		length = readlink(path, target, PATH_MAX - 1);
	target[length > 0 ? length : 0] = '\0';
}

void process_executable(const char *procfs, uint32_t tgid, char *path)
{
	static const char deleted[] = " (deleted)";
	struct slice target;

	read_link(procfs, tgid, "exe", path);
	target = slice_of(path);
	if (slice_ends(target, deleted))
		path[target.length - (sizeof(deleted) - 1)] = '\0';
}

uint64_t process_parse_start(struct slice stat)
{
	/* Field 2 is the name in parentheses, which may hold anything, more of them too: fields count from the last. */
	struct slice rest = slice_after_last(stat, ')'), field = slice_of("");
	uint64_t ticks = 0;

	if (rest.length == stat.length)
		return 0;
	rest = slice_skip(rest, 1);
	for (int number = 3; number <= START_FIELD; number++)
		if (!slice_next(&rest, ' ', &field))
			return 0;
	return number_u64_span(field.data, field.length, &ticks) ? 0 : ticks;
}

uint64_t process_start_ticks(const char *procfs, uint32_t tgid)
{
	char text[STAT_BYTES];
	size_t length;

	if (read_file(procfs, tgid, "stat", text, sizeof(text), &length))
		return 0;
	return process_parse_start(slice_make(text, length));
}

static void take_environment(struct slice environment, struct process_facts *facts)
{
	if (facts->source != NAME_FROM_ENVIRONMENT && environment_service(environment, facts->name))
		facts->source = NAME_FROM_ENVIRONMENT;
	if (!facts->declared[0])
		environment_declared(environment, facts->declared);
}

/* Without the variable that was cut off at the end: half a value is a wrong one. */
static struct slice whole_variables(struct slice environment)
{
	while (environment.length && environment.data[environment.length - 1])
		environment.length--;
	return environment;
}

/* What the environment of a process declares. Wipes what it read. */
static void read_environment(const char *procfs, uint32_t tgid, const struct identity_exec *exec, char *scratch,
			     struct process_facts *facts)
{
	size_t length;
	int error;

	if (exec && exec->environment_length) {
		struct slice block = slice_make(exec->environment, exec->environment_length);

		/* A block that does not end in NUL was cut: what is missing may be in /proc. */
		facts->environment_seen = block.data[block.length - 1] == '\0';
		take_environment(whole_variables(block), facts);
	}
	if (facts->environment_seen)
		return;
	error = read_file(procfs, tgid, "environ", scratch, SCRATCH_BYTES, &length);
	if (error) {
		/* Ended while being read: how much came is not known. */
		if (error != -ENOENT && error != -EACCES)
			explicit_bzero(scratch, SCRATCH_BYTES);
		return;
	}
	facts->environment_seen = length + 1 < SCRATCH_BYTES;
	if (facts->environment_seen)
		take_environment(slice_make(scratch, length), facts);
	else
		take_environment(whole_variables(slice_make(scratch, length)), facts);
	explicit_bzero(scratch, length);
}

/* A machine's own services are told apart; its name stands for what is none of them. */
static size_t service_in_machine(struct slice below, const struct container_info *info, char *name)
{
	char line[SMALL_BYTES];
	size_t length = 0;
	int size = snprintf(line, sizeof(line), "0::%.*s", (int)below.length, below.data ? below.data : "");

	if (size > 0 && (size_t)size < sizeof(line))
		length = unit_service(slice_of(line), name);
	return length ? length : slice_clean(slice_of(info->service), name);
}

/* The service of the container that a process is in, by whichever hierarchy's path tells one. 0 for none. */
static size_t container_service(const struct process_reader *reader, struct slice cgroup, char *name, char *place)
{
	struct slice line, number, controllers, own, last = slice_of("");

	while (reader->containers && slice_next(&cgroup, '\n', &line)) {
		const struct container_info *info;

		if (!slice_next(&line, ':', &number) || !slice_next(&line, ':', &controllers) || line.length < 2 ||
		    (line.length == last.length && !memcmp(line.data, last.data, line.length)))
			continue;
		last = line;
		info = containers_find(reader->containers, line, reader->now_ns, &own);
		if (!info)
			continue;
		memcpy(place, info->lines, strlen(info->lines) + 1);
		if (info->runtime == RUNTIME_LXC || info->runtime == RUNTIME_MACHINE)
			return service_in_machine(slice_skip(line, own.length), info, name);
		return slice_clean(slice_of(info->service), name);
	}
	return 0;
}

/* Whether a line of the cgroup file has what may be a container's name. */
static bool may_be_in_container(struct slice cgroup)
{
	struct slice line, number, controllers;
	struct cgroup_container container;

	while (slice_next(&cgroup, '\n', &line))
		if (slice_next(&line, ':', &number) && slice_next(&line, ':', &controllers) &&
		    (cgroup_path_container(line, &container) || cgroup_path_candidate(line, 0, &container)))
			return true;
	return false;
}

bool process_in_container(const struct process_reader *reader, uint32_t tgid)
{
	CLEANUP_FREE char *scratch = malloc(SCRATCH_BYTES);
	char name[IDENTITY_NAME_MAX + 1], place[FACTS_LINES_MAX] = "";
	size_t length;

	if (!scratch || read_file(reader->procfs, tgid, "cgroup", scratch, SCRATCH_BYTES, &length))
		return false;
	(void)container_service(reader, slice_make(scratch, length), name, place);
	return place[0];
}

static void read_cgroup(const struct process_reader *reader, uint32_t tgid, char *scratch, struct process_facts *facts)
{
	size_t length;

	if (read_file(reader->procfs, tgid, "cgroup", scratch, SCRATCH_BYTES, &length))
		return;
	facts->unit_seen = true;
	if (!container_service(reader, slice_make(scratch, length), facts->unit, facts->place))
		unit_service(slice_make(scratch, length), facts->unit);
	facts->unsettled = reader->containers && !facts->place[0] && may_be_in_container(slice_make(scratch, length));
	if (facts->source == NAME_UNKNOWN && facts->unit[0]) {
		memcpy(facts->name, facts->unit, sizeof(facts->name));
		facts->source = NAME_FROM_UNIT;
	}
}

/*
 * What exec says was executed. For a script that is the script, while its interpreter, the executable, stands first in
 * the arguments that the kernel rewrote (execve(2), "Interpreter scripts"): "INTERPRETER [OPTION] SCRIPT ...".
 */
static struct slice exec_executable(const struct identity_exec *exec)
{
	struct slice filename = slice_of(exec->filename ? exec->filename : ""), first, argument;
	struct arguments arguments = { .rest = slice_make(exec->arguments, exec->arguments_length), .separator = '\0' };

	if (!arguments_next(&arguments, &first) || !filename.length)
		return filename;
	for (int i = 0; i < 2 && arguments_next(&arguments, &argument); i++)
		if (slice_is(argument, exec->filename))
			return first;
	return filename;
}

static void keep_path(struct slice path, char *target)
{
	if (path.length >= PATH_MAX)
		return;
	memcpy(target, path.data, path.length);
	target[path.length] = '\0';
}

static void read_executable(const char *procfs, uint32_t tgid, const struct identity_exec *exec,
			    struct process_facts *facts)
{
	process_executable(procfs, tgid, facts->executable);
	if (!facts->executable[0] && exec)
		keep_path(exec_executable(exec), facts->executable);
}

/* Only for a process that neither environment nor unit named: most of what /proc costs is here. */
static void read_command(const char *procfs, uint32_t tgid, const struct identity_exec *exec, char *scratch,
			 struct process_facts *facts)
{
	char directory[PATH_MAX], comm[COMM_BYTES];
	size_t length = 0, comm_length = 0;
	struct command command = { .executable = slice_of(facts->executable) };

	if (exec && exec->arguments_length)
		command.arguments = slice_make(exec->arguments, exec->arguments_length);
	else if (!read_file(procfs, tgid, "cmdline", scratch, SCRATCH_BYTES, &length))
		command.arguments = slice_make(scratch, length);
	read_link(procfs, tgid, "cwd", directory);
	command.directory = slice_of(directory);
	if (!facts->executable[0] && !read_file(procfs, tgid, "comm", comm, sizeof(comm), &comm_length))
		command.comm = slice_make(comm, comm_length);
	facts->titled = command_is_titled(&command);
	if (slice_clean(command_service(&command), facts->name))
		facts->source = NAME_FROM_COMMAND;
	/* Arguments can hold secrets as well. */
	explicit_bzero(scratch, length);
}

int process_read(const struct process_reader *reader, uint32_t tgid, const struct identity_exec *exec,
		 struct process_facts *ret_facts)
{
	const char *procfs = reader->procfs;
	CLEANUP_FREE char *scratch = malloc(SCRATCH_BYTES);
	uint64_t start, after;

	*ret_facts = (struct process_facts){ 0 };
	if (!scratch)
		return -ENOMEM;
	start = process_start_ticks(procfs, tgid);
	for (int attempt = 0; attempt < 2; attempt++) {
		*ret_facts = (struct process_facts){ .start_ticks = start };
		read_environment(procfs, tgid, exec, scratch, ret_facts);
		read_cgroup(reader, tgid, scratch, ret_facts);
		read_executable(procfs, tgid, exec, ret_facts);
		if (ret_facts->source == NAME_UNKNOWN)
			read_command(procfs, tgid, exec, scratch, ret_facts);
		after = process_start_ticks(procfs, tgid);
		/* Ended meanwhile: what was read while it was there is its own. */
		if (after == start || !after)
			return ret_facts->source == NAME_UNKNOWN ? -ENOENT : 0;
		start = after;
	}
	*ret_facts = (struct process_facts){ 0 };
	return -ENOENT;
}
