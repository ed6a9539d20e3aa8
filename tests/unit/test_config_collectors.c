/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switches and options of the host's collectors: node_exporter's command lines are taken as they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/collectors.h"
#include "tests/unit/config_world.h"

static const struct config *load(void **state, const char *const *flags)
{
	struct config_world *world = *state;

	config_world_load(world, flags, VARIABLES());
	assert_string_equal(world->error, "untouched");
	return &world->config;
}

static void refused(void **state, const char *const *flags, const char *part)
{
	struct config_world *world = *state;

	config_world_load(world, flags, VARIABLES());
	assert_int_not_equal(world->result, 0);
	if (!strstr(world->error, part))
		fail_msg("not found: %s\nin: %s", part, world->error);
}

/* As kube-prometheus runs node_exporter. */
static void kube_prometheus(void **state)
{
	const struct config *config = load(
		state, FLAGS("--web.listen-address=127.0.0.1:9101", "--path.sysfs=/host/sys", "--path.rootfs=/host/top",
			     "--path.procfs=/host/top/proc", "--path.udev.data=/host/top/run/udev/data",
			     "--no-collector.wifi", "--no-collector.hwmon", "--no-collector.btrfs",
			     "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/k3s/containerd/.+|"
			     "var/lib/docker/.+|var/lib/kubelet/pods/.+)($|/)",
			     "--collector.netdev.device-exclude=^(veth.*|[a-f0-9]{15})$"));

	assert_string_equal(config->path_rootfs, "/host/top");
	assert_string_equal(config->path_udev_data, "/host/top/run/udev/data");
	assert_string_equal(config->host.netdev_device_exclude, "^(veth.*|[a-f0-9]{15})$");
	assert_true(config->collectors[COLLECTOR_cpu]);
	assert_false(config->collectors[COLLECTOR_wifi]);
}

static void defaults_can_be_switched_off(void **state)
{
	const struct config *config =
		load(state, FLAGS("--collector.disable-defaults", "--collector.cpu", "--collector.time=true"));

	for (int i = 0; i < COLLECTOR_NAMES; i++)
		assert_int_equal(config->collectors[i], i == COLLECTOR_cpu || i == COLLECTOR_time);
}

static void what_sonde_has_not(void **state)
{
	refused(state, FLAGS("--collector.wifi"), "--collector.wifi: sonde has no such collector");
	refused(state, FLAGS("--collector.cpu.guest=maybe"), "--collector.cpu.guest");
	refused(state, FLAGS("--collector.netdev.device-exclude=("), "allowed is a regular expression");
	refused(state, FLAGS("--collector.netdev.device-exclude=a", "--collector.netdev.device-include=b"),
		"--collector.netdev.device-exclude: conflicts with --collector.netdev.device-include");
	/* The default is not what the user said: it gives way. */
	load(state, FLAGS("--collector.diskstats.device-include=^sda$"));
	refused(state,
		FLAGS("--collector.diskstats.device-include=^sda$", "--collector.diskstats.device-exclude=^sdb$"),
		"conflicts");
}

/* A collector is a switch and holds options. */
static void nested_in_the_file(void **state)
{
	const struct config *config;

	config_world_file("collector:\n  cpu: false\n  netdev: {device-exclude: '^lo$', netlink: false}\n"
			  "  filesystem.mount-timeout: 2s\n");
	config = load(state, FLAGS("--config.file=sonde.yaml"));
	assert_false(config->collectors[COLLECTOR_cpu]);
	assert_true(config->collectors[COLLECTOR_netdev]);
	assert_string_equal(config->host.netdev_device_exclude, "^lo$");
	assert_false(config->host.netdev_netlink);
	assert_int_equal(config->host.filesystem_mount_timeout_ns, 2000000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_world_set_up, config_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kube_prometheus),
		TEST(defaults_can_be_switched_off),
		TEST(what_sonde_has_not),
		TEST(nested_in_the_file),
	};

	return cmocka_run_group_tests_name("config_collectors", tests, NULL, NULL);
}
