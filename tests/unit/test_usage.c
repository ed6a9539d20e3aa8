/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency buckets against the native histograms' own, owners of cgroups, and the usage table over a kernel side and a
 * tree of cgroups that the test makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/histogram.h"
#include "bpf/usage.h"
#include "container/owner.h"
#include "container/usage.h"
#include "tests/unit/aggregate_recorder.h"

#define SECOND 1000000000ULL
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The kernel's bucket is the native histogram's of schema 0, for every value around every bound. */
static void check_bucket(uint64_t ns)
{
	uint32_t bucket = latency_bucket(ns);
	/* Eight buckets of schema 3 are one of schema 0. */
	int32_t native = histogram_native_index((double)ns / 1e9) >> 3;
	int32_t expected = native + 1 - LATENCY_LOWEST_EXPONENT;

	if (expected < 0)
		expected = 0;
	if (expected >= LATENCY_BUCKETS)
		expected = LATENCY_BUCKETS - 1;
	if (bucket != (uint32_t)expected)
		fail_msg("%llu ns: bucket %u, not %d", (unsigned long long)ns, bucket, expected);
}

static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(USAGE_LATENCY_LOWEST_EXPONENT, LATENCY_LOWEST_EXPONENT);
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint64_t bound = (SECOND << i) >> 20;

		for (int64_t off = -3; off <= 3; off++)
			check_bucket(bound + (uint64_t)off);
	}
	for (uint64_t ns = 1; ns < 1ULL << 45; ns += ns / 7 + 1)
		check_bucket(ns);
}

static void check_owner(const char *path, const char *owner)
{
	assert_int_equal(owner_length(path), strlen(owner));
	assert_memory_equal(path, owner, strlen(owner));
}

static void test_owners(void **state)
{
	(void)state;
	check_owner("/", "/");
	check_owner("/system.slice", "/system.slice");
	check_owner("/system.slice/nginx.service", "/system.slice/nginx.service");
	check_owner("/system.slice/nginx.service/worker/deep", "/system.slice/nginx.service");
	check_owner("/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service/x",
		    "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service");
	check_owner("/docker/" ID64, "/docker/" ID64);
	check_owner("/docker/" ID64 "/system.slice/cron.service", "/docker/" ID64);
	check_owner("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID64 ".scope/init",
		    "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID64 ".scope");
	/* A service that runs containers below itself. */
	check_owner("/system.slice/docker.service/docker/" ID64 "/x", "/system.slice/docker.service/docker/" ID64);
	check_owner("/.service", "/.service");
}

/* --- a kernel side and a tree */

struct record_of_kernel {
	uint64_t id;
	struct usage_cpu cpu;
	struct usage_events events;
	struct usage_detail detail; /* cgroup 0: none */
	bool present;
	bool without_threads; /* of the block controller's tree */
};

struct fixture {
	char root[64], mounts[96];
	struct record_of_kernel records[8];
	size_t count;
	uint64_t newborn; /* a cgroup whose path the kernel side knows; 0: none */
	struct usage_table *table;
};

static int each_cpu(void *ctx, void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_cpu *cpu),
		    void *visit_ctx)
{
	struct fixture *fixture = ctx;

	for (size_t i = 0; i < fixture->count; i++)
		if (fixture->records[i].present && !fixture->records[i].without_threads)
			visit(visit_ctx, fixture->records[i].id, &fixture->records[i].cpu);
	return 0;
}

static int each_events(void *ctx, void (*visit)(void *visit_ctx, uint64_t cgroup, const struct usage_events *events),
		       void *visit_ctx)
{
	struct fixture *fixture = ctx;

	for (size_t i = 0; i < fixture->count; i++)
		if (fixture->records[i].present && !fixture->records[i].without_threads)
			visit(visit_ctx, fixture->records[i].id, &fixture->records[i].events);
	return 0;
}

static int each_detail(void *ctx, void (*visit)(void *visit_ctx, const struct usage_detail *detail), void *visit_ctx)
{
	struct fixture *fixture = ctx;

	for (size_t i = 0; i < fixture->count; i++)
		if (fixture->records[i].present && fixture->records[i].detail.cgroup)
			visit(visit_ctx, &fixture->records[i].detail);
	return 0;
}

