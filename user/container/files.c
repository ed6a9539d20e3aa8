/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a cgroup's files. Opening and closing costs about eight times what reading does, and an open file costs the
 * kernel a page and a half: so files stay open up to a number for all cgroups together, the others are opened each
 * time. Limits change seldom: they are looked at once a minute.
 */
#include "container/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"

#define LIMITS_NS NS_PER_MINUTE

void files_init(struct record *record)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		record->files[i] = -1;
}

static void close_file(struct container_table *table, struct record *record, size_t index)
{
	if (record->files[index] < 0)
		return;
	close(record->files[index]);
	record->files[index] = -1;
	table->open_files--;
}

void files_close(struct container_table *table, struct record *record)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		close_file(table, record, i);
}

static int open_file(const struct container_table *table, const struct record *record, size_t hierarchy,
		     const char *name)
{
	const char *path = record->shown.path + 1;
	size_t length = strlen(path), size = strlen(name);
	char text[PATH_BYTES + 64];
	int fd;

	if (length + size + 2 > sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, path, length);
	if (length)
		text[length++] = '/';
	memcpy(text + length, name, size + 1);
	fd = openat(table->hierarchies[hierarchy].root, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* Files of cgroups come whole in one read when the buffer is large enough; cgroup.procs in pieces. */
static int read_text(int fd, char *text, size_t *ret_length)
{
	size_t length = 0;

	while (length < SCRATCH_BYTES - 1) {
		ssize_t got = pread(fd, text + length, SCRATCH_BYTES - 1 - length, (off_t)length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		length += (size_t)got;
		/* Less than a page is the end: kernfs fills pages. */
		if (got < 4096 - 64)
			break;
	}
	text[length] = '\0';
	*ret_length = length;
	return 0;
}

int file_text(struct container_table *table, struct record *record, size_t hierarchy, size_t index, const char *name,
	      size_t *ret_length)
{
	int error, fd = record->files[index];

	if (fd < 0)
		fd = open_file(table, record, hierarchy, name);
	if (fd < 0)
		return fd;
	error = read_text(fd, table->scratch, ret_length);
	if (record->files[index] >= 0) {
		if (error)
			close_file(table, record, index);
	} else if (!error && table->open_files < table->open_files_max) {
		record->files[index] = fd;
		table->open_files++;
	} else {
		close(fd);
		table->open_files_shorter |= !error;
	}
	return error;
}

/* A controller that is not on here, a kernel without the file, pressure that is switched off. */
static bool is_absence(int error)
{
	return error == -ENOENT || error == -EOPNOTSUPP;
}

/* ENODEV: the cgroup went while it was read. Its death is told by others. */
static void count_failure(struct container_table *table, int error)
{
	if (error != -ENODEV)
		table->drops.unreadable++;
}

static void read_rule(struct container_table *table, struct record *record, size_t index)
{
	const struct file_rule *rule = &file_rules[index];
	int hierarchy = table->of_controller[rule->controller];
	struct reading reading = { .record = record, .text = table->scratch };
	int error;

	if (hierarchy < 0 || table->hierarchies[hierarchy].unified != rule->unified ||
	    !(record->in & (1U << hierarchy)) || record->absent & (1ULL << index))
		return;
	error = file_text(table, record, (size_t)hierarchy, index, rule->name, &reading.length);
	if (is_absence(error))
		record->absent |= 1ULL << index;
	else if (error)
		count_failure(table, error);
	if (error)
		return;
	if (rule->limits)
		close_file(table, record, index);
	reading.sink = (struct value_sink){ record->values, &record->present };
	rule->read(&reading, rule);
}

static void derive(const struct container_table *table, struct record *record)
{
	uint64_t usage = record->values[MEMORY_USAGE], inactive = record->values[MEMORY_INACTIVE_FILE];

	if (has_value(record, MEMORY_USAGE) && has_value(record, MEMORY_INACTIVE_FILE))
		set_value(record, MEMORY_WORKING_SET, usage > inactive ? usage - inactive : 0);
	/* v2 counts a cgroup's faults with those below it: both scopes are told the same, as cAdvisor does. */
	if (has_value(record, PAGE_FAULTS) && container_is_unified(table, CGROUP_MEMORY)) {
		set_value(record, PAGE_FAULTS_OWN, record->values[PAGE_FAULTS]);
		set_value(record, PAGE_FAULTS_MAJOR_OWN, record->values[PAGE_FAULTS_MAJOR]);
	}
}

void files_read(struct container_table *table, struct record *record, uint64_t now_ns)
{
	bool limits = now_ns >= record->limits_due_ns;

	if (limits) {
		/* Spread, so that a thousand containers are not looked at in one scrape. */
		record->limits_due_ns = now_ns + LIMITS_NS / 2 + (record->shown.slot % 64) * (LIMITS_NS / 128);
		record->absent = 0;
	}
	record->at_rest = false;
	for (size_t i = 0; file_rules[i].name; i++) {
		if (limits ? true : !file_rules[i].limits && !(file_rules[i].by_work && record->at_rest))
			read_rule(table, record, i);
		else if (file_rules[i].by_work && table->open_files_short)
			close_file(table, record, i); /* makes room for one that is read each time */
		/* The CPU time stands before what it makes needless to read, in either tree. */
		if (file_rules[i].tells_work)
			record->at_rest = has_value(record, CPU_USAGE) &&
					  record->values[CPU_USAGE] == record->cpu_before;
	}
	record->cpu_before = record->values[CPU_USAGE];
	derive(table, record);
	set_value(record, LAST_SEEN, table->realtime_ns);
}
