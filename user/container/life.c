/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Births and deaths as the kernel side tells them. A death brings the kernel's last account, so that a cgroup that
 * nobody had read yet is told all the same.
 */
#include <string.h>

#include "base/clock.h"
#include "container/internal.h"

#define PATH_CUT 1023 /* where the kernel's trace events end a path (TRACE_CGROUP_PATH_LEN) */

void container_watched(struct container_table *table, bool watched)
{
	table->events = watched;
}

static void put_last(struct record *record, enum value value, uint64_t number)
{
	if (!has_value(record, value) || number > record->values[value])
		set_value(record, value, number);
}

/* User and system time are counted in ticks, their sum exactly: it is parted as the ticks are, which is what the kernel
 * does for its files (cputime_adjust). */
static void put_cpu(struct record *record, const struct cgroup_life *life)
{
	uint64_t ticks = life->user_ns + life->system_ns;
	uint64_t system = ticks ? (uint64_t)((double)life->cpu_ns * (double)life->system_ns / (double)ticks) : 0;

	put_last(record, CPU_USAGE, life->cpu_ns);
	put_last(record, CPU_SYSTEM, system);
	put_last(record, CPU_USER, life->cpu_ns - system);
}

static void put_memory(struct record *record, const struct cgroup_life *life)
{
	put_last(record, MEMORY_MAX_USAGE, life->memory_peak_pages * (uint64_t)sysconf(_SC_PAGESIZE));
	put_last(record, MEMORY_OOM_KILLS, life->oom_kills);
}

static void born(struct record *record, uint64_t realtime_ns)
{
	if (record->created_told)
		return;
	record->created_told = true;
	set_value(record, CREATION_TIME, realtime_ns);
	set_value(record, START_TIME, realtime_ns);
}

static void died(struct container_table *table, struct record *record, size_t hierarchy, const struct cgroup_life *life,
		 uint64_t realtime_ns)
{
	/* The last moment at which its runtime's files say who it was. */
	if (record->may_be_named && !record->info) {
		record->name_retry_ns = 1;
		containers_hurry(table->containers, slice_of(record->shown.path));
	}
	labels_renew(table, record, life->time_ns);
	if (life->cpu_known)
		put_cpu(record, life);
	if (life->memory_known)
		put_memory(record, life);
	set_value(record, LAST_SEEN, realtime_ns);
	record_leave(table, record, hierarchy, life->time_ns);
}

void container_on_life(struct container_table *table, const struct cgroup_life *life, uint64_t realtime_ns)
{
	int hierarchy = hierarchy_by_kernel_id(table, life->hierarchy);
	struct record *record;

	if (hierarchy < 0)
		return;
	if (strlen(life->path) >= PATH_CUT) {
		table->rescan = true;
		return;
	}
	if (life->path[0] != '/' || !path_selected(table, life->path))
		return;
	/* A death of one whose birth was not told makes its record as well. */
	record = record_see(table, life->path, (size_t)hierarchy, life->id, life->time_ns);
	if (!record)
		return;
	if (life->born)
		born(record, realtime_ns);
	else
		died(table, record, (size_t)hierarchy, life, realtime_ns);
}

void container_on_loss(struct container_table *table, uint64_t lost)
{
	if (lost == table->drops.event_lost)
		return;
	table->drops.event_lost = lost;
	table->rescan = true;
}
