# SPDX-License-Identifier: Apache-2.0
"""Containers on the running machine: the cgroups' own accounts, real runc and containerd, a real Prometheus.

Everything runs in cgroups that the tests make, and the agent selects them alone.
"""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request

import pytest

import container_lab
import http_lab

TRUTH = os.path.join(http_lab.ROOT, "build", "tests", "e2e", "container_truth")
HEX = "0123456789abcdef" * 4
WORK = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; sleep 60"


@pytest.fixture(name="cgroups")
def fixture_cgroups():
    cgroups = container_lab.Cgroups(f"sonde-e2e-{os.getpid()}")
    yield cgroups
    cgroups.remove()


def start_agent(cgroups, folder, *arguments):
    return http_lab.Agent(cgroups, os.path.join(folder, "sonde.log"), *arguments)


def value(samples, metric, /, **labels):
    """The one sample with these labels."""
    found = [s.value for s in samples if s.name == metric and labels.items() <= s.labels.items()]
    assert len(found) == 1, f"{metric} {labels}: {len(found)} samples"
    return found[0]


def wait_for_cpu(agent, seconds, **labels):
    """Until a container has used so much, by the name or the path that the labels say."""
    metric = "container_cpu_usage_seconds_total"
    http_lab.wait_until(lambda: sum(s.value for s in agent.samples()
                                    if s.name == metric and labels.items() <= s.labels.items()) > seconds,
                        20, f"{labels} to use {seconds} s of CPU time")


def test_truth_of_cgroups():
    """Figures against the cgroups' own accounts: the witness is a program without a line of sonde."""
    report = os.path.join(http_lab.ROOT, "build", "test-results", "truth", "host-containers.json")
    os.makedirs(os.path.dirname(report), exist_ok=True)
    done = subprocess.run([TRUTH, http_lab.SONDE, "--json", report], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, timeout=150, check=False)
    print(done.stdout)
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) == 11, done.stdout
    assert done.returncode == 0, done.stdout


def run_runc(name, bundle, *arguments):
    return subprocess.run([http_lab.tool("runc"), *arguments, name], cwd=bundle, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True)


def test_runc(cgroups, tmp_path):
    """A container of runc: its name, its start, its figures; its last ones when it is gone."""
    name = f"web.1-{os.getpid()}"
    path = f"/{cgroups.name}/{name}"
    bundle = container_lab.make_bundle(str(tmp_path), path, WORK)
    agent = start_agent(cgroups, str(tmp_path))
    try:
        run_runc(name, bundle, "run", "-d")
        wait_for_cpu(agent, 0.05, name=name)
        samples = agent.samples()
        assert value(samples, "container_processes", name=name) == 1
        assert value(samples, "container_memory_usage_bytes", name=name) > 0
        assert abs(value(samples, "container_start_time_seconds", name=name) - time.time()) < 60
        assert {s.labels["id"] for s in samples if s.labels.get("name") == name} == {path}
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run_runc(name, bundle, "delete", "-f")
    last = value(agent.samples(), "container_cpu_usage_seconds_total", name=name)
    assert last > 0.05
    agent.stop()


def run_briefly(cgroups, folder, name, script):
    os.mkdir(os.path.join(folder, name))
    run_runc(name, container_lab.make_bundle(os.path.join(folder, name), f"/{cgroups.name}/{name}", script), "run")


def test_runc_of_milliseconds(cgroups, tmp_path):
    """Containers that are gone before any scrape have their CPU time. Those of a tenth of a second have their names;
    with one of an instant runc takes the state file away before it can be read, so that its path alone is promised."""
    metric = "container_cpu_usage_seconds_total"
    names = [f"brief{i}-{os.getpid()}" for i in range(5)]
    instants = [f"instant{i}-{os.getpid()}" for i in range(5)]
    agent = start_agent(cgroups, str(tmp_path))
    for name, instant in zip(names, instants):
        run_briefly(cgroups, str(tmp_path), name, "sleep 0.1")
        run_briefly(cgroups, str(tmp_path), instant, "true")
    samples = agent.samples()
    for name in names:
        assert value(samples, metric, name=name) > 0.001
    for instant in instants:
        assert value(samples, metric, id=f"/{cgroups.name}/{instant}") > 0.001
    agent.stop()


