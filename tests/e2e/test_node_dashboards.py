# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes sonde, and every metric that "Node Exporter Full" (1860) and the node mixin read is there:
from this machine where it has what they tell of, from the fixture tree where it has not, or listed below as absent."""

import json
import os
import subprocess
import urllib.parse
import urllib.request

import pytest

import node_fixture
import node_lab
import systemd_lab
from http_lab import ROOT, free_port, tool, wait_until

# What node_exporter does not tell either: a name of the past, and a field that its default pattern leaves out.
ABSENT = {"node_kernel_hung_tasks", "node_netstat_Tcp_MaxConn"}
EXTRA_FLAGS = ["--collector.processes", "--collector.interrupts", "--collector.tcpstat"]
SYSTEMD_FLAGS = ["--collector.systemd", "--collector.systemd.enable-restarts-metrics"]


def names():
    path = os.path.join(ROOT, "tests", "e2e", "node-dashboard-metrics.txt")
    with open(path, encoding="ascii") as lines:
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("prometheus"))
    fixture = os.path.join(folder, "fixture")
    servers = [node_lab.start_sonde(folder, *EXTRA_FLAGS),
               node_lab.start_sonde(folder, *EXTRA_FLAGS, *node_fixture.make(fixture))]
    systemd = None
    if not systemd_lab.missing():
        systemd = systemd_lab.Systemd(os.path.join(folder, "systemd"))
        systemd.control("start", "lab-busy.service", "lab-ear.socket")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = systemd.address
        servers.append(node_lab.start_sonde(folder, *SYSTEMD_FLAGS))
    port = free_port()
    targets = ", ".join(f"'127.0.0.1:{server.port}'" for server in servers)
    with open(os.path.join(folder, "prometheus.yml"), "w", encoding="ascii") as file:
        file.write(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: node\n  static_configs:\n"
                   f"  - targets: [{targets}]\n")
    with open(os.path.join(folder, "prometheus.log"), "wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: len(query(port, "up == 1")) == len(servers), 30, "the targets to be scraped")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)
        for server in servers:
            server.stop()
        if systemd:
            systemd.stop()


def query(port, expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


def test_every_metric_of_the_dashboards_is_there(prometheus):
    known = {item["metric"]["__name__"] for item in query(prometheus, 'count by (__name__) ({job="node"})')}
    missing = {name for name in names() if name not in known} - ABSENT
    if systemd_lab.missing():
        print(f"node_systemd_* not looked at: {systemd_lab.missing()}")
        missing = {name for name in missing if not name.startswith("node_systemd_")}
    assert not missing
    assert len(names()) > 200
    assert not ABSENT & known, "no longer absent"


def test_what_node_exporter_tells_of_them_here_is_told(tmp_path):
    """On this machine, by both with the same collectors, the defaults and the three that the dashboards want."""
    node = node_lab.start_node_exporter(node_lab.node_exporter("current"), str(tmp_path), *EXTRA_FLAGS)
    sonde = node_lab.start_sonde(str(tmp_path), *EXTRA_FLAGS)
    try:
        theirs, ours = (set(server.scrape().types) & set(names()) for server in (node, sonde))
    finally:
        sonde.stop()
        node.stop()
    assert len(theirs) > 150
    assert not theirs - ours


@pytest.mark.parametrize("expression", [
    # Of dashboard 1860 and the node mixin, one of each shape: rates, ratios, joins, label replacement.
    '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle",job="node"}[10s])))',
    '(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes',
    'node_filesystem_avail_bytes{fstype!=""} / node_filesystem_size_bytes{fstype!=""}',
    'node_load1 / count without(cpu, mode) (node_cpu_seconds_total{mode="idle"})',
    'label_replace(node_uname_info, "host", "$1", "nodename", "(.+)")',
    'node_time_seconds - node_boot_time_seconds',
    'rate(node_network_receive_bytes_total[10s]) * 8',
    'node_hwmon_temp_celsius * on(chip) group_left(chip_name) node_hwmon_chip_names',
    'rate(node_disk_io_time_weighted_seconds_total[10s])',
    'node_md_disks{state="failed"} > 0',
    'node_bonding_slaves - node_bonding_active != 0',
    'node_scrape_collector_success{collector="cpu"} == 1',
    'node_systemd_unit_state{state="active",type="exec"} == 1',
    'rate(node_systemd_socket_accepted_connections_total[10s])',
])
def test_queries_answer(prometheus, expression):
    if "systemd" in expression and systemd_lab.missing():
        pytest.skip(systemd_lab.missing())
    wait_until(lambda: query(prometheus, expression), 20, expression)
