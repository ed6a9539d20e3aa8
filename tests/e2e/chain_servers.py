# SPDX-License-Identifier: Apache-2.0
"""Servers that pass a request on by its path, one for each way to serve; and their client. `{port}` and `{next}` are
filled in."""

SYNC = """
import http.client, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
port, following = int(sys.argv[1]), int(sys.argv[2])
mine = threading.local()
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        body = b"ok"
        if following:
            if not hasattr(mine, "connection"):
                mine.connection = http.client.HTTPConnection("127.0.0.1", following)
            mine.connection.request("GET", self.path)
            body = mine.connection.getresponse().read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(ThreadingHTTPServer):
    request_queue_size = 512
Server(("127.0.0.1", port), Handler).serve_forever()
"""

REDIS = """
import socket, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
port, redis = int(sys.argv[1]), int(sys.argv[2])
mine = threading.local()
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        if not hasattr(mine, "connection"):
            mine.connection = socket.create_connection(("127.0.0.1", redis))
        mine.connection.sendall(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n")
        mine.connection.recv(100)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
class Server(ThreadingHTTPServer):
    request_queue_size = 512
Server(("127.0.0.1", port), Handler).serve_forever()
"""

NODE = """
const http = require("http");
const [port, next] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true });
http.createServer((request, response) => {
  setTimeout(() => {
    http.get({ port: next, host: "127.0.0.1", path: request.url, agent }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => response.end(Buffer.concat(parts)));
    });
  }, 1);
}).listen(port, "127.0.0.1", 512);
"""

ASYNCIO = """
import asyncio, sys
port, following = int(sys.argv[1]), int(sys.argv[2])
async def head(reader):
    lines = (await reader.readuntil(b"\\r\\n\\r\\n")).split(b"\\r\\n")
    length = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")]
    return lines[0], length[0] if length else 0
async def serve(reader, writer):
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", following)
    try:
        while True:
            line, _ = await head(reader)
            await asyncio.sleep(0.001)
            up_writer.write(b"GET " + line.split()[1] + b" HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
            _, length = await head(up_reader)
            body = await up_reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    except asyncio.IncompleteReadError:
        up_writer.close()
        writer.close()
async def main():
    await (await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)).serve_forever()
asyncio.run(main())
"""

GO = """
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 128
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer, err := http.Get("http://127.0.0.1:" + os.Args[2] + r.URL.Path)
		if err != nil {
			w.WriteHeader(500)
			return
		}
		defer answer.Body.Close()
		io.Copy(w, answer.Body)
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
"""

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5;
  upstream next {{ server 127.0.0.1:{next}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location / {{ proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

CLIENT = """
import http.client, sys, threading
port, count, threads, first = map(int, sys.argv[1:5])
def ask(thread):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for i in range(count):
        connection.request("GET", "/r/%d" % (first + thread * count + i))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
threads = [threading.Thread(target=ask, args=(i,)) for i in range(threads)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