def write_blob(folder, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(folder, "blobs", "sha256", digest), "wb") as file:
        file.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def make_image(folder):
    """An OCI image of busybox from a local root file system, as a tar file."""
    layout = os.path.join(folder, "layout")
    os.makedirs(os.path.join(layout, "blobs", "sha256"))
    layer = os.path.join(folder, "layer.tar")
    with tarfile.open(layer, "w") as tar:
        tar.add(container_lab.make_rootfs(os.path.join(folder, "image")), arcname=".")
    with open(layer, "rb") as file:
        blob = write_blob(layout, file.read())
    config = write_blob(layout, json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [blob["digest"]]}}).encode())
    kind = "application/vnd.oci.image."
    manifest = write_blob(layout, json.dumps({
        "schemaVersion": 2, "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": [{"mediaType": kind + "layer.v1.tar", **blob}]}).encode())
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", **manifest,
        "annotations": {"io.containerd.image.name": "sonde.test/busybox:1"}}]}
    for name, content in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(layout, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    image = os.path.join(folder, "image.tar")
    with tarfile.open(image, "w") as tar:
        tar.add(layout, arcname=".")
    return image


class Containerd:
    """A containerd of the test's own: its state lies where the agent, told --path.rootfs, looks for it."""

    def __init__(self, folder):
        self.rootfs = os.path.join(folder, "host")
        self.socket = os.path.join(folder, "containerd.sock")
        state = os.path.join(self.rootfs, "run", "containerd")
        os.makedirs(state)
        config = os.path.join(folder, "config.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'version = 2\nroot = "{folder}/root"\nstate = "{state}"\n'
                       'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                       f'[grpc]\naddress = "{self.socket}"\n')
        self.log = open(os.path.join(folder, "containerd.log"), "wb")
        self.process = subprocess.Popen([http_lab.tool("containerd"), "-c", config], stdout=self.log, stderr=self.log)
        http_lab.wait_until(self.answers, 30, "containerd to answer")

    def answers(self):
        command = [http_lab.tool("ctr"), "-a", self.socket, "version"]
        return not subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctr(self, *arguments):
        subprocess.run([http_lab.tool("ctr"), "-a", self.socket, *arguments], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()


def test_containerd(cgroups, tmp_path):
    """A container of containerd: its name by the bundle that the shim keeps, its start by the init process."""
    containerd = Containerd(str(tmp_path))
    name = f"shop.{os.getpid()}"
    agent = None
    try:
        containerd.ctr("image", "import", "--snapshotter=native", make_image(str(tmp_path)))
        agent = start_agent(cgroups, str(tmp_path), f"--path.rootfs={containerd.rootfs}")
        containerd.ctr("run", "-d", "--snapshotter=native", f"--cgroup=/{cgroups.name}/{name}",
                       "sonde.test/busybox:1", name, "/bin/sh", "-c",
                       WORK)
        wait_for_cpu(agent, 0.05, name=name, id=f"/{cgroups.name}/{name}")
        samples = agent.samples()
        assert value(samples, "container_processes", name=name) == 1
        assert abs(value(samples, "container_start_time_seconds", name=name) - time.time()) < 60
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            containerd.ctr("task", "kill", "-s", "9", name)
            time.sleep(0.5)
            containerd.ctr("container", "rm", name)
        containerd.stop()
        if agent:
            agent.stop()


def pod_bundle(pod, container, image, path):
    notes = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": container,
             "io.kubernetes.cri.image-name": image, "io.kubernetes.cri.sandbox-name": pod,
             "io.kubernetes.cri.sandbox-namespace": "shop"}
    return {"ociVersion": "1.0.2", "annotations": notes, "linux": {"cgroupsPath": path}}


class Prometheus:
    """Scrapes the agent once a second, as kube-prometheus does the kubelet: job, metrics_path and no honoured times."""

    def __init__(self, folder, port):
        self.port = http_lab.free_port()
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{"job_name": "cadvisor",
                                           "static_configs": [{"targets": [f"127.0.0.1:{port}"],
                                                               "labels": {"cluster": "c", "node": "n"}}]}]}, file)
        self.log = open(os.path.join(folder, "prometheus.log"), "wb")
        self.process = subprocess.Popen(
            [http_lab.tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def ask(self, query):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]
        return []

    def numbers(self, query):
        return [series for series in self.ask(query) if series["value"][1] != "NaN"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()


SELECTOR = 'job="cadvisor", image!=""'
# The forms in which kubernetes-mixin asks for these families: its recording rules (without the join with
# kube_pod_info, which is kube-state-metrics' to tell), its alerts and its dashboards of pods and of networks.
QUERIES = {
    "cpu": f"sum by (cluster, namespace, pod, container) (rate(container_cpu_usage_seconds_total{{{SELECTOR}}}[5s]))",
    "working set": f"sum by (cluster, namespace, pod, container) (container_memory_working_set_bytes{{{SELECTOR}}})",
    "rss": f"container_memory_rss{{{SELECTOR}}}",
    "cache": f"container_memory_cache{{{SELECTOR}}}",
    "swap": f"container_memory_swap{{{SELECTOR}}}",
    "usage": f'sum(container_memory_usage_bytes{{{SELECTOR}, namespace="shop", container!=""}}) by (container)',
    "throttling": 'sum(increase(container_cpu_cfs_throttled_periods_total{job="cadvisor", namespace="shop", '
                  'container!=""}[5s])) by (container) / sum(increase(container_cpu_cfs_periods_total{'
                  'job="cadvisor", namespace="shop", container!=""}[5s])) by (container)',
}


DISK = ('{job="cadvisor", device=~"(/dev/)?(mmcblk.p.+|nvme.+|rbd.+|sd.+|vd.+|xvd.+|dm-.+|md.+|dasd.+)", '
        'container!="", cluster="c", namespace="shop"}[5s]')
DISK_QUERIES = {
    "I/O operations": f"ceil(sum by(container) (rate(container_fs_reads_total{DISK}) + "
                      f"rate(container_fs_writes_total{DISK})))",
    "throughput": f"sum by(container) (rate(container_fs_reads_bytes_total{DISK}) + "
                  f"rate(container_fs_writes_bytes_total{DISK}))",
}
# Past the page cache, again and again.
DISK_WORK = """while :; do
    dd if=/dev/zero of={file} bs=64k count=4 oflag=direct 2>/dev/null
    dd if={file} of=/dev/null bs=64k iflag=direct 2>/dev/null
    sleep 0.1
done"""


def enter(cgroups, path, work="while :; do :; done"):
    """A process in a cgroup of every tree, at work against a quota."""
    for top in cgroups.paths:
        os.makedirs(os.path.join(top, path), exist_ok=True)
        quota = os.path.join(top, path, "cpu.cfs_quota_us")
        if os.path.exists(quota):
            with open(quota, "w", encoding="ascii") as file:
                file.write("20000")

    def join():
        for top in cgroups.paths:
            with contextlib.suppress(OSError), open(os.path.join(top, path, "cgroup.procs"), "w",
                                                    encoding="ascii") as file:
                file.write("0")

    return subprocess.Popen(["sh", "-c", work], preexec_fn=join)


@contextlib.contextmanager
def pod_on_prometheus(cgroups, tmp_path, work):
    """A pod whose state files lie where containerd's do, at work, and a real Prometheus that scrapes the agent."""
    own = f"/{cgroups.name}/kubepods/podabc/{HEX}"
    folder = os.path.join(tmp_path, "host", "run", "containerd", "io.containerd.runtime.v2.task", "k8s.io", HEX)
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(pod_bundle("web-7d4b9c6f5d-x2x9k", "server", "docker.io/library/web:1", own), file)
    worker = enter(cgroups, f"kubepods/podabc/{HEX}", work)
    agent = start_agent(cgroups, str(tmp_path), f"--path.rootfs={tmp_path}/host")
    prometheus = Prometheus(str(tmp_path), agent.port)
    try:
        yield prometheus
    finally:
        prometheus.stop()
        worker.kill()
        worker.wait()
        agent.stop()


def the_one_answer(prometheus, what, query):
    """Of the pod's only container."""
    answer = http_lab.wait_until(lambda: prometheus.numbers(query), 30, what)
    labels = [series["metric"] for series in answer]
    assert all(series.get("container", "server") == "server" for series in labels), (what, labels)
    assert len(answer) == 1, (what, answer)
    return float(answer[0]["value"][1])


def test_kubernetes_mixin(cgroups, tmp_path):
    """kubernetes-mixin's queries answer on a real Prometheus."""
    with pod_on_prometheus(cgroups, tmp_path, "while :; do :; done") as prometheus:
        for what, query in QUERIES.items():
            the_one_answer(prometheus, what, query)
        http_lab.wait_until(lambda: the_one_answer(prometheus, "cpu", QUERIES["cpu"]) > 0.05, 30, "CPU time to be told")
        down = prometheus.ask('up{job="cadvisor"} == 0')
        assert not down, down


def let_v1_count(cgroups, path, device):
    """Since 6.10 (bf20ab538c81) v1 counts where a throttle is configured alone: one that holds nobody back."""
    for top in cgroups.paths:
        for file in ("read", "write"):
            throttle = os.path.join(top, path, f"blkio.throttle.{file}_bps_device")
            if os.path.exists(throttle):
                with open(throttle, "w", encoding="ascii") as target:
                    target.write(f"{os.major(device)}:{os.minor(device)} 1099511627776")


def test_kubernetes_mixin_disks(cgroups, tmp_path):
    """Its queries of disks: at least one read and one write of 256 KiB a second, and not more than ten."""
    device = os.stat("/var/tmp").st_dev
    if not os.major(device):
        pytest.skip("/var/tmp is on no disk")
    group = f"kubepods/podabc/{HEX}"
    for top in cgroups.paths:
        os.makedirs(os.path.join(top, group), exist_ok=True)
    let_v1_count(cgroups, group, device)
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file, \
            pod_on_prometheus(cgroups, tmp_path, DISK_WORK.format(file=file.name)) as prometheus:
        answers = {what: the_one_answer(prometheus, what, query) for what, query in DISK_QUERIES.items()}
        http_lab.wait_until(lambda: the_one_answer(prometheus, "throughput", DISK_QUERIES["throughput"]) > 2**19, 30,
                            f"256 KiB written and read in a second, after {answers}")
        assert answers["throughput"] < 10 * 2**19


NAMES = ["caf\u00e9-\u5bb9\u5668", 'a"b\\c{}', "n" * 255, "-.-", " leading space"]


def escape(name):
    """As in an exposition, which http_lab.parse leaves as it is."""
    return name.replace("\\", "\\\\").replace('"', '\\"')


@pytest.mark.parametrize("arguments", [[], ["--no-container.enabled"]])
def test_names_from_the_wild(cgroups, tmp_path, arguments):
    """Cgroups of any names are told once each, under their own, by the files' families and the kernel's."""
    names = NAMES + ["\udcff", "\udcfe"]  # bytes that are no UTF-8, as Python writes them in paths
    wanted = {name: 1 for name in NAMES} | {"\ufffdff": 1, "\ufffdfe": 1}
    workers = [enter(cgroups, name, "exec sleep 60") for name in names]
    agent = start_agent(cgroups, str(tmp_path), *arguments)
    try:
        families = ["container_cpu_schedstat_run_seconds_total"] + ["container_threads"] * (not arguments)
        for family in families:
            found = [s.labels["id"] for s in agent.samples() if s.name == family]
            assert {name: found.count(f"/{cgroups.name}/{escape(name)}") for name in wanted} == wanted, found
        text = urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10).read()
        assert text.decode("utf-8")
        done = subprocess.run([http_lab.tool("promtool"), "check", "metrics"], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=30)
        assert done.returncode in (0, 3), done.stdout.decode()
    finally:
        agent.stop()
        for worker in workers:
            worker.kill()
            worker.wait()


def test_exposition_of_containers(cgroups, tmp_path):
    """promtool has nothing to say against the exposition, apart from cAdvisor's own names."""
    agent = start_agent(cgroups, str(tmp_path))
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=10).read()
        done = subprocess.run([http_lab.tool("promtool"), "check", "metrics"], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=30)
        # 0 and 3: parsed, without or with remarks on names. 1: not an exposition.
        assert done.returncode in (0, 3), done.stdout.decode()
    finally:
        agent.stop()
