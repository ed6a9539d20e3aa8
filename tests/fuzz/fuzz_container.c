/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile state files, cgroup paths and cgroup files: the first byte chooses a parser, the rest is its text. Texts that
 * may leave must be valid UTF-8 without control characters, whatever comes.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "container/parse.h"
#include "identity/facts.h"
#include "identity/workload.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check_text(const char *text, size_t limit)
{
	size_t length = strlen(text);

	if (length >= limit || !utf8_valid(text, length))
		abort();
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			abort();
}

static void check_facts(facts_reader reader, struct slice text)
{
	static const char path[] = "/kubepods/podabc/" HEX;
	struct cgroup_container container = {
		.sure = true, .path = slice_of(path), .id = slice_of(HEX), .above = slice_of("podabc")
	};
	struct container_facts facts = { .runtime = RUNTIME_UNKNOWN };
	char service[IDENTITY_NAME_MAX + 1];

	(void)!reader(text, &container, &facts);
	check_text(facts.name, FACT_MAX);
	check_text(facts.image, FACT_MAX);
	check_text(facts.container, FACT_MAX);
	check_text(facts.pod, FACT_MAX);
	check_text(facts.name_space, FACT_MAX);
	check_text(facts.pod_uid, FACT_MAX);
	facts_service(&facts, &container, service);
	check_text(service, sizeof(service));
}

static void check_path(struct slice path)
{
	struct cgroup_container container;

	if (cgroup_path_container(path, &container) &&
	    (container.path.length > path.length || container.id.length > container.path.length))
		abort();
	for (unsigned int depth = 0; depth < 4; depth++)
		if (cgroup_path_candidate(path, depth, &container) && !container.id.length)
			abort();
	if (cgroup_path_pod(path).length > path.length)
		abort();
	if (workload_of_pod(path).length > path.length)
		abort();
}

static void check_file(char kind, const char *text, size_t length)
{
	static const struct key_value keys[] = { { "anon", MEMORY_RSS, 1 },
						 { "usage_usec", CPU_USAGE, 1000 },
						 { NULL, VALUE_COUNT, 0 } };
	uint64_t values[VALUE_COUNT], present = 0, number, counters[NETWORK_COUNTERS];
	struct value_sink sink = { values, &present };
	const char *at = text, *operation;
	uint32_t major, minor;
	struct io_values io;
	char name[16];
	size_t size;

	switch (kind) {
	case 'f':
		parse_flat(text, length, keys, &sink);
		parse_pressure(text, length, PRESSURE_CPU_SOME, PRESSURE_CPU_FULL, &sink);
		parse_cpu_max(text, &sink);
		(void)!parse_number(text, &number);
		break;
	case 'i':
		while (parse_io_stat(&at, &major, &minor, &io))
			;
		break;
	case 'k':
		while (parse_blkio(&at, &major, &minor, &operation, &size, &number))
			if (operation < text || operation + size > text + length)
				abort();
		break;
	default:
		while (parse_net_dev(&at, name, counters))
			if (strlen(name) >= sizeof(name))
				abort();
	}
	if (at > text + length)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text;
	char *copy;

	if (!size)
		return 0;
	text = slice_make((const char *)data + 1, size - 1);
	/* Files are read into buffers that end in NUL; state files and paths are counted. */
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	switch (data[0]) {
	case 'd':
		check_facts(facts_from_docker, text);
		break;
	case 'b':
		check_facts(facts_from_bundle, text);
		break;
	case 'r':
		check_facts(facts_from_runc, text);
		break;
	case 's':
		check_facts(facts_from_storage, text);
		break;
	case 'x': {
		struct container_facts facts = { .pod_uid = "u", .pod = "web-0", .image = "a:1@b" };
		char lines[FACTS_LINES_MAX];

		(void)facts_from_sandbox(text, &facts);
		if (facts_lines(&facts, text, lines) != strlen(lines) || !utf8_valid(lines, strlen(lines)))
			abort();
		break;
	}
	case 'p':
		check_path(text);
		break;
	case 't':
		(void)facts_time(copy);
		break;
	default:
		check_file((char)data[0], copy, size - 1);
	}
	free(copy);
	return 0;
}
