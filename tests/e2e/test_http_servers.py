# SPDX-License-Identifier: Apache-2.0
"""Real servers and clients, unchanged: what the agent counts equals what they count themselves, on both sides.

Witnesses: nginx's stub_status, wrk's own total, and counters in the small Python, Node and Go programs below.
"""

import os
import re
import socket
import subprocess
import time
import urllib.request

import pytest

from http_lab import CLIENT, SERVER, Agent, Cgroup, Lab, free_port, tool, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PYTHON = "/usr/bin/python3"
WRK_SECONDS = 2

NGINX = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    sendfile {sendfile};
    {upstream}
    server {{
        listen 127.0.0.1:{port};
        location = /status {{ stub_status; }}
        location = /missing {{ return 404 "no"; }}
        location = /broken {{ return 503 "no"; }}
        location / {{ {handler} }}
    }}
}}
"""

UPSTREAM = "upstream behind {{ server 127.0.0.1:{port}; {keepalive} }}"
PROXY = 'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "{connection}";'


@pytest.fixture(name="agent", scope="module")
def fixture_agent(tmp_path_factory):
    """One for all tests, with the cgroup that it selects."""
    cgroup = Cgroup()
    agent = None
    try:
        agent = Agent(cgroup, str(tmp_path_factory.mktemp("agent") / "sonde.log"))
        agent.cgroup = cgroup
        yield agent
    finally:
        if agent:
            agent.stop()
        cgroup.remove()


@pytest.fixture(name="lab")
def fixture_lab(agent, tmp_path, request):
    lab = Lab(agent.cgroup, agent, str(tmp_path), request.node.name)
    try:
        yield lab
    finally:
        lab.stop()


def start_nginx(lab, service, handler="root {folder}/www;", upstream="", workers=2, sendfile="on"):
    folder = os.path.join(lab.folder, service)
    port = free_port()
    lab.file(f"{service}/www/small.txt", "x" * 200)
    lab.file(f"{service}/www/large.bin", "y" * 3_000_000)
    os.chmod(lab.folder, 0o755)
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)
    text = NGINX.format(folder=folder, port=port, workers=workers, upstream=upstream, sendfile=sendfile,
                        handler=handler.format(folder=folder))
    config = lab.file(f"{service}/nginx.conf", "user root;" + text)
    lab.start([tool("nginx"), "-p", folder, "-c", config], service, port)
    return port


def stub_requests(port):
    """How many requests nginx has begun to read, this one among them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as answer:
        return int(re.search(r"requests\s+\d+ \d+ (\d+)", answer.read().decode())[1])


def settled_requests(port):
    """When nothing but the question itself is counted any more: wrk leaves requests behind that go on for a moment.
    The number of questions, too."""
    last, asked = stub_requests(port), 1
    while True:
        time.sleep(0.1)
        now = stub_requests(port)
        asked += 1
        if now == last + 1:
            return now, asked
        last = now


def wrk(lab, port, path, *arguments):
    """What wrk says it completed, and whether every answer was 2xx or 3xx."""
    url = f"http://127.0.0.1:{port}{path}"
    output = lab.run([tool("wrk"), "-t2", "-c8", f"-d{WRK_SECONDS}s", *arguments, url], "wrk")
    assert "Socket errors" not in output, output
    assert "Non-2xx" not in output, output
    return int(re.search(r"(\d+) requests in", output)[1])


@pytest.mark.parametrize("arguments", [[], ["-H", "Connection: close"]], ids=["keep-alive", "connection-close"])
@pytest.mark.parametrize("path", ["/small.txt", "/large.bin"])
def test_nginx_static(lab, arguments, path):
    port = start_nginx(lab, "nginx-static", sendfile="off" if arguments else "on")
    done = wrk(lab, port, path, *arguments)
    assert done > 50
    begun, _ = settled_requests(port)
    samples = lab.expect({
        lab.key(SERVER, "nginx-static"): begun,
        lab.key(CLIENT, "wrk", http_response_status_code="200", error_type=None): done,
    })
    sizes = [s.value for s in samples if s.name == "http_client_response_body_size_bytes_sum"
             and s.labels["service_name"] == f"{lab.prefix}-wrk" and "error_type" not in s.labels]
    assert sum(sizes) == done * (200 if path == "/small.txt" else 3_000_000)


