# SPDX-License-Identifier: Apache-2.0
"""Servers that call nobody for their first few hundred requests, and then do: a server of threads has the right parents
from its first call on, and an event loop that has shown what it is before that is not believed."""

import collections
import json

import pytest

from chain_servers import ASYNCIO, CLIENT, NGINX, SYNC
from http_lab import Agent, Cgroup, Lab, free_port, tool, total, wait_until

QUIET, CALLS, THREADS = 40, 25, 8
LATE_SYNC = SYNC.replace("if following:", 'if following and "quiet" not in self.path:')
LATE_ASYNCIO = ASYNCIO.replace("            up_writer.write", """            if b"quiet" in line:
                writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
                continue
            up_writer.write""")
LATE_NGINX = NGINX.replace("    location / {{", '    location /quiet {{ return 200 "ok"; }}\n    location / {{')
LATE_CLIENT = CLIENT.replace('"/r/%d"', 'sys.argv[5]')
assert LATE_NGINX != NGINX and LATE_SYNC != SYNC and LATE_ASYNCIO != ASYNCIO and LATE_CLIENT != CLIENT


@pytest.fixture(name="lab")
def fixture_lab(tmp_path):
    cgroup = Cgroup()
    agent = Agent(cgroup, tmp_path / "agent.log", "--stdout.spans")
    lab = Lab(cgroup, agent, str(tmp_path), "late")
    yield lab, agent, tmp_path / "agent.log"
    lab.stop()
    agent.stop()
    cgroup.remove()


def spans_of(log):
    """By span id: service, kind, path, parent."""
    found = {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith('{"service"') or not line.endswith("\n"):
                continue
            told = json.loads(line)
            span = told["span"]
            says = {pair["key"]: pair["value"].get("stringValue", "") for pair in span["attributes"]}
            path = says.get("url.path") or "/" + says.get("url.full", "").split("/", 3)[-1]
            found[span["spanId"]] = told["service"].removeprefix("late-"), span["kind"], path, span.get("parentSpanId")
    return found


@pytest.mark.parametrize("server, certain", [(LATE_SYNC, True), (LATE_ASYNCIO, False), (LATE_NGINX, True)],
                         ids=["threads", "loop", "proxy"])
def test_late_calls(lab, tmp_path, server, certain):
    lab, agent, log = lab
    back, front = free_port(), free_port()
    lab.file("back.py", SYNC)
    lab.file("front", server if server != LATE_NGINX else server.format(port=front, next=back))
    lab.file("client.py", LATE_CLIENT)
    python = "/usr/bin/python3"
    lab.start([python, "back.py", str(back), "0"], "back", back)
    lab.start([tool("nginx"), "-p", str(tmp_path), "-c", "front"] if server == LATE_NGINX else
              [python, "front", str(front), str(back)], "front", front)
    for paths, count in (("/quiet/%d", QUIET), ("/r/%d", CALLS)):
        lab.run([python, "client.py", str(front), str(count), str(THREADS), "0", paths], "client")
    calls = THREADS * CALLS

    def all_there():
        spans = spans_of(log)
        kinds = collections.Counter((service, kind) for service, kind, path, _ in spans.values() if "/r/" in path)
        return spans if kinds["front", 3] == calls and kinds["front", 2] == calls else None
    spans = wait_until(all_there, 20, "the calls and their requests")
    right = 0
    for service, kind, path, parent in spans.values():
        if (service, kind) != ("front", 3) or not parent:
            continue
        assert spans[parent][:3] == ("front", 2, path), f"{path} below {spans[parent]}"
        right += 1
    print(f"parents of {calls} calls: {right}")
    assert right == calls or not certain
    samples = agent.samples()
    if not certain:
        assert total(samples, "sonde_trace_parents_unresolved_total", reason="interleaved") == calls - right > 0
    assert total(samples, "sonde_events_lost_total") == 0
