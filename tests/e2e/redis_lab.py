# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests of Redis share: a real server, its own books, and what sonde must say because of them.

The server counts a command in `calls` when it was executed and in `rejected_calls` when it was refused before; sonde
sees a call in both cases. Whoever asks the server for its books is outside of the cgroup, so that only the server's
side of that is observed.
"""

import os
import re
import subprocess

from http_lab import READY_SECONDS, free_port, tool, wait_until

DURATION = {side: (f"db_{side}_operation_duration_seconds_count",
                   f"db_{side}_blocking_operation_duration_seconds_count") for side in ("client", "server")}
HITS = {side: f"db_{side}_cache_hits_total" for side in ("client", "server")}
MISSES = {side: f"db_{side}_cache_misses_total" for side in ("client", "server")}
STAT = re.compile(r"^cmdstat_(\S+?):calls=(\d+),.*rejected_calls=(\d+),failed_calls=(\d+)", re.M)
LONG_SECONDS = 30


class Books:
    """What a server counted: commands as sonde names them, and lookups."""

    def __init__(self, text):
        self.calls = {}
        self.failed = {}
        for name, calls, rejected, failed in STAT.findall(text):
            command = name.upper().replace("|", " ")
            self.calls[command] = self.calls.get(command, 0) + int(calls) + int(rejected)
            self.failed[command] = self.failed.get(command, 0) + int(failed) + int(rejected)
        self.hits = int(re.search(r"^keyspace_hits:(\d+)", text, re.M)[1])
        self.misses = int(re.search(r"^keyspace_misses:(\d+)", text, re.M)[1])


class Server:
    """A server of its own for one test, reached by TCP or by unix socket."""

    def __init__(self, lab, service="redis", unix=False, program="redis-server", **options):
        self.lab = lab
        self.service = service
        self.port = free_port()
        self.path = os.path.join(lab.folder, f"{service}.sock") if unix else None
        command = [tool(program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                   "--dir", lab.folder]
        if unix:
            command += ["--unixsocket", self.path]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), value]
        self.process = lab.start(command, service, self.port)
        if unix:
            wait_until(lambda: os.path.exists(self.path), READY_SECONDS, "the socket")
        self.infos = 0
        self.own = {}
        if program.startswith("valkey"):
            # Valkey 9 calls itself when it starts: that crosses no socket.
            self.own = without(self.books().calls, "INFO", self.infos)

    def where(self):
        return ["-s", self.path] if self.path else ["-h", "127.0.0.1", "-p", str(self.port)]

    def outside(self, *arguments):
        """redis-cli, outside of the cgroup; by TCP, also where the test is about a unix socket."""
        done = subprocess.run([tool("redis-cli"), "-p", str(self.port), *arguments], stdout=subprocess.PIPE, check=True,
                              timeout=LONG_SECONDS)
        return done.stdout.decode()

    def inside(self, service, *arguments, stdin=None):
        """redis-cli, as a client that is observed."""
        return self.lab.run([tool("redis-cli"), *self.where(), *arguments], service, stdin=stdin)

    def books(self):
        """The server's count of INFO does not have the one that asked for it."""
        books = Books(self.outside("info", "everything"))
        self.infos += 1
        books.calls["INFO"] = books.calls.get("INFO", 0) + 1
        for name, count in self.own.items():
            books.calls = without(books.calls, name, count)
        return books


def counts(samples, service, side, **labels):
    """Calls by command, as sonde tells them."""
    found = {}
    for sample in samples:
        if sample.name not in DURATION[side] or sample.labels.get("service_name") != service:
            continue
        assert sample.labels["db_system_name"] == "redis"
        if all(sample.labels.get(label) == value for label, value in labels.items()):
            name = sample.labels["db_operation_name"]
            found[name] = found.get(name, 0) + int(sample.value)
    return found


def failures(samples, service, side):
    found = {}
    for sample in samples:
        if sample.name in DURATION[side] and sample.labels.get("service_name") == service \
                and "db_response_status_code" in sample.labels:
            name = sample.labels["db_operation_name"]
            found[name] = found.get(name, 0) + int(sample.value)
    return found


def sum_of(samples, service, name):
    return int(sum(s.value for s in samples if s.name == name and s.labels.get("service_name") == service))


def without(calls, command, number):
    left = {**calls, command: calls.get(command, 0) - number}
    return {name: count for name, count in left.items() if count}


def expect(lab, server, clients, lookups=True, unknown=None, inner=None, lost=False):
    """Both sides say what the server says: each command's calls and failures, hits and misses. Returns the samples.

    `unknown` commands, by the name that sonde gives them, all failed and are in no book. `inner` are the calls of
    scripts, which cross no socket.
    """
    books = server.books()
    unknown = unknown or {}
    calls = {**books.calls, **unknown}
    for name, count in (inner or {}).items():
        calls = without(calls, name, count)
    failed = {name: count for name, count in books.failed.items() if count}
    failed.update(unknown)
    hits = {"server": books.hits, "client": books.hits}
    misses = {"server": books.misses, "client": books.misses}
    wanted = {"server": calls, "client": without(calls, "INFO", server.infos)}
    services = {"server": [server.service], "client": clients}

    def told(samples):
        got = {}
        for side in ("server", "client"):
            sums = {}
            for service in services[side]:
                for name, count in counts(samples, f"{lab.prefix}-{service}", side).items():
                    sums[name] = sums.get(name, 0) + count
            got[side] = sums
            fails = {}
            for service in services[side]:
                for name, count in failures(samples, f"{lab.prefix}-{service}", side).items():
                    fails[name] = fails.get(name, 0) + count
            got[side + " failed"] = fails
            if lookups:
                got[side + " hits"] = sum(sum_of(samples, f"{lab.prefix}-{s}", HITS[side]) for s in services[side])
                got[side + " misses"] = sum(sum_of(samples, f"{lab.prefix}-{s}", MISSES[side]) for s in services[side])
        return got

    goal = {}
    for side in ("server", "client"):
        goal[side] = wanted[side]
        goal[side + " failed"] = failed
        if lookups:
            goal[side + " hits"] = hits[side]
            goal[side + " misses"] = misses[side]
    return lab.expect_told(told, goal, lost)