static bool take_path(void *ctx, uint64_t cgroup, char *ret_path, size_t size)
{
	struct fixture *fixture = ctx;

	if (!fixture->newborn || fixture->newborn != cgroup)
		return false;
	snprintf(ret_path, size, "/newborn.service/x");
	return true;
}

static void forget(void *ctx, uint64_t cgroup)
{
	struct fixture *fixture = ctx;

	for (size_t i = 0; i < fixture->count; i++)
		if (fixture->records[i].id == cgroup && !fixture->records[i].without_threads)
			fixture->records[i].present = false;
}

static void forget_block(void *ctx, uint64_t cgroup)
{
	struct fixture *fixture = ctx;

	for (size_t i = 0; i < fixture->count; i++)
		if (fixture->records[i].id == cgroup && fixture->records[i].without_threads)
			fixture->records[i].present = false;
}

static struct record_of_kernel *add_cgroup(struct fixture *fixture, const char *path, uint64_t run_ns)
{
	struct record_of_kernel *record = &fixture->records[fixture->count++];
	char whole[256];
	struct stat status;

	snprintf(whole, sizeof(whole), "%s%s", fixture->root, path);
	assert_int_equal(mkdir(whole, 0755), 0);
	assert_int_equal(stat(whole, &status), 0);
	*record = (struct record_of_kernel){ .id = status.st_ino, .cpu.run_ns = run_ns, .present = true };
	return record;
}

static void remove_cgroup(const struct fixture *fixture, const char *path)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s%s", fixture->root, path);
	assert_int_equal(rmdir(whole), 0);
}

/* A tree for all, or of block I/O apart. */
static int setup_trees(void **state, const char *block_controller)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct usage_table_config config = {
		.mounts = fixture->mounts,
		.controller = "",
		.block_controller = block_controller,
		.sysfs = "/nowhere",
		.scheduler = true,
		.memory = true,
		.block = true,
		.tcp = true,
		.faults = true,
		.source = { .ctx = fixture,
			    .each_cpu = each_cpu,
			    .each_events = each_events,
			    .each_detail = each_detail,
			    .take_path = take_path,
			    .forget = forget,
			    .forget_block = forget_block },
		.limit = 6,
		.keep_gone_ns = 100 * SECOND,
		.gone_max = 2,
		.native_histograms = true,
	};
	FILE *file;

	snprintf(fixture->root, sizeof(fixture->root), "/tmp/sonde-usage-XXXXXX");
	assert_non_null(mkdtemp(fixture->root));
	snprintf(fixture->mounts, sizeof(fixture->mounts), "%s.mounts", fixture->root);
	file = fopen(fixture->mounts, "we");
	assert_non_null(file);
	fprintf(file, "none /elsewhere cgroup rw,cpu 0 0\nnone %s cgroup2 rw 0 0\nnone %s/blocks cgroup rw,blkio 0 0\n",
		fixture->root, fixture->root);
	fclose(file);
	assert_int_equal(usage_table_new(&config, &fixture->table), 0);
	*state = fixture;
	return 0;
}

static int setup(void **state)
{
	return setup_trees(state, "");
}

static int setup_apart(void **state)
{
	return setup_trees(state, "blkio");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status, (void)type, (void)at;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	usage_table_free(fixture->table);
	nftw(fixture->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	unlink(fixture->mounts);
	free(fixture);
	return 0;
}

static void walk(struct fixture *fixture, uint64_t now_s, struct recorder *recorder)
{
	usage_table_refresh(fixture->table, now_s * SECOND);
	recorder_walk_source(recorder, usage_table_source(fixture->table));
}

#define RUN "container_cpu_schedstat_run_seconds_total"

static void test_cgroups_of_a_container_are_one(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;

	add_cgroup(fixture, "/a.service", 2 * SECOND);
	add_cgroup(fixture, "/a.service/x", 3 * SECOND);
	add_cgroup(fixture, "/b.service", SECOND / 2);
	walk(fixture, 1000, &recorder);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/a.service\"}"), 5, 0);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/b.service\"}"), 0.5, 0);
	assert_int_equal(recorder_series(&recorder, RUN), 2);
	recorder_done(&recorder);
}

