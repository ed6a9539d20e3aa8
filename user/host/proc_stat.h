/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/stat (Documentation/filesystems/proc.rst, 1.7), taken apart for two collectors: processors' times and the
 * counters below them. Pure.
 */
#pragma once

#include "host/scan.h"

/* The columns of a cpu line, in its order. Guest times are in user and nice too. */
enum cpu_time {
	CPU_USER,
	CPU_NICE,
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT,
	CPU_IRQ,
	CPU_SOFTIRQ,
	CPU_STEAL,
	CPU_GUEST,
	CPU_GUEST_NICE,
	CPU_TIMES,
};

#define CPU_TICKS 100.0 /* USER_HZ: the unit of the columns on every architecture that sonde runs on */

struct cpu_line {
	uint32_t number;
	uint64_t ticks[CPU_TIMES]; /* columns that an old kernel has not are 0 */
};

/* The next line of one processor; false at the end of them. The line of the sum is passed over. *ret_error is -EINVAL
 * when a line is malformed. */
bool proc_stat_cpu(struct span *text, struct cpu_line *ret_line, int *ret_error);

/* The first number of the line that begins with `name` and a blank; -ENODATA, -EINVAL. */
MUST_CHECK int proc_stat_counter(struct span text, const char *name, uint64_t *ret_value);
/* The line itself, behind its name. */
bool proc_stat_line(struct span text, const char *name, struct span *ret_line);
