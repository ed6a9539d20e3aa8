# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces with address translation between them, and an agent for each: the server's parent is the
client's span, which the other agent told, and nothing was exchanged between them."""

import contextlib
import json
import os
import subprocess

import pytest

import chain_servers
from http_lab import Agent, Cgroup, Lab, tool, total, wait_until
from test_tls import fixture_certificate  # pylint: disable=unused-import

CLIENT, ROUTER, SERVER = (f"sonde-{name}-{os.getpid()}" for name in ("client", "router", "server"))
PORT = 8080
RULES = """
table ip nat {
  chain before { type nat hook prerouting priority -100; tcp dport 80 dnat to 10.97.2.2:8080; }
  chain after { type nat hook postrouting priority 100; oifname "s1" masquerade; }
}
"""


def ip(*arguments, check=True):
    return subprocess.run([tool("ip"), *arguments], check=check, capture_output=True, text=True)


@pytest.fixture
def network():
    """client 10.97.1.2 - router - server 10.97.2.2; the server sees the router, and the client asks it."""
    with contextlib.ExitStack() as stack:
        for name in (CLIENT, ROUTER, SERVER):
            if ip("netns", "add", name, check=False).returncode:
                pytest.skip("network namespaces cannot be made here")
            stack.callback(ip, "netns", "del", name, check=False)
            ip("-n", name, "link", "set", "lo", "up")
        for end, name, number in (("c", CLIENT, 1), ("s", SERVER, 2)):
            ip("link", "add", f"{end}0", "netns", name, "type", "veth", "peer", f"{end}1", "netns", ROUTER)
            ip("-n", name, "addr", "add", f"10.97.{number}.2/24", "dev", f"{end}0")
            ip("-n", ROUTER, "addr", "add", f"10.97.{number}.1/24", "dev", f"{end}1")
            ip("-n", name, "link", "set", f"{end}0", "up")
            ip("-n", ROUTER, "link", "set", f"{end}1", "up")
            ip("-n", name, "route", "add", "default", "via", f"10.97.{number}.1")
        ip("netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        done = subprocess.run([tool("ip"), "netns", "exec", ROUTER, tool("nft"), "-f", "-"], input=RULES, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no address translation here: {done.stderr.strip()[:100]}")
        yield


WARM = 900000  # the first TLS connection, which may come before the library is hooked
SERVE = 'Server(("0.0.0.0", port), Handler).serve_forever()'
SERVE_TLS = """
import ssl
server = Server(("0.0.0.0", port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{1}", "{0}")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def spans_of(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        spans = [json.loads(line)["span"] for line in file if line.startswith('{"service"') and line.endswith("\n")]
    return [span for span in spans if f"/r/{WARM}" not in json.dumps(span)]


def scripts(tls, certificate):
    """The server's and the client's."""
    serve = chain_servers.SYNC.replace('"127.0.0.1", port', '"0.0.0.0", port')
    ask = chain_servers.CLIENT.replace('"127.0.0.1"', '"10.97.1.1"')
    if tls:
        serve = serve.replace(SERVE, SERVE_TLS.format(*certificate))
        ask = ask.replace("HTTPConnection(", "HTTPSConnection(").replace("port)", "port, context=unverified)", 1)
        ask = "import ssl\nunverified = ssl._create_unverified_context()\n" + ask
    return serve, ask


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_parents_match_through_translation(network, tmp_path, certificate, tls):
    serve, ask = scripts(tls, certificate)
    with contextlib.ExitStack() as stack:
        ends = {}
        for name in ("client", "server"):
            cgroup = Cgroup(name)
            stack.callback(cgroup.remove)
            folder = tmp_path / name
            folder.mkdir()
            agent = Agent(cgroup, folder / "agent.log", "--stdout.spans")
            stack.callback(agent.stop)
            lab = Lab(cgroup, agent, str(folder), "nat")
            stack.callback(lab.stop)
            ends[name] = lab, folder / "agent.log"
        lab, server_log = ends["server"]
        script = lab.file("server.py", serve)
        lab.start([tool("ip"), "netns", "exec", SERVER, "/usr/bin/python3", script, str(PORT), "0"], "server")
        wait_until(lambda: ip("netns", "exec", SERVER, "ss", "-ltn").stdout.count(f":{PORT}"), 10, "the server")
        lab, client_log = ends["client"]
        script = lab.file("client.py", ask)
        lab.run([tool("ip"), "netns", "exec", CLIENT, "/usr/bin/python3", script, "80", "1", "1", str(WARM)], "client")
        for end, _ in ends.values():
            wait_until(lambda end=end: not tls or total(end.agent.samples(), "sonde_tls_hooks"), 10, "hooks")
        lab.run([tool("ip"), "netns", "exec", CLIENT, "/usr/bin/python3", script, "80", "50", "4", "0"], "client")
        for log in (client_log, server_log):
            wait_until(lambda log=log: len(spans_of(log)) == 200, 10, "200 spans of each end")
        by_id = {span["spanId"]: span for span in spans_of(client_log)}
        assert len(by_id) == 200
        for span in spans_of(server_log):
            parent = by_id[span["parentSpanId"]]
            assert parent["traceId"] == span["traceId"]
            says = [{pair["key"]: pair["value"] for pair in each["attributes"]} for each in (span, parent)]
            assert says[1]["url.full"]["stringValue"].endswith(says[0]["url.path"]["stringValue"])
            # The server saw the translator, the client asked it.
            assert says[0]["network.peer.address"] == {"stringValue": "10.97.2.1"}
            assert says[1]["network.peer.address"] == {"stringValue": "10.97.1.1"}