/* A path of any bytes is told as text, as one id of its own. */
static void test_hostile_paths(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;

	add_cgroup(fixture, "/\xff.service", SECOND);
	add_cgroup(fixture, "/\xfe.service", 2 * SECOND);
	add_cgroup(fixture, "/caf\xc3\xa9.service", 3 * SECOND);
	walk(fixture, 1000, &recorder);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/\xef\xbf\xbd"
							 "ff.service\"}"),
			   1, 0);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/\xef\xbf\xbd"
							 "fe.service\"}"),
			   2, 0);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/caf\xc3\xa9.service\"}"), 3, 0);
	assert_int_equal(recorder_series(&recorder, RUN), 3);
	recorder_done(&recorder);
}

/* What a cgroup used stays with its owner after it is gone, the kernel side forgets it, and nothing counts twice. */
static void test_gone_cgroups_stay_counted(void **state)
{
	struct fixture *fixture = *state;
	struct record_of_kernel *gone;
	struct recorder recorder;

	add_cgroup(fixture, "/a.service", 2 * SECOND);
	gone = add_cgroup(fixture, "/a.service/x", 3 * SECOND);
	walk(fixture, 1000, &recorder);
	recorder_done(&recorder);
	remove_cgroup(fixture, "/a.service/x");
	gone->cpu.run_ns = 4 * SECOND;
	walk(fixture, 1001, &recorder);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/a.service\"}"), 6, 0);
	recorder_done(&recorder);
	assert_true(gone->present);
	for (uint64_t now = 1003; now < 1006; now++) {
		walk(fixture, now, &recorder);
		assert_false(gone->present);
		assert_float_equal(recorder_value(&recorder, RUN "{id=\"/a.service\"}"), 6, 0);
		recorder_done(&recorder);
	}
}

static void test_gone_owner_is_kept_for_a_while(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;

	add_cgroup(fixture, "/a.service", 2 * SECOND);
	walk(fixture, 1000, &recorder);
	recorder_done(&recorder);
	remove_cgroup(fixture, "/a.service");
	walk(fixture, 1001, &recorder);
	recorder_done(&recorder);
	walk(fixture, 1003, &recorder);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/a.service\"}"), 2, 0);
	recorder_done(&recorder);
	walk(fixture, 1102, &recorder);
	assert_int_equal(recorder_series(&recorder, RUN), 1);
	recorder_done(&recorder);
	walk(fixture, 1103, &recorder);
	assert_int_equal(recorder_series(&recorder, RUN), 0);
	recorder_done(&recorder);
}

/* Of many that are gone the last are told: the others make room, which is counted. */
static void test_gone_owners_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;
	char path[32];

	add_cgroup(fixture, "/alive.service", SECOND);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/%d.service", i);
		add_cgroup(fixture, path, SECOND);
	}
	walk(fixture, 1000, &recorder);
	recorder_done(&recorder);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/%d.service", i);
		remove_cgroup(fixture, path);
		for (uint64_t second = 0; second < 2; second++) {
			walk(fixture, 1001 + 2 * (uint64_t)i + second, &recorder);
			recorder_done(&recorder);
		}
	}
	walk(fixture, 1010, &recorder);
	assert_int_equal(recorder_series(&recorder, RUN), 3);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/alive.service\"}"), 1, 0);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/2.service\"}"), 1, 0);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"/3.service\"}"), 1, 0);
	assert_float_equal(recorder_value(&recorder, "sonde_usage_gone_untold_total{}"), 2, 0);
	recorder_done(&recorder);
}

/* Gone before it was ever seen: the sum is right, the name is missing, and that is counted. */
static void test_unnamed(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;

	add_cgroup(fixture, "/brief", SECOND);
	remove_cgroup(fixture, "/brief");
	walk(fixture, 1000, &recorder);
	assert_float_equal(recorder_value(&recorder, RUN "{id=\"unknown\"}"), 1, 0);
	assert_float_equal(recorder_value(&recorder, "sonde_usage_unnamed_cgroups_total{}"), 1, 0);
	recorder_done(&recorder);
}

/* Gone before a look at the tree, but its birth was seen. */
static void test_brief_life_has_a_name(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;

	fixture->newborn = add_cgroup(fixture, "/brief", SECOND)->id;
	remove_cgroup(fixture, "/brief");
	for (uint64_t now = 1000; now < 1005; now += 2) {
		walk(fixture, now, &recorder);
		assert_float_equal(recorder_value(&recorder, RUN "{id=\"/newborn.service\"}"), 1, 0);
		assert_float_equal(recorder_value(&recorder, "sonde_usage_unnamed_cgroups_total{}"), 0, 0);
		recorder_done(&recorder);
	}
}

