# SPDX-License-Identifier: Apache-2.0
"""The right connection: 200 TLS connections at once to 20 servers that each answer with their own name.

The requests' Host names the server that the client means and no port, so the port in the metrics is that of the
connection that the agent found: a request under another server's port would be a wrong join, one without a port is one
that was left open. Each client checks that the answer came from the server that it asked.
"""

import contextlib
import os
import socket

import pytest

from http_lab import CLIENT, SERVER, tool
from test_tls import (PYTHON, fixture_agent, fixture_certificate, fixture_lab)  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SERVERS = 20
CONNECTIONS = 200
REQUESTS = 5

SERVER_PROGRAM = """
import asyncio, ssl, sys
key, certificate, *ports = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)

async def serve(name, reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            body = name.encode()
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    for number, port in enumerate(ports):
        name = f"name-{number}"
        await asyncio.start_server(lambda r, w, name=name: serve(name, r, w), "127.0.0.1", int(port), ssl=context,
                                   backlog=512)
    await asyncio.Event().wait()

asyncio.run(main())
"""

CLIENT_HEAD = """
import asyncio, random, select, socket, ssl, sys, threading
count, requests, *ports = sys.argv[1:]
count, requests = int(count), int(requests)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
random.seed(7)

def ask(number):
    # Of one length for all: it must not tell the connections apart.
    return b"GET /x HTTP/1.1\\r\\nHost: name-%d\\r\\nX: %s\\r\\n\\r\\n" % (number, b"y" * (3 - len(str(number))))

def check(answer, number):
    assert answer.endswith(b"name-%d" % number), (answer, number)
"""

# One thread, 200 connections; reading the socket and calling the library are separate calls.
CLIENT_ASYNCIO = CLIENT_HEAD + """
async def talk(index, start):
    number = index % len(ports)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(ports[number]), ssl=context)
    await start.wait()
    for _ in range(requests):
        writer.write(ask(number))
        await asyncio.sleep(random.random() / 100)
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        check(await reader.readexactly(len(b"name-%d" % number)), number)
    writer.close()

async def main():
    start = asyncio.Event()
    tasks = [asyncio.create_task(talk(i, start)) for i in range(count)]
    await asyncio.sleep(0.2)
    start.set()
    await asyncio.gather(*tasks)

asyncio.run(main())
"""

# A thread for each connection, the descriptor given to the library.
CLIENT_THREADS = CLIENT_HEAD + """
failed = []

def talk(index):
    number = index % len(ports)
    with socket.create_connection(("127.0.0.1", int(ports[number]))) as raw, context.wrap_socket(raw) as sock:
        for _ in range(requests):
            sock.sendall(ask(number))
            answer = b""
            while not answer.endswith(b"name-%d" % number):
                part = sock.recv(4096)
                if not part:
                    failed.append(answer)
                    return
                answer += part

threads = [threading.Thread(target=talk, args=(i,)) for i in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
"""

# Sessions on memory, moved from thread to thread: one thread writes plaintext for all, others move the ciphertext.
CLIENT_MOVED = CLIENT_HEAD + """
class Link:
    def __init__(self, index):
        self.number = index % len(ports)
        self.sock = socket.create_connection(("127.0.0.1", int(ports[self.number])))
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.into, self.out)
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.into.write(self.sock.recv(65536))
        self.flush()

    def flush(self):
        self.sock.sendall(self.out.read())

    def finish(self):
        answer = b""
        while not answer.endswith(b"name-%d" % self.number):
            try:
                answer += self.session.read(4096)
            except ssl.SSLWantReadError:
                self.into.write(self.sock.recv(65536))

def in_threads(function, links):
    threads = [threading.Thread(target=lambda part=links[i::8]: [function(link) for link in part]) for i in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

links = [Link(i) for i in range(count)]
for _ in range(requests):
    for link in links:
        link.session.write(ask(link.number))
    random.shuffle(links)
    in_threads(Link.flush, links)
    random.shuffle(links)
    in_threads(Link.finish, links)
for link in links:
    link.sock.close()
"""


# Node has OpenSSL in its executable, and reads sockets far from where it calls it.
NODE_CLIENT = """
const https = require("https");
const [count, requests, ...ports] = process.argv.slice(2).map(Number);
let left = count;
function talk(index) {
  const number = index % ports.length;
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  let done = 0;
  const next = () => {
    const options = { host: "127.0.0.1", port: ports[number], path: "/x", agent, headers: { Host: `name-${number}` } };
    https.get(options, (answer) => {
      let body = "";
      answer.on("data", (part) => { body += part; });
      answer.on("end", () => {
        if (body !== `name-${number}`) { console.error(body, number); process.exit(1); }
        if (++done < requests) setImmediate(next);
        else { agent.destroy(); left--; }
      });
    }).on("error", (error) => { console.error(error); process.exit(1); });
  };
  next();
}
for (let i = 0; i < count; i++) talk(i);
"""

NODE_SERVERS = """
const https = require("https"), fs = require("fs");
const [key, cert, ...ports] = process.argv.slice(2);
ports.forEach((port, number) => {
  https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (request, response) => {
    response.end(`name-${number}`);
  }).listen(Number(port), "127.0.0.1");
});
"""


def test_node(lab, certificate):
    ports = start_servers(lab, certificate, tool("node"), NODE_SERVERS)
    client = lab.file("client.js", NODE_CLIENT)
    lab.run([tool("node"), client, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)


def free_ports(count):
    """All at once, so that no port comes twice."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in socks]


def start_servers(lab, certificate, interpreter=PYTHON, text=SERVER_PROGRAM):
    ports = free_ports(SERVERS)
    program = lab.file("servers", text)
    lab.start([interpreter, program, *certificate, *map(str, ports)], "servers", ports[-1])
    return ports


def assert_peers(lab, ports, service, each):
    """Every request under the right port: nothing wrong, nothing left open."""
    wanted = {lab.key(CLIENT, service, server_address=f"name-{number}", server_port=str(port), url_scheme="https"): each
              for number, port in enumerate(ports)}
    wanted[lab.key(CLIENT, service)] = each * len(ports)
    wanted[lab.key(SERVER, "servers", url_scheme="https")] = each * len(ports)
    for each_service in (service, "servers"):
        wanted[lab.key("sonde_unparsed_connections_total", each_service, reason="tls")] = 0
    lab.expect(wanted)


@pytest.mark.parametrize("program", [CLIENT_ASYNCIO, CLIENT_THREADS, CLIENT_MOVED], ids=["asyncio", "threads", "moved"])
def test_python(lab, certificate, program):
    ports = start_servers(lab, certificate)
    client = lab.file("client.py", program)
    lab.run([PYTHON, client, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)


def test_curl_parallel(lab, certificate):
    """One thread, 200 transfers at once, through functions of curl's own."""
    ports = start_servers(lab, certificate)
    lines = []
    for index in range(CONNECTIONS):
        number = index % SERVERS
        lines += [f"url = https://127.0.0.1:{ports[number]}/x", f'header = "Host: name-{number}"',
                  f"output = {lab.folder}/answer-{index}", "insecure", "http1.1", "next"]
    config = lab.file("curl.conf", "\n".join(lines[:-1]))
    lab.run([tool("curl"), "-s", "--parallel", "--parallel-immediate", "--parallel-max", "200", "-K", config], "client")
    for index in range(CONNECTIONS):
        with open(os.path.join(lab.folder, f"answer-{index}"), encoding="ascii") as file:
            assert file.read() == f"name-{index % SERVERS}"
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS)
