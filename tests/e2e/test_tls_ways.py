# SPDX-License-Identifier: Apache-2.0
"""Ways to a TLS connection that few programs take: through a proxy's tunnel, through BIOs that only the program reads,
with a library inside of a container's own root file system."""

import json
import os
import re
import shutil
import socket
import subprocess

import pytest

import container_lab
from http_lab import CLIENT, SERVER, free_port, losses, tool, total, wait_until
from test_tls import (PYTHON, fixture_agent, fixture_certificate, fixture_lab,  # pylint: disable=unused-import
                      start_nginx)
from test_tls_peers import CONNECTIONS, REQUESTS, SERVERS, assert_peers, start_servers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PROXY = """
import asyncio, sys

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    host, port = head.split()[1].rsplit(b":", 1)
    up = await asyncio.open_connection(host.decode(), int(port))
    writer.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    await asyncio.gather(pump(reader, up[1]), pump(up[0], writer), return_exceptions=True)

async def main():
    await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_tunnel(lab, certificate):
    """The connection is the proxy's: its port is where the request went, as far as the client's socket knows."""
    port, proxy = start_nginx(lab, certificate, "nginx"), free_port()
    lab.start([PYTHON, lab.file("proxy.py", PROXY), str(proxy)], "proxy", proxy)
    url = f"https://127.0.0.1:{port}/small.txt"
    for _ in range(5):
        lab.run([tool("curl"), "-sk", "--http1.1", "-x", f"http://127.0.0.1:{proxy}", *["-o", "/dev/null", url] * 6],
                "curl")
    lab.expect({
        lab.key(CLIENT, "curl", http_request_method="CONNECT"): 5,
        lab.key(CLIENT, "curl", http_request_method="GET", url_scheme="https", tls_protocol_version="1.3"): 30,
        lab.key(CLIENT, "curl"): 35,
        lab.key(SERVER, "nginx", url_scheme="https"): 30,
        lab.key("sonde_unparsed_connections_total", "curl", reason="upgraded"): 5,
        lab.key("sonde_unparsed_connections_total", "curl"): 5,
    })


# One thread; plaintext is written for all, then the ciphertext of each is carried, both in an order of their own.
PAIRS = r"""
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct link {
	int fd, number;
	SSL *session;
	BIO *outside;
	char answer[512];
	size_t length;
} links[1000];

static void flush(struct link *link)
{
	char bytes[20000];
	int count;

	while ((count = BIO_read(link->outside, bytes, sizeof(bytes))) > 0)
		if (write(link->fd, bytes, count) != count)
			exit(3);
}

static void fill(struct link *link)
{
	char bytes[4096];
	int count = read(link->fd, bytes, sizeof(bytes));

	if (count <= 0 || BIO_write(link->outside, bytes, count) != count)
		exit(4);
}

static void begin(struct link *link, SSL_CTX *context, int port, int number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	BIO *inside;

	link->number = number;
	link->fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	if (connect(link->fd, (struct sockaddr *)&address, sizeof(address)))
		exit(5);
	BIO_new_bio_pair(&inside, 0, &link->outside, 0);
	link->session = SSL_new(context);
	SSL_set_bio(link->session, inside, inside);
	SSL_set_connect_state(link->session);
	while (SSL_do_handshake(link->session) != 1) {
		flush(link);
		fill(link);
	}
	flush(link);
}

static void ask(struct link *link)
{
	char request[128];
	int length = snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\nHost: name-%d\r\nX: %.*s\r\n\r\n",
			      link->number, link->number < 10 ? 2 : 1, "yyy");

	link->length = 0;
	if (SSL_write(link->session, request, length) != length)
		exit(6);
}