@pytest.mark.parametrize("keepalive", [True, False], ids=["kept", "closed"])
def test_nginx_proxy(lab, keepalive):
    """Every hop once on each of its sides: wrk, proxy, upstream."""
    behind = start_nginx(lab, "upstream")
    front = start_nginx(lab, "proxy", PROXY.format(connection="" if keepalive else "close"),
                        UPSTREAM.format(port=behind, keepalive="keepalive 16;" if keepalive else ""))
    done = wrk(lab, front, "/small.txt")
    assert done > 50
    front_begun, _ = settled_requests(front)
    behind_begun, asked = settled_requests(behind)
    lab.expect({
        lab.key(CLIENT, "wrk", http_response_status_code="200", error_type=None): done,
        lab.key(SERVER, "proxy"): front_begun,
        lab.key(SERVER, "upstream"): behind_begun,
        # All that reached the upstream but the questions for its status page.
        lab.key(CLIENT, "proxy"): behind_begun - asked,
    })


def test_nginx_errors(lab):
    port = start_nginx(lab, "nginx-errors")
    client = lab.file("client.py", PYTHON_CLIENT)
    for path, count in (("/missing", 7), ("/broken", 11), ("/small.txt", 13)):
        lab.run([PYTHON, client, str(port), path, str(count), "keep", "get"], f"errors{path.replace('/', '-')}")
    lab.expect({
        lab.key(SERVER, "nginx-errors", http_response_status_code="404", error_type=None): 7,
        lab.key(SERVER, "nginx-errors", http_response_status_code="503", error_type="503"): 11,
        lab.key(SERVER, "nginx-errors", http_response_status_code="200", error_type=None): 13,
        lab.key(CLIENT, "errors-missing", http_response_status_code="404", error_type="404"): 7,
        lab.key(CLIENT, "errors-broken", http_response_status_code="503", error_type="503"): 11,
        lab.key(CLIENT, "errors-small.txt", http_response_status_code="200", error_type=None): 13,
    })


def test_nginx_abandoned(lab):
    """Clients that leave inside a large answer: nginx's requests all end, those with an error by name."""
    port = start_nginx(lab, "nginx-abandoned", sendfile="off")
    client = lab.file("leave.py", LEAVING_CLIENT)
    # More than the sockets' buffers ever take, so that no answer is handed over whole.
    os.truncate(os.path.join(lab.folder, "nginx-abandoned", "www", "large.bin"), 64 << 20)
    lab.run([PYTHON, client, str(port), "/large.bin", "12"], "leaver")
    lab.expect({
        lab.key(SERVER, "nginx-abandoned"): 12,
        lab.key(SERVER, "nginx-abandoned", error_type="connection_reset"): 12,
        lab.key(CLIENT, "leaver"): 12,
        lab.key("http_server_active_requests", "nginx-abandoned"): 0,
    })


def test_nginx_named_by_executable(lab):
    """Without OTEL_SERVICE_NAME a person would call it nginx."""
    port = free_port()
    folder = os.path.join(lab.folder, "plain")
    lab.file("plain/www/small.txt", "x")
    text = NGINX.format(folder=folder, port=port, workers=1, upstream="", sendfile="on", handler=f"root {folder}/www;")
    config = lab.file("plain/nginx.conf", "user root;" + text)
    lab.start([tool("nginx"), "-p", folder, "-c", config], None, port)
    lab.run([PYTHON, lab.file("client.py", PYTHON_CLIENT), str(port), "/status", "9", "keep", "get"], "named")
    lab.expect({(SERVER, (("service_name", "nginx"),)): 9, lab.key(CLIENT, "named"): 9})


