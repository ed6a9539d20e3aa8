/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collectors of filesystems, storage and server rooms' networks over files that are half-written, hostile or not
 * what they were: one clear failure, and nothing told that is not so. What they tell of whole files is compared with
 * node_exporter's own in tests/e2e/test_node_fixtures.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "tests/unit/host_world.h"

static void rows_that_change_between_scrapes(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "proc/vmstat", "pgpgin 1\nother 2\noom_kill 3\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.vmstat"));
	host_world_collect(world);
	host_world_has(world, "node_vmstat_pgpgin 1");
	host_world_has(world, "node_vmstat_oom_kill 3");
	host_world_has_not(world, "other");
	/* A module was loaded: a row in the middle, and one gone at the end. */
	host_world_write(world, "proc/vmstat", "pgpgin 4\npgpgout 5\nother 6\n");
	host_world_collect(world);
	host_world_has(world, "node_vmstat_pgpgin 4");
	host_world_has(world, "node_vmstat_pgpgout 5");
	host_world_has_not(world, "oom_kill");
	host_world_write(world, "proc/vmstat", "pgpgin 4\npgpgout 5\nother 6\noom_kill 7\npgfault x\n");
	host_world_collect(world);
	host_world_has(world, "node_vmstat_oom_kill 7");
	host_world_has_not(world, "pgfault");
	assert_int_equal(world->failure, -EINVAL);
	host_world_write(world, "proc/vmstat", "oom_kill 8\n");
	host_world_collect(world);
	host_world_has(world, "node_vmstat_oom_kill 8");
	host_world_has(world, "node_scrape_collector_success{collector=\"vmstat\"} 1");
}

/* A file, half of it, and what is wrong with it: the collector fails, and only then. */
static void half_written_files_fail(void **state)
{
	static const struct {
		const char *collector, *path, *text;
		int error;
	} cases[] = {
		{ "xfs", "sys/fs/xfs/sda1/stats/stats", "extent_alloc 1 2 3\n", -EINVAL },
		{ "xfs", "sys/fs/xfs/sda1/stats/stats", "rw 4294967296 1\n", -EINVAL },
		{ "xfs", "sys/fs/xfs/sda1/stats/stats", "rw 1 x\n", -EINVAL },
		{ "zfs", "proc/spl/kstat/zfs/arcstats", "13 1 0x01\n", -EINVAL },
		{ "zfs", "proc/spl/kstat/zfs/arcstats", "name type data\nhits 4 1x\n", -EINVAL },
		{ "zfs", "proc/spl/kstat/zfs/tank/objset-1", "", -EINVAL },
		{ "nfs", "proc/net/rpc/nfs", "net 1 2\n", -EINVAL },
		{ "nfs", "proc/net/rpc/nfs", "proc3 22 1 2\n", -EINVAL },
		{ "nfsd", "proc/net/rpc/nfsd", "proc4ops 3 1 2 3\n", -EINVAL },
		{ "ipvs", "proc/net/ip_vs_stats", "one\ntwo\n 1 2 3\n", -EINVAL },
		{ "infiniband", "sys/class/infiniband/a/ports/1/state", "ACTIVE\n", -EINVAL },
		{ "bcache", "sys/fs/bcache/a-b/tree_depth", "deep\n", -EINVAL },
		{ "fibrechannel", "sys/class/fc_host/host0/statistics/rx_frames", "0xg\n", -EINVAL },
		{ "tapestats", "sys/class/scsi_tape/st0/stats/io_ns", "\n", -EINVAL },
		{ "dmmultipath", "sys/block/dm-0/dm/uuid", "mpath-1\n", 0 }, /* gone meanwhile, for all that is known */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host_world *world = *state;
		char flag[64], line[128];

		snprintf(flag, sizeof(flag), "--collector.%s", cases[i].collector);
		host_world_write(world, cases[i].path, cases[i].text);
		host_world_start(world, HOST_FLAGS("--collector.disable-defaults", flag));
		host_world_collect(world);
		snprintf(line, sizeof(line), "node_scrape_collector_success{collector=\"%s\"} 0", cases[i].collector);
		host_world_has(world, line);
		if (world->failure != cases[i].error)
			fail_msg("%s with %s: %d", cases[i].path, cases[i].text, world->failure);
		assert_int_equal(host_world_tear_down(state), 0);
		assert_int_equal(host_world_set_up(state), 0);
	}
}

static void hostile_names_stay_names(void **state)
{
	struct host_world *world = *state;

	host_world_write(world, "proc/spl/kstat/zfs/arcstats",
			 "name type data\na\"b{} 4 1\nc.d-e 4 2\n\xff\xfe 4 3\nminus 3 -5\ntext 7 x\n");
	host_world_write(world, "proc/net/ip_vs_stats", "a\nb\n1 2 3 4 5\n");
	host_world_write(world, "proc/net/ip_vs", "TCP\n  ->\nTCP  C0A80016:0CEA rr\n  -> C0A80016:0CEA Route\n");
	host_world_start(world, HOST_FLAGS("--collector.disable-defaults", "--collector.zfs", "--collector.ipvs"));
	host_world_collect(world);
	host_world_has(world, "node_zfs_arc_a_b__ 1");
	host_world_has(world, "node_zfs_arc_d_e 2");
	host_world_has(world, "node_zfs_arc___ 3");
	host_world_has(world, "node_zfs_arc_minus -5");
	host_world_has_not(world, "text");
	host_world_has(world, "node_ipvs_connections_total 1");
	host_world_has(world, "node_scrape_collector_success{collector=\"ipvs\"} 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_that_change_between_scrapes, host_world_set_up,
						host_world_tear_down),
		cmocka_unit_test_setup_teardown(half_written_files_fail, host_world_set_up, host_world_tear_down),
		cmocka_unit_test_setup_teardown(hostile_names_stay_names, host_world_set_up, host_world_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
