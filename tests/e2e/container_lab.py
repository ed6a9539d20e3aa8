# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests of containers share: a cgroup of their own in every tree, and bundles that run busybox."""

import contextlib
import json
import os
import shutil
import subprocess
import time

import pytest

import http_lab

SYSFS = "/sys/fs/cgroup"


def is_unified():
    return os.path.exists(os.path.join(SYSFS, "cgroup.controllers"))


def removed(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


class Cgroups:
    """A cgroup NAME below each tree's root. `path` is what the agent selects."""

    def __init__(self, name):
        trees = [""] if is_unified() else sorted(os.listdir(SYSFS))
        self.name = name
        self.paths = []
        for tree in trees:
            if os.path.exists(os.path.join(SYSFS, tree, "cgroup.procs")):
                self.make(os.path.join(SYSFS, tree, name))
        self.path = os.path.join(SYSFS, "" if is_unified() else "cpu", name)

    def make(self, path):
        os.makedirs(path)
        for file in ("cpuset.cpus", "cpuset.mems"):
            with contextlib.suppress(OSError):
                with open(os.path.join(os.path.dirname(path), file), encoding="ascii") as source:
                    value = source.read()
                with open(os.path.join(path, file), "w", encoding="ascii") as target:
                    target.write(value)
        self.paths.append(path)

    def remove(self):
        """What still ends in them gets two seconds for it."""
        end = time.monotonic() + 2
        for top in self.paths:
            for path, _, _ in os.walk(top, topdown=False):
                while not removed(path) and time.monotonic() < end:
                    time.sleep(0.01)


def busybox():
    path = os.path.join(http_lab.ROOT, "build", "tools", "bin", "busybox")
    if not os.path.exists(path):
        pytest.skip("busybox is not unpacked: run `sudo make setup`")
    return path


def make_rootfs(folder):
    """A root file system that holds busybox alone."""
    os.makedirs(os.path.join(folder, "bin"))
    shutil.copy(busybox(), os.path.join(folder, "bin", "busybox"))
    for name in ("sh", "sleep", "true"):
        os.symlink("busybox", os.path.join(folder, "bin", name))
    return folder


def make_bundle(folder, cgroup, script):
    """An OCI bundle for runc; returns its folder."""
    make_rootfs(os.path.join(folder, "rootfs"))
    subprocess.run([http_lab.tool("runc"), "spec"], cwd=folder, check=True)
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    spec["process"]["terminal"] = False
    spec["process"]["args"] = ["/bin/sh", "-c", script]
    spec["linux"]["cgroupsPath"] = cgroup
    with open(path, "w", encoding="utf-8") as file:
        json.dump(spec, file)
    return folder
