# SPDX-License-Identifier: Apache-2.0
"""The systemd collector against a real systemd, beside a real node_exporter that asks the same one."""

import os
import subprocess

import pytest

import node_lab
import systemd_lab
from http_lab import wait_until

FLAGS = ["--collector.disable-defaults", "--collector.systemd", "--collector.systemd.enable-task-metrics",
         "--collector.systemd.enable-restarts-metrics", "--collector.systemd.enable-start-time-metrics",
         # The current default, said aloud: Debian's node_exporter has another.
         r"--collector.systemd.unit-exclude=.+\.(automount|device|mount|scope|slice)"]
# What dashboard 1860 and the node mixin read, and the rest.
FAMILIES = {f"node_systemd_{name}" for name in (
    "units", "unit_state", "service_restart_total", "socket_accepted_connections_total", "socket_current_connections",
    "socket_refused_connections_total", "system_running", "timer_last_trigger_seconds", "unit_start_time_seconds",
    "unit_tasks_current", "unit_tasks_max", "version", "virtualization_info")}


@pytest.fixture(scope="module")
def systemd(tmp_path_factory):
    if systemd_lab.missing():
        pytest.skip(systemd_lab.missing())
    manager = systemd_lab.Systemd(str(tmp_path_factory.mktemp("systemd")))
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = manager.address
    manager.control("start", "lab-busy.service", "lab-ear.socket", "lab-idle.timer")
    manager.control("start", "lab-fails.service", check=False)
    yield manager
    if before is None:
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    manager.stop()


@pytest.fixture(scope="module")
def sonde(systemd, tmp_path_factory):
    server = node_lab.start_sonde(str(tmp_path_factory.mktemp("sonde")), *FLAGS)
    yield server
    server.stop()


def value(server, family, unit):
    return server.scrape().samples.get((f"node_systemd_{family}", (("name", unit),)))


@pytest.mark.parametrize("which", ["debian", "current"])
def test_tells_what_node_exporter_tells(systemd, sonde, which, tmp_path):
    program = node_lab.node_exporter(which)
    node = node_lab.start_node_exporter(program, str(tmp_path), *FLAGS)
    ears = [systemd.connect() for _ in range(2)]
    try:
        wait_until(lambda: value(sonde, "socket_current_connections", "lab-ear.socket") >= 2, 10, "connections")
        left = node_lab.compare(node, sonde, node_lab.version(program))
        told = sonde.scrape()
    finally:
        for ear in ears:
            ear.close()
        node.stop()
    assert not left, "\n".join(f"{item.kind} {item.name} {item.detail}" for item in left)
    assert FAMILIES - {"node_systemd_virtualization_info"} <= told.types.keys()


def test_states_are_those_that_systemctl_shows(systemd, sonde):
    told = sonde.scrape().samples
    for unit in ("lab-busy.service", "lab-fails.service", "lab-ear.socket", "lab-idle.timer"):
        kind = systemd.property(unit, "Type")
        labels = {"name": unit, "state": systemd.property(unit, "ActiveState")}
        labels.update({"type": kind} if kind and unit.endswith(".service") else {})
        assert told[("node_systemd_unit_state", tuple(sorted(labels.items())))] == 1, unit
    assert told[("node_systemd_unit_tasks_max", (("name", "lab-busy.service"),))] == 77
    assert told[("node_systemd_system_running", ())] == 0, "a unit has failed"


def test_restarts_are_counted(systemd, sonde):
    systemd.control("start", "lab-again.service", check=False)
    wait_until(lambda: (value(sonde, "service_restart_total", "lab-again.service") or 0) >= 3, 20, "restarts")
    before = int(systemd.property("lab-again.service", "NRestarts"))
    told = value(sonde, "service_restart_total", "lab-again.service")
    after = int(systemd.property("lab-again.service", "NRestarts"))
    systemd.control("stop", "lab-again.service")
    assert 3 <= before <= told <= after


def test_a_bus_that_goes_away_and_comes_back(tmp_path):
    """The failure is told, the scrape is not held up, and the next bus is found."""
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/nobody"
    server = node_lab.start_sonde(str(tmp_path), *FLAGS)
    try:
        assert server.scrape().samples[("node_scrape_collector_success", (("collector", "systemd"),))] == 0
        # A bus that takes connections and never says a word.
        listener = subprocess.Popen(["python3", "-c", "import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\n"
                                     "s.bind(sys.argv[1])\ns.listen(9)\ntime.sleep(60)", f"{tmp_path}/nobody"])
        try:
            wait_until(lambda: os.path.exists(f"{tmp_path}/nobody"), 10, "the silent bus")
            told = server.scrape().samples
        finally:
            listener.kill()
            listener.wait()
        assert told[("node_scrape_collector_success", (("collector", "systemd"),))] == 0
        assert told[("node_scrape_collector_duration_seconds", (("collector", "systemd"),))] < 3
    finally:
        server.stop()
