/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel side says of itself: its counters, and what its maps and programs cost.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "load/internal.h"

#define CPUS_MAX 1024

static const char *const lost_texts[LOST_COUNT] = {
	[LOST_PROCESSES_FULL] = "processes_full",
	[LOST_RING_FULL] = "ring_full",
	[LOST_CONNECTIONS_FULL] = "connections_full",
	[LOST_READ_USER] = "read_user",
	[LOST_COMPAT_SYSCALL] = "compat_syscall",
	[LOST_IN_FLIGHT] = "in_flight_full",
	[LOST_RETURN] = "return_missed",
	[LOST_TLS_CALL] = "tls_call",
	[LOST_TLS_SESSIONS_FULL] = "tls_sessions_full",
};
_Static_assert(LOST_COUNT < CAPTURE_LOSSES_MAX, "one more for programs that did not run");

int figures_read_counter(int map_fd, uint32_t index, uint64_t *ret_sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[CPUS_MAX];
	uint64_t sum = 0;

	if (cpus <= 0 || cpus > CPUS_MAX)
		return -ERANGE;
	if (bpf_map_lookup_elem(map_fd, &index, values))
		return -errno;
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	*ret_sum = sum;
	return 0;
}

int counters_open(struct capture *capture)
{
	int cpus = libbpf_num_possible_cpus();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size;
	void *counts;

	if (cpus <= 0)
		return cpus ? cpus : -ENOTSUP;
	size = ((size_t)cpus * sizeof(struct counts) + page - 1) & ~(page - 1);
	counts = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(capture->bpf->maps.counters), 0);
	if (counts == MAP_FAILED)
		return -errno;
	capture->counts = counts;
	capture->counts_size = size;
	capture->cpus = (size_t)cpus;
	return 0;
}

void counters_close(struct capture *capture)
{
	if (capture->counts)
		munmap((void *)(uintptr_t)capture->counts, capture->counts_size);
	capture->counts = NULL;
}

static uint64_t counter_sum(const struct capture *capture, enum counter counter)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < capture->cpus; i++)
		sum += __atomic_load_n(&capture->counts[i].value[counter], __ATOMIC_RELAXED);
	return sum;
}

/* Of TCP's states and ends two programs tell; the second's name ends with _twin or _perf. */
struct missed {
	uint64_t sum; /* by all others */
	uint64_t first, second;
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && !strcmp(text + length - end_length, end);
}

static void add_missed(void *ctx, const struct capture_program *program)
{
	struct missed *missed = ctx;

	if (strncmp(program->name, "tcp_state", strlen("tcp_state")) &&
	    strncmp(program->name, "tcp_destroy", strlen("tcp_destroy")))
		missed->sum += program->missed;
	else if (ends_with(program->name, "_twin") || ends_with(program->name, "_perf"))
		missed->second += program->missed;
	else
		missed->first += program->missed;
}

/* What neither of two programs told. Where nothing is preempted a skipped program was interrupted, and an interrupt
 * that ends a connection is inside of one of two at most. Beside perf's program the other one says when it stood in for
 * it; that is read after what was missed, so that nothing is taken for lost. Elsewhere no more is known than that what
 * the luckier one missed is enough. */
static uint64_t missed_by_both(const struct capture *capture, const struct missed *missed)
{
	uint64_t stood_in;

	if (capture->ends_watch == ENDS_TWINS)
		return 0;
	if (capture->ends_watch != ENDS_PERF_BESIDE)
		return missed->first < missed->second ? missed->first : missed->second;
	stood_in = counter_sum(capture, COUNT_STOOD_IN);
	return missed->second > stood_in ? missed->second - stood_in : 0;
}