static void test_full_table_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct recorder recorder;
	char path[32];

	for (int i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "/%d.service", i);
		add_cgroup(fixture, path, SECOND);
	}
	walk(fixture, 1000, &recorder);
	assert_int_equal(recorder_series(&recorder, RUN), 6);
	assert_float_equal(recorder_value(&recorder, "sonde_usage_refused_cgroups_total{}"), 1, 0);
	recorder_done(&recorder);
}

static void test_histogram(void **state)
{
	struct fixture *fixture = *state;
	struct usage_latency *wait = &add_cgroup(fixture, "/a.service", 0)->cpu.wait;
	const struct record *record;
	struct recorder recorder;

	wait->counts[0] = 5;  /* up to 2^-20 s */
	wait->counts[1] = 7;  /* 2^-19 */
	wait->counts[2] = 11; /* 2^-18 */
	wait->counts[24] = 2; /* 2^4 */
	wait->counts[25] = 1; /* above */
	wait->sum_ns = 3 * SECOND;
	walk(fixture, 1000, &recorder);
	record = recorder_get(&recorder, "container_cpu_runqueue_latency_seconds{id=\"/a.service\"}");
	assert_int_equal(record->count, 26);
	assert_float_equal(record->sum, 3, 0);
	assert_int_equal(record->bucket_count, 14);
	assert_int_equal(record->buckets[0], 5);
	assert_int_equal(record->buckets[1], 18);
	assert_int_equal(record->buckets[12], 2);
	assert_int_equal(record->buckets[13], 1);
	assert_int_equal(record->native_schema, 0);
	assert_int_equal(record->native_offset, -20);
	assert_int_equal(record->native_buckets, 25);
	assert_int_equal(record->native_zero, 5);
	assert_int_equal(record->native_total, 26);
	recorder_done(&recorder);
}

static void test_events(void **state)
{
	struct fixture *fixture = *state;
	struct usage_events *one = &add_cgroup(fixture, "/a.service", 0)->events;
	struct usage_events *other = &add_cgroup(fixture, "/a.service/x", 0)->events;
	struct recorder recorder;

	fixture->records[0].cpu.fault_wait_ns = SECOND / 2;
	fixture->records[1].cpu.fault_wait_ns = SECOND;
	one->retransmits = 3;
	other->retransmits = 4;
	one->reclaims[USAGE_RECLAIM_CGROUP] = 5;
	one->reclaim_ns[USAGE_RECLAIM_CGROUP] = SECOND / 4;
	one->connect_failures[USAGE_CONNECT_TIMEOUT] = 6;
	one->resets_received = 7;
	one->accept_drops = 8;
	one->sent_bytes = 9;
	other->round_trip.counts[11] = 10;
	other->open_round_trip.counts[12] = 20;
	walk(fixture, 1000, &recorder);
#define VALUE(key) recorder_value(&recorder, "container_" key)
	assert_float_equal(VALUE("tcp_retransmitted_segments_total{id=\"/a.service\"}"), 7, 0);
	assert_float_equal(VALUE("memory_major_fault_seconds_total{id=\"/a.service\"}"), 1.5, 0);
	assert_float_equal(VALUE("memory_direct_reclaims_total{id=\"/a.service\",scope=\"cgroup\"}"), 5, 0);
	assert_float_equal(VALUE("memory_direct_reclaims_total{id=\"/a.service\",scope=\"host\"}"), 0, 0);
	assert_float_equal(VALUE("memory_direct_reclaim_seconds_total{id=\"/a.service\",scope=\"cgroup\"}"), 0.25, 0);
	assert_float_equal(VALUE("tcp_connect_failures_total{id=\"/a.service\",reason=\"timeout\"}"), 6, 0);
	assert_float_equal(VALUE("tcp_resets_total{id=\"/a.service\",direction=\"receive\"}"), 7, 0);
	assert_float_equal(VALUE("tcp_listen_drops_total{id=\"/a.service\"}"), 8, 0);
	assert_float_equal(VALUE("tcp_closed_connection_bytes_total{id=\"/a.service\",direction=\"transmit\"}"), 9, 0);
	assert_int_equal(recorder_get(&recorder, "container_tcp_round_trip_seconds{id=\"/a.service\"}")->count, 10);
	assert_int_equal(recorder_get(&recorder, "container_tcp_open_round_trip_seconds{id=\"/a.service\"}")->count,
			 20);
	recorder_done(&recorder);
}

