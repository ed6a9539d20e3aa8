# SPDX-License-Identifier: Apache-2.0
"""What the resources of spans and of services' metrics say of processes, containers and pods: real runc and containerd,
and the state files that Docker and Kubernetes' containerd keep, where --path.rootfs says."""

import contextlib
import json
import os
import subprocess
import time

import pytest

import container_lab
import http_lab
from otlp_receiver import Receiver, attributes
from test_container import HEX, Containerd, make_image, pod_bundle, run_runc

SERVE = ("/bin/busybox httpd -f -p 8080 & while :; do /bin/busybox wget -q -O - http://127.0.0.1:8080/none; "
         "sleep 0.1; done")
PYTHON = """
import http.client, http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(int(sys.argv[1])):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", "/")
    connection.getresponse().read()
"""


@pytest.fixture(name="world")
def fixture_world(tmp_path):
    cgroups = container_lab.Cgroups(f"sonde-place-{os.getpid()}")
    receiver = Receiver()
    agents = []

    def start(*arguments):
        agents.append(http_lab.Agent(cgroups, os.path.join(tmp_path, "sonde.log"), f"--otlp.endpoint={receiver.url}",
                                     "--otlp.batch-delay=50ms", "--otlp.metrics-interval=500ms", *arguments))
    yield cgroups, receiver, start
    for agent in agents:
        agent.stop()
    receiver.stop()
    cgroups.remove()


def server_resource(receiver):
    """Of the last server span; both ends of the calls are in one container. A runtime may write its state file when the
    first calls have been made already: those say nothing of it."""
    def last():
        found = {span.kind: resource for resource, span, _ in receiver.spans() if "container.id" in resource}
        return found if set(found) == {2, 3} else None
    resources = http_lab.wait_until(last, 20, "spans of both ends in a container")
    places = [{key: value for key, value in resource.items() if key.startswith(("container.", "k8s."))}
              for resource in resources.values()]
    assert places[0] == places[1]
    return resources[2]


def metric_resources(receiver, service):
    """Of a service's durations, in order: one of each export."""
    with receiver.lock:
        messages = [message for path, _, message in receiver.requests if path == "/v1/metrics"]
    found = [attributes(resource.resource.attributes) for message in messages for resource in message.resource_metrics
             if any(metric.name == "http.server.request.duration" for scope in resource.scope_metrics
                    for metric in scope.metrics)]
    return [resource for resource in found if resource["service.name"] == service]


def metric_resource(receiver, service):
    http_lab.wait_until(lambda: metric_resources(receiver, service), 20, "the service's metrics")
    return metric_resources(receiver, service)[-1]


def run_container(cgroups, folder, name, script):
    """A container whose processes begin when the runtime has written down what it is."""
    os.makedirs(folder)
    bundle = container_lab.make_bundle(folder, f"/{cgroups.name}/{name}", f"/bin/busybox sleep 1; {script}")
    run_runc(name, bundle, "run", "-d")
    return bundle


def remove_container(name, bundle):
    with contextlib.suppress(subprocess.CalledProcessError):
        run_runc(name, bundle, "delete", "-f")


def test_runc(world, tmp_path):
    cgroups, receiver, start = world
    name = f"web.{os.getpid()}"
    start()
    bundle = run_container(cgroups, str(tmp_path / "bundle"), name, SERVE)
    try:
        resource = server_resource(receiver)
        assert (resource["container.id"], resource["container.name"]) == (name, name)
        assert resource["process.executable.name"] == "busybox" and resource["process.pid"] > 0
        assert not [key for key in resource if key.startswith("k8s.")]
        assert resource["service.name"] == name
        resource = metric_resource(receiver, name)
        assert (resource["container.id"], resource["container.name"]) == (name, name)
        assert resource["process.executable.name"] == "busybox" and "host.name" in resource
        # The server has a process for each connection.
        http_lab.wait_until(lambda: "process.pid" not in metric_resource(receiver, name), 10, "a second process")
    finally:
        remove_container(name, bundle)


def test_a_service_of_two_containers(world, tmp_path):
    """Told of its metrics is what holds of both, and nothing that is one's alone, whichever came last."""
    cgroups, receiver, start = world
    names = [f"shop.{os.getpid()}.{i}" for i in (1, 2)]
    declared = "service.version=1.%s,service.namespace=till%%2C1,deployment.environment=live,api.key=secret"
    bundles = {}
    start()
    try:
        for i, name in enumerate(names):
            environment = f"export OTEL_SERVICE_NAME=shop OTEL_RESOURCE_ATTRIBUTES='{declared % i}'; "
            bundles[name] = run_container(cgroups, str(tmp_path / name), name, environment + SERVE)
            http_lab.wait_until(lambda wanted=name: any(resource.get("container.id") == wanted and span.kind == 2
                                                        for resource, span, _ in receiver.spans()), 20, "its spans")
            if i == 0:
                resource = metric_resource(receiver, "shop")
                assert (resource["container.id"], resource["service.version"]) == (name, "1.0")
        http_lab.wait_until(lambda: "container.id" not in metric_resource(receiver, "shop"), 10, "what both have")
        count = len(metric_resources(receiver, "shop"))
        http_lab.wait_until(lambda: len(metric_resources(receiver, "shop")) > count + 1, 10, "two more exports")
        resource = metric_resource(receiver, "shop")
        assert not {"container.id", "container.name", "service.version", "process.pid"} & set(resource)
        assert resource["service.namespace"] == "till,1" and resource["deployment.environment.name"] == "live"
        assert resource["process.executable.name"] == "busybox"
        versions = {resource["container.id"]: resource["service.version"] for resource, span, _ in receiver.spans()
                    if "container.id" in resource}
        assert versions == {names[0]: "1.0", names[1]: "1.1"}
        assert not any("secret" in str(resource) for resource, _, _ in receiver.spans())
    finally:
        for name, bundle in bundles.items():
            remove_container(name, bundle)


