/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's collectors over plain files: counters that go backwards, files that vanish, are half-written or hostile,
 * and collectors that fail without the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/host_world.h"

static void processors_never_run_backwards(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "proc/stat",
			 "cpu  1 2 3 4\ncpu0 100 0 50 1000 20 0 0 0 7 0\ncpu2 5 0 0 10 0 0 0 0 0 0\n");
	host_world_write(world, "sys/devices/system/cpu/cpu0/online", "1\n");
	host_world_write(world, "sys/devices/system/cpu/cpu2/topology/core_id", "1\n");
	host_world_write(world, "sys/devices/system/cpu/isolated", "2-3\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.cpu"));
	host_world_collect(world);
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1");
	host_world_has(world, "node_cpu_seconds_total{cpu=\"2\",mode=\"idle\"} 0.1");
	host_world_has(world, "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 0.07");
	host_world_has(world, "node_cpu_isolated{cpu=\"3\"} 1");
	host_world_has(world, "node_cpu_online{cpu=\"2\"} 0");
	/* Idle a little less: held. A processor in between: no matter. */
	host_world_write(world, "proc/stat",
			 "cpu0 99 0 51 990 20 0 0 0 7 0\ncpu1 1 0 0 1 0 0 0 0 0 0\ncpu2 4 0 0 11 0\n");
	host_world_collect(world);
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1");
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 10");
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 0.51");
	host_world_has(world, "node_cpu_seconds_total{cpu=\"2\",mode=\"user\"} 0.05");
	/* Three seconds less: it was taken out and put back. */
	host_world_write(world, "proc/stat", "cpu0 1 0 2 700 0 0 0 0 0 0\n");
	host_world_collect(world);
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 0.01");
	host_world_has(world, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 7");
	host_world_has_not(world, "cpu=\"2\",mode");
	assert_int_equal(world->failures, 0);
}

static void one_failure_is_one_collectors(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "proc/meminfo", "MemTotal:       100 kB\nMemFr");
	host_world_write(world, "proc/loadavg", "0.12 0.30 1.50 1/100 5\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.meminfo", "--collector.loadavg",
					   "--collector.mdadm"));
	host_world_collect(world);
	host_world_has(world, "node_load15 1.5");
	host_world_has(world, "node_scrape_collector_success{collector=\"loadavg\"} 1");
	host_world_has(world, "node_scrape_collector_success{collector=\"meminfo\"} 0");
	host_world_has(world, "node_scrape_collector_success{collector=\"mdadm\"} 0");
	/* Hardware that is not there is no failure. */
	assert_int_equal(world->failures, 1);
	assert_int_equal(world->failed, COLLECTOR_meminfo);
	assert_int_equal(world->failure, -EINVAL);
	host_world_remove(world, "proc/meminfo");
	host_world_collect(world);
	host_world_has(world, "node_scrape_collector_success{collector=\"meminfo\"} 0");
	assert_int_equal(world->failure, -ENOENT);
	/* Back again: the file that was kept open is not the one to read. */
	host_world_write(world, "proc/meminfo", "MemTotal:       200 kB\n");
	host_world_collect(world);
	host_world_has(world, "node_memory_MemTotal_bytes 204800");
	host_world_has(world, "node_scrape_collector_success{collector=\"meminfo\"} 1");
}

static void mounts_are_told_once(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "root/data/x", "");
	host_world_write(world, "root/a b/x", "");
	host_world_write(world, "root/quo\"te/x", "");
	host_world_write(world, "proc/1/mountinfo",
			 "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
			 "21 1 8:2 / /data ro - xfs /dev/sdb rw\n"
			 "22 1 8:2 / /data ro - xfs /dev/sdb rw\n"
			 "23 1 8:3 / /a\\040b rw - ext4 /dev/\xff\xfe rw\n"
			 "24 1 8:4 / /quo\"te rw - ext4 new\\012line rw\n"
			 "25 1 8:5 / /gone rw - ext4 /dev/sdc rw\n"
			 "26 1 0:5 / /proc rw - proc proc rw\n"
			 "27 1 0:6 / /x rw - overlay overlay rw\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.filesystem"));
	host_world_collect(world);
	assert_int_equal(world->failures, 0);
	host_world_has(world, "node_filesystem_readonly{device=\"/dev/sda1\",mountpoint=\"/\",fstype=\"ext4\"} 0");
	host_world_has(world, "node_filesystem_readonly{device=\"/dev/sdb\",mountpoint=\"/data\",fstype=\"xfs\"} 1");
	host_world_has(world, "node_filesystem_device_error{device=\"/dev/sdc\",mountpoint=\"/gone\",fstype=\"ext4\","
			      "device_error=\"no such file or directory\"} 1");
	host_world_has(world, "node_filesystem_purgeable_bytes{device=\"/dev/\xff\xfe\",mountpoint=\"/a b\","
			      "fstype=\"ext4\"} 0");
	host_world_has(world, "node_filesystem_mount_info{device=\"new\\012line\",major=\"8\",minor=\"4\","
			      "mountpoint=\"/quo\"te\"} 1");
	host_world_has_not(world, "/proc\"");
	host_world_has_not(world, "overlay");
	assert_null(strstr(strstr(world->text, "mountpoint=\"/data\",fstype=\"xfs\"} 1\n") + 1,
			   "node_filesystem_readonly{device=\"/dev/sdb\""));
	host_world_write(world, "proc/1/mountinfo", "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n21 1 8");
	host_world_collect(world);
	host_world_has(world, "node_scrape_collector_success{collector=\"filesystem\"} 0");
}

