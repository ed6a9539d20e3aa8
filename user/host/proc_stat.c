/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu  user nice system idle iowait irq softirq steal guest guest_nice
 * cpu0 ...
 * intr TOTAL ...    ctxt N    btime N    processes N    procs_running N    procs_blocked N    softirq TOTAL 10 x N
 */
#include "host/proc_stat.h"

#include <errno.h>

static int parse_cpu(struct span line, struct cpu_line *ret_line)
{
	struct cpu_line cpu = { 0 };
	struct span word;
	uint64_t number;

	if (!scan_word(&line, &word) || span_u64(span_skip(word, 3), &number) || number > UINT32_MAX)
		return -EINVAL;
	cpu.number = (uint32_t)number;
	for (size_t i = 0; i < CPU_TIMES; i++) {
		line = span_trim(line);
		if (!line.length && i > CPU_IDLE)
			break;
		if (!scan_u64(&line, &cpu.ticks[i]))
			return -EINVAL;
	}
	*ret_line = cpu;
	return 0;
}

bool proc_stat_cpu(struct span *text, struct cpu_line *ret_line, int *ret_error)
{
	struct span line;

	while (scan_line(text, &line)) {
		if (span_begins(line, "cpu "))
			continue;
		if (!span_begins(line, "cpu"))
			return false;
		*ret_error = parse_cpu(line, ret_line);
		return !*ret_error;
	}
	return false;
}

bool proc_stat_line(struct span text, const char *name, struct span *ret_line)
{
	size_t length = strlen(name);
	struct span line;

	while (scan_line(&text, &line)) {
		if (!span_begins(line, name) || line.length == length || line.at[length] != ' ')
			continue;
		*ret_line = span_skip(line, length + 1);
		return true;
	}
	return false;
}

int proc_stat_counter(struct span text, const char *name, uint64_t *ret_value)
{
	struct span line;

	if (!proc_stat_line(text, name, &line))
		return -ENODATA;
	return scan_u64(&line, ret_value) ? 0 : -EINVAL;
}