def test_containerd(world, tmp_path):
    cgroups, receiver, start = world
    containerd = Containerd(str(tmp_path))
    name = f"shop.{os.getpid()}"
    try:
        containerd.ctr("image", "import", "--snapshotter=native", make_image(str(tmp_path)))
        start(f"--path.rootfs={containerd.rootfs}")
        containerd.ctr("run", "-d", "--snapshotter=native", f"--cgroup=/{cgroups.name}/{name}",
                       "sonde.test/busybox:1", name, "/bin/sh", "-c", SERVE)
        resource = server_resource(receiver)
        assert (resource["container.id"], resource["container.name"]) == (name, name)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            containerd.ctr("task", "kill", "-s", "9", name)
            time.sleep(0.5)
            containerd.ctr("container", "rm", name)
        containerd.stop()


def run_in(cgroups, path):
    """A server and its client in a cgroup of every tree."""
    for top in cgroups.paths:
        os.makedirs(os.path.join(top, path), exist_ok=True)

    def join():
        for top in cgroups.paths:
            with contextlib.suppress(OSError), open(os.path.join(top, path, "cgroup.procs"), "w",
                                                    encoding="ascii") as file:
                file.write("0")
    subprocess.run(["/usr/bin/python3", "-c", PYTHON, "5"], preexec_fn=join, check=True, timeout=30)


def write_state(tmp_path, place, content):
    path = os.path.join(tmp_path, "host", *place)
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


def test_a_pod(world, tmp_path):
    """The bundle of a container of Kubernetes, as the CRI plugin of containerd has its annotations."""
    cgroups, receiver, start = world
    bundle = pod_bundle("web-7d4b9c6f5d-x2x9k", "server", "docker.io/library/web:1",
                        f"/{cgroups.name}/kubepods/podabc/{HEX}")
    bundle["annotations"]["resource.opentelemetry.io/deployment.environment.name"] = "live"
    write_state(tmp_path, ["run", "containerd", "io.containerd.runtime.v2.task", "k8s.io", HEX, "config.json"], bundle)
    start(f"--path.rootfs={tmp_path}/host")
    run_in(cgroups, f"kubepods/podabc/{HEX}")
    resource = server_resource(receiver)
    place = {key: value for key, value in resource.items() if key.startswith(("container.", "k8s."))}
    place.pop("container.name", None)
    tags = place.pop("container.image.tags")
    assert [value.string_value for value in tags.values] == ["1"]
    assert place == {"container.id": HEX, "container.image.name": "docker.io/library/web",
                     "k8s.container.name": "server", "k8s.pod.name": "web-7d4b9c6f5d-x2x9k",
                     "k8s.namespace.name": "shop"}
    service = {"service.name": "web", "service.namespace": "shop", "service.version": "1",
               "service.instance.id": "shop.web-7d4b9c6f5d-x2x9k.server", "deployment.environment.name": "live"}
    assert {key: resource.get(key) for key in service} == service
    # The server and its client were one process.
    told = metric_resource(receiver, "web")
    assert {key: value for key, value in told.items() if key != "container.image.tags"} == {
        key: value for key, value in resource.items() if key != "container.image.tags"}
    assert told["process.runtime.name"] == "cpython" and told["process.pid"] > 0


def test_docker(world, tmp_path):
    cgroups, receiver, start = world
    write_state(tmp_path, ["var", "lib", "docker", "containers", HEX, "config.v2.json"], {
        "ID": HEX, "Name": "/shop-web-1", "Created": "2024-05-06T07:08:09.5Z", "Image": "sha256:abc",
        "State": {"Running": True, "Pid": 1, "StartedAt": "2024-05-06T07:08:09.5Z"},
        "Config": {"Image": "nginx:1.25", "Labels": {"com.docker.compose.service": "web"}}})
    start(f"--path.rootfs={tmp_path}/host")
    run_in(cgroups, f"docker/{HEX}")
    resource = server_resource(receiver)
    resource.pop("container.image.tags")
    assert {key: value for key, value in resource.items() if key.startswith(("container.", "k8s."))} == {
        "container.id": HEX, "container.name": "shop-web-1", "container.image.name": "nginx"}
    assert resource["service.name"] == "web"