static void finish(struct link *link)
{
	char wanted[32];
	size_t length = snprintf(wanted, sizeof(wanted), "name-%d", link->number);

	while (link->length < length || memcmp(link->answer + link->length - length, wanted, length)) {
		int count = SSL_read(link->session, link->answer + link->length, sizeof(link->answer) - link->length);

		if (count > 0)
			link->length += count;
		else
			fill(link);
	}
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int count = atoi(argv[1]), requests = atoi(argv[2]), ports = argc - 3;

	for (int i = 0; i < count; i++)
		begin(&links[i], context, atoi(argv[3 + i % ports]), i % ports);
	for (int r = 0; r < requests; r++) {
		for (int i = 0; i < count; i++)
			ask(&links[i]);
		for (int i = 0; i < count; i++)
			flush(&links[(i * 77 + r) % count]);
		for (int i = 0; i < count; i++)
			finish(&links[(i * 33 + r) % count]);
	}
	return 0;
}
"""


def test_pairs_of_bios(lab, certificate):
    """As asio does: the library never sees the socket, and no call of it moves ciphertext."""
    program = os.path.join(lab.folder, "pairs")
    done = subprocess.run([tool("gcc"), "-O1", "-o", program, lab.file("pairs.c", PAIRS), "-lssl", "-lcrypto"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"libssl-dev is not installed: run `sudo make setup` {done.stderr}")
    ports = start_servers(lab, certificate)
    lab.run([program, str(CONNECTIONS), str(REQUESTS), *map(str, ports)], "client")
    assert_peers(lab, ports, "client", CONNECTIONS // SERVERS * REQUESTS)


# OpenSSL's interface without its cryptography: this machine's kernel may have no TLS of its own, which SSL_sendfile
# needs. A record is as long as one of TLS 1.3, and not in clear.
LIBRARY = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

const char library_file[] = "ssl/ssl_lib.c";

struct ssl_st { char unused[240]; int fd; };
typedef struct ssl_st SSL;

SSL *SSL_new(int fd)
{
	SSL *session = calloc(1, sizeof(*session));

	session->fd = fd;
	return session;
}

void SSL_free(SSL *session) { free(session); }

int SSL_read(SSL *session, void *bytes, int room)
{
	unsigned char record[20000];
	size_t got = 0, length = 5;

	while (got < length) {
		ssize_t count = read(session->fd, record + got, length - got);

		if (count <= 0)
			return -1;
		got += count;
		if (got == 5)
			length = 5 + (record[3] << 8 | record[4]);
	}
	length -= 5 + 17;
	for (size_t i = 0; i < length && i < (size_t)room; i++)
		((char *)bytes)[i] = record[5 + i] ^ 0x55;
	return length;
}

static void put(int fd, const char *bytes, size_t length)
{
	unsigned char record[20000] = { 23, 3, 3, (length + 17) >> 8, length + 17 };

	for (size_t i = 0; i < length; i++)
		record[5 + i] = bytes[i] ^ 0x55;
	if (write(fd, record, 5 + length + 17) < 0)
		exit(1);
}

int SSL_write(SSL *session, const void *bytes, int length)
{
	put(session->fd, bytes, length);
	return length;
}

/* What the kernel would do. */
ssize_t SSL_sendfile(SSL *session, int fd, off_t offset, size_t size, int flags)
{
	char bytes[16000];
	ssize_t count = pread(fd, bytes, size < sizeof(bytes) ? size : sizeof(bytes), offset);

	(void)flags;
	put(session->fd, bytes, count);
	return count;
}
"""