int capture_read_figures(struct capture *capture, struct capture_figures *ret_figures)
{
	struct capture_figures figures = { .malformed_events = capture->malformed_events };
	struct missed missed = { 0 };

	for (enum counter i = 0; i < LOST_COUNT; i++)
		figures.lost[figures.lost_count++] = (struct capture_counter){ lost_texts[i], counter_sum(capture, i) };
	capture_each_program(capture, add_missed, &missed);
	figures.lost[figures.lost_count++] =
		(struct capture_counter){ "program_missed", missed.sum + missed_by_both(capture, &missed) };
	figures.segments = counter_sum(capture, COUNT_SEGMENTS);
	figures.captured_bytes = counter_sum(capture, COUNT_CAPTURED_BYTES);
	figures.observed_bytes = counter_sum(capture, COUNT_BYTES);
	figures.silent_segments = counter_sum(capture, COUNT_SILENT_SEGMENTS);
	figures.truncated_calls = counter_sum(capture, COUNT_TRUNCATED_CALLS);
	figures.scarce_calls = counter_sum(capture, COUNT_SCARCE_CALLS);
	figures.lost_received_bytes = counter_sum(capture, COUNT_LOST_RECEIVED);
	figures.lost_sent_bytes = counter_sum(capture, COUNT_LOST_SENT);
	figures.cut_openings = counter_sum(capture, COUNT_CUT_OPENINGS);
	figures.cut_ends = counter_sum(capture, COUNT_CUT_ENDS);
	*ret_figures = figures;
	return 0;
}

/* `key:` of the kernel's account of a descriptor, /proc/self/fdinfo/N; 0 when it is not there. */
static uint64_t fdinfo_number(int fd, const char *key)
{
	char path[64], line[256];
	size_t length = strlen(key);
	uint64_t value = 0;
	CLEANUP_FILE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':' &&
		    sscanf(line + length + 1, "%llu", (unsigned long long *)&value) == 1)
			break;
	return value;
}

void figures_each_map(const struct kept *kept, void (*visit)(void *ctx, const struct capture_map *map), void *ctx)
{
	for (size_t i = 0; i < kept->map_count; i++) {
		const struct kept_map *map = &kept->maps[i];

		if (map->fd < 0)
			continue;
		visit(ctx, &(struct capture_map){ .name = map->name,
						  .bytes = fdinfo_number(map->fd, "memlock"),
						  .entries = map->entries });
	}
}

void figures_each_program(const struct kept *kept, void (*visit)(void *ctx, const struct capture_program *program),
			  void *ctx)
{
	for (size_t i = 0; i < kept->program_count; i++) {
		const struct kept_program *program = &kept->programs[i];
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (program->fd < 0 || bpf_obj_get_info_by_fd(program->fd, &info, &size))
			continue;
		visit(ctx, &(struct capture_program){ .name = program->name,
						      .hook = program->hook,
						      .runs = info.run_cnt,
						      .run_time_ns = info.run_time_ns,
						      .missed = info.recursion_misses,
						      .bytes = fdinfo_number(program->fd, "memlock") });
	}
}

struct visit_unshared {
	struct capture *capture;
	void (*visit)(void *ctx, const struct capture_map *map);
	void *ctx;
};

static void visit_unshared(void *ctx, const struct capture_map *map)
{
	const struct visit_unshared *to = ctx;
	const struct kept *kept = &to->capture->kept;

	for (size_t i = 0; i < kept->map_count; i++)
		if (!strcmp(kept->maps[i].name, map->name))
			return;
	to->visit(to->ctx, map);
}

void capture_each_map(struct capture *capture, void (*visit)(void *ctx, const struct capture_map *map), void *ctx)
{
	struct visit_unshared unshared = { capture, visit, ctx };

	figures_each_map(&capture->kept, visit, ctx);
	if (capture->companion)
		figures_each_map(capture->companion, visit_unshared, &unshared);
}

void capture_each_program(struct capture *capture, void (*visit)(void *ctx, const struct capture_program *program),
			  void *ctx)
{
	figures_each_program(&capture->kept, visit, ctx);
	if (capture->companion)
		figures_each_program(capture->companion, visit, ctx);
}
