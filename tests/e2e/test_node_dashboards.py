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
from http_lab import ROOT, free_port, tool, wait_until

# Of systemd, which sonde does not ask, and two that node_exporter does not tell either.
ABSENT = {
    "node_systemd_socket_accepted_connections_total", "node_systemd_socket_current_connections",
    "node_systemd_socket_refused_connections_total", "node_systemd_units", "node_systemd_unit_state",
    "node_systemd_service_restart_total",
    "node_kernel_hung_tasks", "node_netstat_Tcp_MaxConn",
}
# Of other programs than node_exporter on the same host.
EXTRA_FLAGS = ["--collector.processes", "--collector.interrupts", "--collector.tcpstat"]


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
        wait_until(lambda: len(query(port, "up == 1")) == 2, 30, "both targets to be scraped")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)
        for server in servers:
            server.stop()


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
    assert not missing
    assert len(names()) > 200
    assert not ABSENT & known, "no longer absent"


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
])
def test_queries_answer(prometheus, expression):
    wait_until(lambda: query(prometheus, expression), 20, expression)
