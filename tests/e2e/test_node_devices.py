# SPDX-License-Identifier: Apache-2.0
"""Network devices of many kinds, in a network namespace of the test's own: what netclass takes from netlink must be
what node_exporter reads in sysfs, also after devices came and went, and where sysfs is another namespace's."""

import re
import subprocess

import pytest

import node_lab
from http_lab import SONDE

# Kinds that this kernel has not are left out; a pair of veth is there everywhere.
DEVICES = """
ip link set lo up
ip link add v0 type veth peer name v1 || exit 77
ip link set v0 up
ip link set v1 alias '  a "quoted" one '
ip link set v1 group 7 txqueuelen 77 mtu 1400
ip link add d0 type dummy && ip link set d0 up promisc on
ip link add br0 type bridge && ip link set v1 master br0 up && ip link set br0 up
ip link add link v0 name v0.5 type vlan id 5 && ip link set v0.5 up
ip link add t0 type ipip local 10.0.0.1 remote 10.0.0.2 && ip link set t0 up
ip link add mv0 link v0 type macvlan
ip link add bond0 type bond
ip tuntap add tap0 mode tap && ip link set tap0 up
"""
CHANGES = """
ip link del v0
ip link add v0 type veth peer name v2
ip link set v0 up
ip link set lo down
"""
SCRIPT = """
set -u
folder=$3
{mount}
({devices}) 2>/dev/null || exit 77
$1 --web.listen-address=127.0.0.1:9100 --collector.disable-defaults --collector.netclass >/dev/null 2>&1 &
node=$!
$2 run --backend=none --no-container.enabled --web.listen-address=127.0.0.1:9200 --collector.disable-defaults \
    --collector.netclass --collector.netdev >/dev/null 2>&1 &
sonde=$!
look() {{
    for port in 9100 9200; do
        curl -s --retry 50 --retry-connrefused --retry-delay 1 -o "$folder/$1-$port" "http://127.0.0.1:$port/metrics"
    done
}}
look before
look again
({changes}) 2>/dev/null
ip link set lo up
look after
kill $node $sonde
wait $node $sonde
exit 0
"""


def told(path):
    """What netclass tells: netdev, which shares its question with it, counts what is received and transmitted."""
    with open(path, encoding="utf-8") as file:
        samples = node_lab.parse(file.read()).samples
    return {key: value for key, value in samples.items()
            if re.match(r"node_network_(?!(receive|transmit)_\w+_total)", key[0])}


@pytest.mark.parametrize("mount", ["mount -t sysfs sysfs /sys", ":"], ids=["own sysfs", "sysfs of another namespace"])
def test_devices_of_many_kinds(mount, tmp_path):
    script = SCRIPT.format(mount=mount, devices=DEVICES, changes=CHANGES)
    done = subprocess.run(["unshare", "--net", "--mount", "sh", "-c", script, "sh", node_lab.node_exporter("current"),
                           SONDE, str(tmp_path)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=120, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel has no veth")
    assert done.returncode == 0, done.stderr
    for moment in ("before", "again", "after"):
        theirs, ours = (told(tmp_path / f"{moment}-{port}") for port in (9100, 9200))
        assert ours == theirs
        assert len(theirs) > 20
    if mount != ":":
        names = {dict(labels)["device"] for _, labels in told(tmp_path / "after-9200")}
        assert {"lo", "v0", "v2"} <= names and "v1" not in names
