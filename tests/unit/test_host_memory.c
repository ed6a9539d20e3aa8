/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scrape costs and holds: no allocation once a host has been seen, an allocation that fails is one collector's
 * failure, and a mount that hangs is told as such and asked again when it answers.
 *
 * LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=statfs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/clock.h"
#include "tests/unit/host_world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
int __real_statfs(const char *path, struct statfs *ret_info);

static struct {
	size_t allocations;
	size_t fail_after; /* 0: never */
	pthread_mutex_t gate;
} fake = { .gate = PTHREAD_MUTEX_INITIALIZER };

static bool refuse(void)
{
	fake.allocations++;
	return fake.fail_after && fake.allocations >= fake.fail_after;
}

void *__wrap_malloc(size_t size)
{
	return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return refuse() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
	return refuse() ? NULL : __real_reallocarray(memory, count, size);
}

/* What lies below "hangs" answers when the gate is open. */
int __wrap_statfs(const char *path, struct statfs *ret_info)
{
	if (!strstr(path, "hangs"))
		return __real_statfs(path, ret_info);
	pthread_mutex_lock(&fake.gate);
	pthread_mutex_unlock(&fake.gate);
	return __real_statfs(path, ret_info);
}

static void write_host(const struct host_world *world)
{
	host_world_write(world, "proc/stat",
			 "cpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\nctxt 2\nbtime 3\nprocesses 4\n"
			 "procs_running 5\nprocs_blocked 6\n");
	host_world_write(world, "proc/meminfo", "MemTotal: 1 kB\n");
	host_world_write(world, "proc/loadavg", "1 2 3 1/1 1\n");
	host_world_write(world, "proc/vmstat", "pgpgin 1\noom_kill 2\n");
	host_world_write(world, "proc/net/netstat", "TcpExt: ListenDrops\nTcpExt: 1\n");
	host_world_write(world, "proc/net/snmp", "Tcp: InSegs\nTcp: 2\n");
	host_world_write(world, "proc/net/dev", "a\nb\nlo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
	host_world_write(world, "proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
	host_world_write(world, "proc/1/mountinfo",
			 "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			 "21 1 8:2 / /hangs rw - nfs server:/x rw\n"
			 "22 1 8:3 / /gone rw - ext4 /dev/sdb rw\n");
	host_world_write(world, "root/hangs/x", "");
	host_world_write(world, "sys/devices/system/cpu/cpu0/online", "1\n");
	host_world_write(world, "sys/class/net/lo/mtu", "1500\n");
	host_world_write(world, "sys/class/hwmon/hwmon0/name", "chip\n");
	host_world_write(world, "sys/class/hwmon/hwmon0/temp1_input", "42000\n");
}

static const struct snapshot_source *collect(struct host_world *world)
{
	const char *name;

	assert_int_equal(host_collect(world->host, NULL, &name), 0);
	return NULL;
}

static void nothing_is_allocated_in_steady_state(void **state)
{
	struct host_world *world = *state;
	size_t before;

	write_host(world);
	host_world_start(world, HOST_FLAGS("--collector.processes", "--collector.interrupts"));
	for (int i = 0; i < 3; i++)
		collect(world);
	before = fake.allocations;
	for (int i = 0; i < 10; i++)
		collect(world);
	assert_int_equal(fake.allocations, before);
	host_world_collect(world);
	host_world_has(world, "node_hwmon_temp_celsius{chip=\"chip\",sensor=\"temp1\"} 42");
	host_world_has(world, "node_netstat_Tcp_InSegs 2");
}

static void every_allocation_may_fail(void **state)
{
	struct host_world *world = *state;
	size_t refused = 1;

	write_host(world);
	for (;;) {
		size_t made;

		host_world_start(world, HOST_FLAGS("--no-collector.time"));
		fake.allocations = 0;
		fake.fail_after = refused;
		collect(world);
		collect(world);
		made = fake.allocations;
		fake.fail_after = 0;
		host_free(world->host);
		world->host = NULL;
		config_free(&world->config);
		if (made < refused)
			break;
		refused++;
	}
	assert_true(refused > 20);
}

static void a_mount_that_hangs(void **state)
{
	static const char error_line[] = "node_filesystem_device_error{device=\"server:/x\",mountpoint=\"/hangs\","
					 "fstype=\"nfs\",device_error=\"mountpoint timeout\"} 1";
	struct host_world *world = *state;
	uint64_t begin;

	write_host(world);
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.filesystem",
					   "--collector.filesystem.mount-timeout=200ms"));
	pthread_mutex_lock(&fake.gate);
	begin = clock_monotonic_ns();
	host_world_collect(world);
	assert_true(clock_monotonic_ns() - begin >= 200 * NS_PER_MS);
	assert_true(world->idles > 0);
	host_world_has(world, error_line);
	host_world_has_not(world, "node_filesystem_size_bytes{device=\"server:/x\"");
	/* Another worker answered for the rest. */
	host_world_has(world, "node_filesystem_device_error{device=\"/dev/sda1\",mountpoint=\"/\",fstype=\"ext4\"} 0");
	host_world_has(world, "node_filesystem_device_error{device=\"/dev/sdb\",mountpoint=\"/gone\",fstype=\"ext4\","
			      "device_error=\"no such file or directory\"} 1");
	/* It is not asked again, and nobody waits for it. */
	for (int i = 0; i < 5; i++) {
		world->idles = 0;
		host_world_collect(world);
		host_world_has(world, error_line);
		host_world_has(world, "node_scrape_collector_success{collector=\"filesystem\"} 1");
	}
	pthread_mutex_unlock(&fake.gate);
	do
		host_world_collect(world);
	while (strstr(world->text, error_line));
	host_world_has(world,
		       "node_filesystem_device_error{device=\"server:/x\",mountpoint=\"/hangs\",fstype=\"nfs\"} 0");
	assert_int_equal(world->failures, 0);
}

/* The collectors may go while a worker hangs: it frees what it holds when it comes back. */
static void gone_while_it_hangs(void **state)
{
	struct host_world *world = *state;

	write_host(world);
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.filesystem",
					   "--collector.filesystem.mount-timeout=20ms"));
	pthread_mutex_lock(&fake.gate);
	collect(world);
	host_free(world->host);
	world->host = NULL;
	config_free(&world->config);
	pthread_mutex_unlock(&fake.gate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_world_set_up, host_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_allocated_in_steady_state),
		TEST(every_allocation_may_fail),
		TEST(a_mount_that_hangs),
		TEST(gone_while_it_hangs),
	};

	return cmocka_run_group_tests_name("host_memory", tests, NULL, NULL);
}