SENDFILE_SERVER = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct ssl_st SSL;
SSL *SSL_new(int fd);
void SSL_free(SSL *);
int SSL_read(SSL *, void *, int);
int SSL_write(SSL *, const void *, int);
ssize_t SSL_sendfile(SSL *, int, off_t, size_t, int);

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, file = open(argv[2], O_RDONLY), fd;
	char bytes[4096];

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		SSL *session = SSL_new(fd);

		while (SSL_read(session, bytes, sizeof(bytes)) > 0) {
			off_t at = 0;
			int length = sprintf(bytes, "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n");

			SSL_write(session, bytes, length);
			while (at < 50000)
				at += SSL_sendfile(session, file, at, 50000 - at, 0);
		}
		SSL_free(session);
		close(fd);
	}
	return argc > 9;
}
"""


def test_files_that_the_kernel_encrypts(lab):
    """SSL_sendfile's bytes are a part of the stream, by their length: the next response is not taken for them."""
    library, server = f"{lab.folder}/libssl-own.so", f"{lab.folder}/server"
    for target, text, flags in ((library, LIBRARY, ["-shared", "-fPIC"]),
                                (server, SENDFILE_SERVER, [library, f"-Wl,-rpath,{lab.folder}"])):
        source = lab.file(os.path.basename(target) + ".c", text)
        subprocess.run([tool("gcc"), "-O1", *flags[:0 if target == server else 2], "-o", target, source,
                        *(flags if target == server else [])], check=True)
    with open(f"{lab.folder}/body", "wb") as file:
        file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2000)
    port, files = free_port(), total(lab.agent.samples(), "sonde_tls_files")
    lab.start([server, str(port), f"{lab.folder}/body"], "server", port)
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_files") == files + 1, 5, "the library to be hooked")
    request = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
    record = bytes([23, 3, 3, 0, len(request) + 17]) + bytes(byte ^ 0x55 for byte in request) + bytes(17)
    answer = 5 + len("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n") + 17 + 50000 + 4 * 22
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for _ in range(10):
            sock.sendall(record)
            left = answer
            while left:
                left -= len(sock.recv(left))
    lab.expect({
        lab.key(SERVER, "server", url_scheme="https", http_response_status_code="200"): 10,
        lab.key(SERVER, "server"): 10,
        lab.key("http_server_response_body_size_bytes_sum", "server"): 500000,
        lab.key("sonde_unparsed_connections_total", "server"): 0,
    })


def make_container(lab, program, script):
    """A bundle whose root file system has the program with copies of its libraries; it shares the host's network."""
    folder = os.path.join(lab.folder, "bundle")
    cgroup = f"/{os.path.basename(lab.cgroup.path)}/box"
    os.makedirs(folder)
    container_lab.make_bundle(folder, cgroup, script)
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in [program, *re.findall(r"(/\S+) \(0x", listed)]:
        target = f"{folder}/rootfs{'/bin/' + os.path.basename(program) if path == program else path}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.realpath(path), target)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        spec = json.load(file)
    spec["linux"]["namespaces"] = [each for each in spec["linux"]["namespaces"] if each["type"] != "network"]
    spec["process"]["env"].append(f"OTEL_SERVICE_NAME={lab.prefix}-inside")
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(spec, file)
    return folder


def test_library_in_a_container(lab, certificate):
    """The file is not the host's, and is opened through the process's own root, while one that maps it runs: the first
    may be too brief for that. From then on nothing is missed."""
    port = start_nginx(lab, certificate, "nginx")
    url = f"https://127.0.0.1:{port}/small.txt"
    script = f"while read line; do /bin/curl -sk --http1.1 -o /dev/null {url}; echo asked; done"
    bundle = make_container(lab, tool("curl"), script)
    own = [name for _, _, names in os.walk(f"{bundle}/rootfs") for name in names if re.match("libssl|libgnutls", name)]
    files = total(lab.agent.samples(), "sonde_tls_files")

    def figures():
        samples = lab.agent.samples()
        return [total(samples, name, service_name=f"{lab.prefix}-inside")
                for name in (CLIENT, "sonde_tls_unread_connections_total")]

    with subprocess.Popen([tool("runc"), "run", "--bundle", bundle, f"sonde-tls-{os.getpid()}"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lab.cgroup.enter) as box:

        asked = 0

        def ask():
            nonlocal asked
            asked += 1
            box.stdin.write("\n")
            box.stdin.flush()
            assert box.stdout.readline() == "asked\n"
            return total(lab.agent.samples(), "sonde_tls_files") == files + len(own)

        wait_until(ask, 20, "the hooks")
        wait_until(lambda: total(lab.agent.samples(), SERVER, service_name=f"{lab.prefix}-nginx") == asked, 5,
                   "what was asked before to be told")
        read, unread = figures()
        lab.before = losses(lab.agent.samples())  # of one before the hooks a part may have been seen
        for _ in range(10):
            assert ask()
        box.stdin.close()
        assert box.wait(timeout=20) == 0
    lab.expect({
        lab.key(CLIENT, "inside"): read + 10,
        lab.key("sonde_tls_unread_connections_total", "inside"): unread,
    })
    assert total(lab.agent.samples(), CLIENT, service_name=f"{lab.prefix}-inside", url_scheme="https",
                 server_port=str(port)) == read + 10