/* Details of cgroups of one owner are one series, and stay when a cgroup goes. */
static void test_details(void **state)
{
	static const char read[] = "container_blkio_latency_seconds{id=\"/a.service\",device=\"8:16\",major=\"8\","
				   "minor=\"16\",operation=\"Read\"}";
	struct fixture *fixture = *state;
	struct record_of_kernel *one = add_cgroup(fixture, "/a.service", 0);
	struct record_of_kernel *other = add_cgroup(fixture, "/a.service/x", 0);
	struct record_of_kernel *killed = add_cgroup(fixture, "/b.service", 0);
	struct recorder recorder;

	one->detail = (struct usage_detail){ .cgroup = one->id, .major = 8, .minor = 16, .errors = 1 };
	one->detail.latency.counts[10] = 2;
	other->detail = (struct usage_detail){ .cgroup = other->id, .major = 8, .minor = 16 };
	other->detail.latency.counts[10] = 3;
	killed->detail = (struct usage_detail){ .cgroup = killed->id, .kind = USAGE_DETAIL_OOM_KILL, .name = "java" };
	killed->detail.latency.counts[0] = 1;
	for (uint64_t now = 1000; now < 1010; now++) {
		walk(fixture, now, &recorder);
		assert_int_equal(recorder_get(&recorder, read)->count, 5);
		assert_float_equal(VALUE("oom_kills_total{id=\"/b.service\",victim=\"java\"}"), 1, 0);
		assert_int_equal(recorder_series(&recorder, "container_blkio_latency_seconds"), 1);
		recorder_done(&recorder);
		if (now == 1003)
			remove_cgroup(fixture, "/a.service/x");
	}
	assert_false(other->present);
}

/* Cgroups of block I/O have ids of a tree of their own: what is also another cgroup's id is not taken for it. Here a
 * directory is in both trees, under two paths. */
static void test_block_tree(void **state)
{
	static const char write[] = "container_blkio_latency_seconds{id=\"/b.service\",device=\"8:0\",major=\"8\","
				    "minor=\"0\",operation=\"Write\"}";
	struct fixture *fixture = *state;
	struct record_of_kernel *killed, *blocks;
	struct recorder recorder;

	add_cgroup(fixture, "/blocks", 0);
	killed = add_cgroup(fixture, "/blocks/b.service", SECOND);
	killed->detail = (struct usage_detail){ .cgroup = killed->id, .kind = USAGE_DETAIL_OOM_KILL, .name = "java" };
	killed->detail.latency.counts[0] = 1;
	blocks = &fixture->records[fixture->count++];
	*blocks = (struct record_of_kernel){ .id = killed->id, .present = true, .without_threads = true };
	blocks->detail = (struct usage_detail){ .cgroup = killed->id, .operation = USAGE_WRITE, .major = 8 };
	blocks->detail.latency.counts[10] = 3;
	for (uint64_t now = 1000; now < 1010; now++) {
		walk(fixture, now, &recorder);
		assert_int_equal(recorder_get(&recorder, write)->count, 3);
		assert_float_equal(VALUE("oom_kills_total{id=\"/blocks/b.service\",victim=\"java\"}"), 1, 0);
		assert_int_equal(recorder_series(&recorder, "container_blkio_latency_seconds"), 1);
		assert_int_equal(recorder_series(&recorder, "container_oom_kills_total"), 1);
		recorder_done(&recorder);
		if (now == 1003)
			remove_cgroup(fixture, "/blocks/b.service");
	}
	assert_false(killed->present);
	assert_false(blocks->present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_owners),
		cmocka_unit_test_setup_teardown(test_cgroups_of_a_container_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_cgroups_stay_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_owner_is_kept_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_owners_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unnamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_brief_life_has_a_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_table_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_histogram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_details, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block_tree, setup_apart, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
