# SPDX-License-Identifier: Apache-2.0
"""Writes whose bytes and whose outcome are not what is usual: from pages that nobody has touched yet, to a socket that
is full."""

import os
import subprocess

import pytest

from http_lab import CLIENT, SERVER, free_port, tool
from test_tls import PYTHON, fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ANSWERS, BODY, PIECE = 40, 300_000, 16384

# One connection, non-blocking where `full` is told. Each answer is a file that is mapped anew for it and given to
# SSL_write by 16 KiB: in the page cache, and in no page table of the process. What is refused is given again.
SERVER_PROGRAM = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static long again;

static int retry(SSL *session, int fd, int result)
{
	int error = SSL_get_error(session, result);
	struct pollfd poller = { .fd = fd, .events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN };

	if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
		return 0;
	again += error == SSL_ERROR_WANT_WRITE;
	return poll(&poller, 1, -1) > 0;
}

static void answer(SSL *session, int fd, const char *path)
{
	int file = open(path, O_RDONLY), wrote;
	struct stat status;
	char *bytes;

	fstat(file, &status);
	bytes = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	for (long at = 0; at < status.st_size; at += wrote) {
		long left = status.st_size - at, part = left < 16384 ? left : 16384;

		while ((wrote = SSL_write(session, bytes + at, part)) <= 0)
			if (!retry(session, fd, wrote))
				exit(3);
	}
	munmap(bytes, status.st_size);
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1, small = 4096, full = argc > 5, length;
	char request[4096];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (full)
		setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	SSL_CTX_use_certificate_file(context, argv[2], SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		return 2;
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		SSL *session = SSL_new(context);

		SSL_set_fd(session, fd);
		if (SSL_accept(session) == 1) {
			fcntl(fd, F_SETFL, full ? O_NONBLOCK : 0);
			for (;;) {
				while ((length = SSL_read(session, request, sizeof(request))) <= 0)
					if (!retry(session, fd, length))
						break;
				if (length <= 0)
					break;
				answer(session, fd, argv[4]);
			}
			printf("%ld\n", again);
			fflush(stdout);
		}
		SSL_free(session);
		close(fd);
	}
}
"""

CLIENT_PROGRAM = """
import socket, ssl, sys, time
port, count, body, slow = (int(word) for word in sys.argv[1:])
raw = socket.socket()
if slow:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
raw.connect(("127.0.0.1", port))
session = ssl._create_unverified_context().wrap_socket(raw)
for _ in range(count):
    session.sendall(b"GET /file HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    got, wanted = b"", 0
    while not wanted or len(got) < wanted:
        got += session.recv(16384)
        if not wanted and b"\\r\\n\\r\\n" in got:
            wanted = got.index(b"\\r\\n\\r\\n") + 4 + body
    assert len(got) == wanted and got.count(b"z") == body
"""


def start_server(lab, certificate, *more):
    program = os.path.join(lab.folder, "writer")
    done = subprocess.run([tool("gcc"), "-O1", "-o", program, lab.file("writer.c", SERVER_PROGRAM), "-lssl",
                           "-lcrypto"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"libssl-dev is not installed: run `sudo make setup` {done.stderr}")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n"
    port = free_port()
    lab.start([program, str(port), certificate[1], certificate[0], lab.file("answer", head + "z" * BODY), *more],
              "server", port)
    return port


def expect_all(lab, answers):
    samples = lab.expect({
        lab.key(SERVER, "server", url_scheme="https", http_response_status_code="200", error_type=None): answers,
        lab.key(SERVER, "server"): answers,
        lab.key(CLIENT, "client", url_scheme="https", http_response_status_code="200", error_type=None): answers,
        lab.key(CLIENT, "client"): answers,
        lab.key("http_server_response_body_size_bytes_sum", "server"): answers * BODY,
        lab.key("http_client_response_body_size_bytes_sum", "client"): answers * BODY,
    })
    assert samples


def test_pages_that_are_away(lab, certificate):
    """The first who reads them is sonde, or OpenSSL."""
    port = start_server(lab, certificate)
    lab.run([PYTHON, lab.file("client.py", CLIENT_PROGRAM), str(port), str(ANSWERS), str(BODY), "0"], "client")
    expect_all(lab, ANSWERS)


def test_a_socket_that_is_full(lab, certificate):
    """Most writes are refused at first, and made again with the same bytes."""
    port = start_server(lab, certificate, "full")
    lab.run([PYTHON, lab.file("client.py", CLIENT_PROGRAM), str(port), "4", str(BODY), "1"], "client")
    expect_all(lab, 4)
    with open(os.path.join(lab.folder, "server.log"), encoding="ascii") as log:
        assert int(log.read().split()[-1]) > 4 * BODY / PIECE / 2
