/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine that the containers are on, by cAdvisor's families; what the table could not keep or read, by reason.
 */
#include <fcntl.h>

#include "base/file.h"
#include "container/tell.h"

#define MEMINFO_BYTES 16384

static void one(const struct metric_visitor *out, const char *name, const char *help, enum metric_type type,
		double value)
{
	family_begin(out, name, help, type, "");
	out->sample(out->ctx, NULL, 0, value);
	out->family_end(out->ctx);
}

/* "Key:   12 kB" of /proc/meminfo, in bytes. */
static bool meminfo(const char *text, const char *key, uint64_t *ret_bytes)
{
	const char *line = strstr(text, key);
	unsigned long long kilobytes;

	if (!line || sscanf(line + strlen(key), " %llu", &kilobytes) != 1)
		return false;
	*ret_bytes = kilobytes * 1024;
	return true;
}

/* v2's root has no memory.current: what is not free is in use. */
void machine_read(struct container_table *table)
{
	struct record *root = record_find(table, "/");
	char text[MEMINFO_BYTES];
	unsigned long threads;
	uint64_t available;

	if (!file_read_start(table->procfs, "meminfo", text, sizeof(text), NULL)) {
		(void)meminfo(text, "MemTotal:", &table->memory_total);
		(void)meminfo(text, "\nSwapTotal:", &table->swap_total);
		if (root && container_is_unified(table, CGROUP_MEMORY) && meminfo(text, "\nMemFree:", &available)) {
			uint64_t used = table->memory_total - available, inactive = root->values[MEMORY_INACTIVE_FILE];

			set_value(root, MEMORY_USAGE, used);
			set_value(root, MEMORY_WORKING_SET, used > inactive ? used - inactive : 0);
		}
	}
	if (root && !file_read_start(table->procfs, "loadavg", text, sizeof(text), NULL) &&
	    sscanf(text, "%*s %*s %*s %*[^/]/%lu", &threads) == 1)
		set_value(root, THREADS, threads);
}

static void visit_machine(const struct container_table *table, const struct metric_visitor *out)
{
	one(out, "machine_cpu_cores", "Processors that are online.", METRIC_GAUGE,
	    (double)sysconf(_SC_NPROCESSORS_ONLN));
	if (table->memory_total)
		one(out, "machine_memory_bytes", "Memory of the machine.", METRIC_GAUGE, (double)table->memory_total);
	one(out, "machine_swap_bytes", "Swap of the machine.", METRIC_GAUGE, (double)table->swap_total);
}

static void reason(const struct metric_visitor *out, const char *text, uint64_t count)
{
	out->sample(out->ctx, &(struct metric_label){ "reason", text }, 1, (double)count);
}

void visit_own(const struct container_table *table, const struct metric_visitor *out)
{
	visit_machine(table, out);
	one(out, "container_scrape_error", "1 when a file of a cgroup could not be read, in the last refresh.",
	    METRIC_GAUGE, table->drops.unreadable != table->unreadable_before);
	one(out, "sonde_cgroups", "Cgroups that are told now.", METRIC_GAUGE, (double)table->by_path.count);
	family_begin(out, "sonde_cgroups_untold_total", "Cgroups that are not told, or not to their end, by reason.",
		     METRIC_COUNTER, "");
	reason(out, "no_room", table->drops.no_room);
	reason(out, "no_memory", table->drops.no_memory);
	reason(out, "long_path", table->drops.long_path);
	reason(out, "event_lost", table->drops.event_lost);
	reason(out, "gone_untold", table->drops.untold);
	out->family_end(out->ctx);
	one(out, "sonde_cgroup_read_errors_total", "Files of cgroups that could not be read.", METRIC_COUNTER,
	    (double)table->drops.unreadable);
	family_begin(out, "sonde_container_state_refused_total",
		     "State files of container runtimes that were not taken, by reason.", METRIC_COUNTER, "");
	for (int i = 0; i < STATE_REFUSAL_COUNT; i++)
		reason(out, state_refusal_text((enum state_refusal)i),
		       containers_refused(table->containers, (enum state_refusal)i));
	out->family_end(out->ctx);
}