static void text_files(void **state)
{
	struct host_world *world = *state;
	char flag[128];

	snprintf(flag, sizeof(flag), "--collector.textfile.directory=%s/text*", world->directory);
	host_world_write(world, "text1/good.prom",
			 "# HELP a_b Text with \\\\ and \\n.\n# TYPE a_b gauge\na_b{x=\"1\\\"\\\\\\n\",} 1\na_b 2.5\n"
			 "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 7\nh_count 3\n"
			 "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n");
	host_world_write(world, "text2/half.prom", "lost 1\nlost_too 2");
	host_world_write(world, "text2/times.prom", "lost 1 1395066363000\n");
	host_world_write(world, "text2/own.prom", "sonde_build_info 1\n");
	host_world_write(world, "text2/twice.prom", "twice 1\ntwice 2\n");
	host_world_write(world, "text2/other.txt", "lost 1\n");
	host_world_write_bytes(world, "text2/bytes.prom", "lost{a=\"\xff\"} 1\n", 15);
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.textfile", flag));
	host_world_collect(world);
	host_world_has(world, "a_b{x=\"1\"\\\n\"} 1");
	host_world_has(world, "a_b 2.5");
	host_world_has(world, "h 1 2 sum 7");
	host_world_has(world, "s{quantile=\"0.5\"} 1");
	host_world_has(world, "s_count 3");
	host_world_has(world, "node_textfile_scrape_error 1");
	host_world_has(world, "node_scrape_collector_success{collector=\"textfile\"} 1");
	host_world_has_not(world, "lost");
	assert_int_equal(world->failures, 5);
}

static void netdev_and_arp_from_files(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "proc/net/dev",
			 "Inter-|\n face |\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
			 "a:b0:100 2 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n");
	host_world_write(world, "proc/net/arp",
			 "IP address  HW type  Flags  HW address  Mask  Device\n"
			 "10.0.0.1 0x1 0x2 00:11:22:33:44:55 * eth0\n10.0.0.2 0x1 0x2 00:11:22:33:44:56 * eth0\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.netdev", "--collector.arp",
					   "--collector.netdev.device-exclude=^x$"));
	host_world_collect(world);
	host_world_has(world, "node_network_receive_bytes_total{device=\"lo\"} 1");
	host_world_has(world, "node_network_transmit_compressed_total{device=\"lo\"} 16");
	host_world_has(world, "node_network_receive_bytes_total{device=\"a:b0\"} 100");
	host_world_has(world, "node_arp_entries{device=\"eth0\"} 2");
	assert_int_equal(world->failures, 0);
}

static void filters_name_collectors(void **state)
{
	struct host_world *world = *state;
	struct snapshot_filter filter = { .names = { "loadavg" }, .count = 1 };
	const char *name = NULL;

	host_world_write(world, "proc/loadavg", "0.12 0.30 1.50 1/100 5\n");
	host_world_start(world, HOST_FLAGS("--no-collector.meminfo"));
	assert_int_equal(host_collect(world->host, &filter, &name), 0);
	filter.names[0] = "meminfo";
	assert_int_equal(host_collect(world->host, &filter, &name), -EACCES);
	assert_string_equal(name, "meminfo");
	filter.names[0] = "wifi";
	assert_int_equal(host_collect(world->host, &filter, &name), -EACCES);
	filter.names[0] = "nothing";
	filter.exclude = true;
	assert_int_equal(host_collect(world->host, &filter, &name), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_world_set_up, host_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(processors_never_run_backwards), TEST(one_failure_is_one_collectors),
		TEST(mounts_are_told_once),           TEST(text_files),
		TEST(netdev_and_arp_from_files),      TEST(filters_name_collectors),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