# N requests, some with bodies unless told otherwise, each answer read whole; prints how many were answered.
PYTHON_CLIENT = """
import http.client, sys
port, path, count, keep = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "keep"
connection, done = None, 0
for i in range(count):
    if connection is None or not keep:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = b"b" * (i % 5 * 300) if len(sys.argv) == 5 else b""
    connection.request("POST" if body else "GET", path, body or None, {} if keep else {"Connection": "close"})
    answer = connection.getresponse()
    answer.read()
    done += 1
    if not keep:
        connection.close()
print(done)
"""

LEAVING_CLIENT = """
import socket, struct, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        sock.sendall(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % sys.argv[2].encode())
        sock.recv(1000)
"""

# Counts what it has answered, and prints it when asked to end.
THREADING_SERVER = """
import http.server, signal, sys, threading
count, lock = 0, threading.Lock()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        global count
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            count += 1
        self.send_response(200)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b"hello world\\n")
    do_POST = do_GET
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGUSR1, lambda *_: open(sys.argv[2], "w").write(str(count)))
server.serve_forever()
"""

ASYNCIO_SERVER = """
import asyncio, signal, sys
count = 0
async def serve(reader, writer):
    global count
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            for line in head.split(b"\\r\\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            await asyncio.sleep(0.001)
            count += 1
            writer.write(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
            for _ in range(3):
                writer.write(b"5\\r\\nhello\\r\\n")
                await writer.drain()
            writer.write(b"0\\r\\n\\r\\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: open(sys.argv[2], "w").write(str(count)))
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""

NODE_SERVER = """
const http = require('http'), fs = require('fs');
let count = 0;
http.createServer((request, response) => {
    request.resume();
    request.on('end', () => { count++; response.end('hello world\\n'); });
}).listen(+process.argv[2], '127.0.0.1');
process.on('SIGUSR2', () => fs.writeFileSync(process.argv[3], String(count)));
"""

NODE_CLIENT = """
const http = require('http');
const [port, count, keep] = [+process.argv[2], +process.argv[3], process.argv[4] === 'keep'];
const agent = new http.Agent({ keepAlive: keep, maxSockets: 4 });
let done = 0, started = 0;
function next() {
    if (started === count) return;
    started++;
    http.get({ port, host: '127.0.0.1', path: '/node', agent }, (answer) => {
        answer.resume();
        answer.on('end', () => { done++; if (done === count) { console.log(done); agent.destroy(); } next(); });
    });
}
for (let i = 0; i < 4; i++) next();
"""

GO_PROGRAM = """
package main
import ("fmt"; "io"; "net"; "net/http"; "os"; "os/signal"; "strings"; "sync"; "sync/atomic"; "syscall"; "strconv")
func main() {
    if os.Args[1] == "server" { server(os.Args[2], os.Args[3]) } else { client(os.Args[2], os.Args[3], os.Args[4]) }
}
func server(port string, path string) {
    var count int64
    signals := make(chan os.Signal, 1)
    signal.Notify(signals, syscall.SIGUSR1)
    go func() { for range signals { os.WriteFile(path, []byte(fmt.Sprint(atomic.LoadInt64(&count))), 0600) } }()
    http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
        io.Copy(io.Discard, r.Body)
        atomic.AddInt64(&count, 1)
        io.WriteString(w, strings.Repeat("go ", 1000))
    })
    listener, err := net.Listen("tcp", "127.0.0.1:" + port)
    if err != nil { panic(err) }
    panic(http.Serve(listener, nil))
}
func client(port string, text string, keep string) {
    count, _ := strconv.Atoi(text)
    transport := &http.Transport{DisableKeepAlives: keep != "keep", MaxIdleConnsPerHost: 4}
    worker := &http.Client{Transport: transport}
    var group sync.WaitGroup
    var done int64
    for thread := 0; thread < 4; thread++ {
        group.Add(1)
        go func() {
            defer group.Done()
            for i := 0; i < count / 4; i++ {
                answer, err := worker.Post("http://127.0.0.1:" + port + "/go", "text/plain", strings.NewReader("body"))
                if err != nil { panic(err) }
                io.Copy(io.Discard, answer.Body)
                answer.Body.Close()
                atomic.AddInt64(&done, 1)
            }
        }()
    }
    group.Wait()
    fmt.Println(done)
}
"""


def counted(lab, process, signal_number, name):
    """What the server itself counted: it writes the number on a signal."""
    path = os.path.join(lab.folder, name)

    def number():
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as file:
            return file.read()

    process.send_signal(signal_number)
    return int(wait_until(number, 10, f"{name}'s own count"))


def both_sides(lab, service, begun, called):
    lab.expect({
        lab.key(SERVER, service): begun,
        lab.key(SERVER, service, http_response_status_code="200", error_type=None): begun,
        lab.key(CLIENT, "caller"): called,
        lab.key(CLIENT, "caller", http_response_status_code="200", error_type=None): called,
    })
    assert begun == called


@pytest.mark.parametrize("mode", ["keep", "close"])
@pytest.mark.parametrize("name,source", [("threading", THREADING_SERVER), ("asyncio", ASYNCIO_SERVER)],
                         ids=["threading", "asyncio"])
def test_python(lab, mode, name, source):
    port = free_port()
    server = lab.start([PYTHON, lab.file("server.py", source), str(port), "count"], name, port)
    called = int(lab.run([PYTHON, lab.file("client.py", PYTHON_CLIENT), str(port), "/python", "400", mode], "caller"))
    both_sides(lab, name, counted(lab, server, 10, "count"), called)


@pytest.mark.parametrize("mode", ["keep", "close"])
def test_node(lab, mode):
    node, port = tool("node"), free_port()
    server = lab.start([node, lab.file("server.js", NODE_SERVER), str(port), "count"], "node", port)
    called = int(lab.run([node, lab.file("client.js", NODE_CLIENT), str(port), "400", mode], "caller"))
    both_sides(lab, "node", counted(lab, server, 12, "count"), called)


@pytest.fixture(name="go_program", scope="module")
def fixture_go_program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO_PROGRAM)
    program = str(folder / "program")
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    subprocess.run([tool("go"), "build", "-o", program, "main.go"], check=True, cwd=folder, env=environment)
    return program


@pytest.mark.parametrize("mode", ["keep", "close"])
def test_go(lab, go_program, mode):
    port = free_port()
    server = lab.start([go_program, "server", str(port), "count"], "go", port)
    called = int(lab.run([go_program, "client", str(port), "400", mode], "caller"))
    both_sides(lab, "go", counted(lab, server, 10, "count"), called)


def test_cross_runtime_unix(lab):
    """A Python client and server over a unix socket."""
    path = os.path.join(lab.folder, "sock")
    source = THREADING_SERVER.replace(
        'http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)', "Unix(sys.argv[1], Handler)")
    source = source.replace("disable_nagle_algorithm", "unused").replace("server = Unix", """
import socketserver
class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    def get_request(self):
        request, _ = super().get_request()
        return request, ("unix", 0)
server = Unix""")
    client = PYTHON_CLIENT.replace('http.client.HTTPConnection("127.0.0.1", port, timeout=30)', "Unix()").replace(
        "int(sys.argv[1])", "sys.argv[1]").replace("connection, done", """
import socket
class Unix(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("localhost")
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(port)
connection, done""", 1)
    server = lab.start([PYTHON, lab.file("server.py", source), path, "count"], "unix-server")

    def listening():
        with socket.socket(socket.AF_UNIX) as sock:
            return not sock.connect_ex(path)

    wait_until(listening, 20, "the unix server")
    called = int(lab.run([PYTHON, lab.file("client.py", client), path, "/unix", "400", "keep"], "caller"))
    both_sides(lab, "unix-server", counted(lab, server, 10, "count"), called)
