# SPDX-License-Identifier: Apache-2.0
"""sonde against real node_exporters on the running kernel: names, types, label sets and values of everything they
tell, with the differences of node-exporter-differences.tsv and no others."""

import os
import urllib.error

import pytest

import node_lab
from http_lab import ROOT


@pytest.fixture(scope="module", params=["debian", "current"])
def pair(request, tmp_path_factory):
    program = node_lab.node_exporter(request.param)
    folder = tmp_path_factory.mktemp("pair")
    flags = node_lab.every_common(program, folder)
    node = node_lab.start_node_exporter(program, folder, *flags)
    node.version = node_lab.version(program)
    sonde = node_lab.start_sonde(folder, *flags)
    yield node, sonde
    sonde.stop()
    node.stop()


@pytest.fixture(scope="module")
def sonde(tmp_path_factory):
    server = node_lab.start_sonde(tmp_path_factory.mktemp("sonde"))
    yield server
    server.stop()


def test_tells_what_node_exporter_tells(pair):
    node, sonde = pair
    left = node_lab.compare(node, sonde, node.version)
    assert not left, "\n".join(f"{item.kind} {item.name} {item.detail}" for item in left)


def test_promtool_finds_nothing_that_it_does_not_find_in_node_exporter(pair):
    node, sonde = pair
    theirs = set(node_lab.promtool_problems(node.text()))
    ours = node_lab.promtool_problems(sonde.text())
    # Debian's is older: promtool says nothing of names that it has not.
    new = {line for line in ours if line.startswith("node_")} - theirs
    assert not new or node.version != "current", new


def test_collect_and_exclude(sonde):
    only = node_lab.parse(sonde.text("/metrics?collect[]=cpu&collect[]=time"))
    assert {"node_cpu_seconds_total", "node_time_seconds"} <= only.types.keys()
    assert "node_load1" not in only.types
    assert "process_cpu_seconds_total" in only.text and "sonde_build_info" not in only.text
    others = node_lab.parse(sonde.text("/metrics?exclude[]=cpu"))
    assert "node_cpu_seconds_total" not in others.types and "node_load1" in others.types
    for query in ("collect[]=nothing", "collect[]=cpu&exclude[]=time", "exclude[]=wifi"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            sonde.text(f"/metrics?{query}")
        assert refused.value.code == 400, query


def test_exporter_metrics_can_be_left_out(tmp_path):
    server = node_lab.start_sonde(str(tmp_path), "--web.disable-exporter-metrics")
    try:
        text = server.text()
    finally:
        server.stop()
    assert "node_load1 " in text
    assert not [line for line in text.splitlines() if line.startswith(("sonde_", "process_"))]


def test_documentation_has_every_reason():
    with open(os.path.join(ROOT, "docs", "METRICS.md"), encoding="utf-8") as file:
        text = file.read()
    missing = {reason for _, _, _, reason in node_lab.reasons() if reason not in text}
    assert not missing, f"docs/METRICS.md does not say: {missing}"
