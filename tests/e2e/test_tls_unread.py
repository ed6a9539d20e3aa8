# SPDX-License-Identifier: Apache-2.0
"""What cannot be read is named: by the count of encrypted connections, by service and library, and by doctor."""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from http_lab import CLIENT, SERVER, SONDE, tool, total, wait_until
from test_tls import (PYTHON, curl, fixture_agent, fixture_certificate, fixture_lab,  # pylint: disable=unused-import
                      start_nginx)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UNREAD = "sonde_tls_unread_connections_total"
UNPARSED = "sonde_unparsed_connections_total"

JAVA = """
import java.io.*;
import java.security.cert.X509Certificate;
import javax.net.ssl.*;

public class Client {
    public static void main(String[] arguments) throws Exception {
        X509TrustManager trusting = new X509ExtendedTrustManager() {
            public void checkClientTrusted(X509Certificate[] c, String t) {}
            public void checkServerTrusted(X509Certificate[] c, String t) {}
            public void checkClientTrusted(X509Certificate[] c, String t, java.net.Socket s) {}
            public void checkServerTrusted(X509Certificate[] c, String t, java.net.Socket s) {}
            public void checkClientTrusted(X509Certificate[] c, String t, SSLEngine e) {}
            public void checkServerTrusted(X509Certificate[] c, String t, SSLEngine e) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        };
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] { trusting }, null);
        for (int i = 0; i < 3; i++)
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1",
                    Integer.parseInt(arguments[0]))) {
                socket.getOutputStream().write("GET /small.txt HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
                        .getBytes());
                socket.getInputStream().readAllBytes();
            }
        System.out.println("asked");
        System.in.read();
    }
}
"""

STATIC = r"""
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	static const char request[] = "GET /small.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char answer[4096];

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		SSL *session = SSL_new(context);

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) || !SSL_set_fd(session, fd) ||
		    SSL_connect(session) != 1 || SSL_write(session, request, strlen(request)) <= 0)
			return 1;
		while (SSL_read(session, answer, sizeof(answer)) > 0)
			;
		SSL_free(session);
		close(fd);
	}
	puts("asked");
	fflush(stdout);
	getchar();
	return argc > 3;
}
"""


def doctor(pid):
    done = subprocess.run([SONDE, "doctor", "--pid", str(pid)], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


class Asking:
    """A client that has asked three times and waits, so that doctor can look at it."""

    def __init__(self, lab, command, service):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "OTEL_SERVICE_NAME": f"{lab.prefix}-{service}"},
                                        preexec_fn=lab.cgroup.enter)
        assert self.process.stdout.readline() == "asked\n"

    def __enter__(self):
        return self.process.pid

    def __exit__(self, *_):
        self.process.communicate("\n", timeout=20)
        assert self.process.returncode == 0


def build_static(lab):
    """OpenSSL in the executable."""
    source, program = lab.file("client.c", STATIC), os.path.join(lab.folder, "client")
    done = subprocess.run([tool("gcc"), "-O1", "-o", program, source, "-Wl,--build-id", "-Wl,-Bstatic", "-lssl",
                           "-lcrypto", "-Wl,-Bdynamic", "-ldl", "-pthread"], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        pytest.skip("no static OpenSSL here: run `sudo make setup`")
    return program


@contextlib.contextmanager
def symbols_kept(program, how):
    """Leaves the program's symbols where `how` says."""
    debug, kept = f"{program}.debug", None
    if how != "in the file":
        subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        subprocess.run(["strip", "--strip-all", program], check=True)
    if how == "compressed":
        subprocess.run(["objcopy", "-S", "--wildcard", "--keep-symbol=SSL_*", "--keep-symbol=BIO_write", debug,
                        f"{program}.mini"], check=True)
        subprocess.run(["xz", "-f", f"{program}.mini"], check=True)
        subprocess.run(["objcopy", "--add-section", f".gnu_debugdata={program}.mini.xz", program], check=True)
    if how == "by build-id":
        notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
        identity = re.search(r"Build ID: (\w+)", notes)[1]
        kept = f"/usr/lib/debug/.build-id/{identity[:2]}/{identity[2:]}.debug"
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        shutil.move(debug, kept)
    try:
        yield
    finally:
        if kept:
            os.remove(kept)
            with contextlib.suppress(OSError):
                os.removedirs(os.path.dirname(kept))


def test_java(lab, certificate):
    port = start_nginx(lab, certificate, "nginx")
    program = lab.file("Client.java", JAVA)
    with Asking(lab, [tool("java"), program, str(port)], "java") as pid:
        status, text = doctor(pid)
        assert status == 1
        assert re.search(r"^no +tls +\S+/libjvm.so: Java's JSSE, not read: \w+", text, re.MULTILINE)
        lab.expect({
            lab.key(UNREAD, "java", tls_library="jsse"): 3,
            lab.key(UNREAD, "java"): 3,
            lab.key(UNPARSED, "java", reason="tls"): 3,
            lab.key(SERVER, "nginx", url_scheme="https"): 3,
            lab.key(UNREAD, "nginx"): 0,
        })


@pytest.mark.parametrize("how", ["in the file", "nowhere", "compressed", "by build-id"])
def test_static_openssl(lab, certificate, how):
    port = start_nginx(lab, certificate, "nginx")
    program = build_static(lab)
    before = total(lab.agent.samples(), "sonde_tls_files")
    read = how != "nowhere"
    with symbols_kept(program, how):
        if read:
            with Asking(lab, [program, str(port)], "first"):
                wait_until(lambda: total(lab.agent.samples(), "sonde_tls_files") == before + 1, 5, "the hooks")
        with Asking(lab, [program, str(port)], "client") as pid:
            status, text = doctor(pid)
            assert status == (0 if read else 1)
            assert re.search(rf"^ok +tls +{program}: OpenSSL, read" if read else
                             rf"^no +tls +{program}: OpenSSL, not read: .*symbols", text, re.MULTILINE)
            lab.expect({
                lab.key(UNREAD, "client", tls_library="openssl"): 0 if read else 3,
                lab.key(UNREAD, "client"): 0 if read else 3,
                lab.key(UNPARSED, "client", reason="tls"): 0 if read else 3,
                lab.key(CLIENT, "client", url_scheme="https", server_port=str(port)): 3 if read else 0,
            })


def test_doctor_names_what_is_read_and_what_is_not_there(lab):
    late = lab.start([PYTHON, "-c", "import ssl, time; open('ready', 'w').close(); time.sleep(60)"], "python")
    wait_until(lambda: os.path.exists(os.path.join(lab.folder, "ready")), 10, "the library to be loaded")
    status, text = doctor(late.pid)
    assert status == 0
    assert re.search(r"^ok +tls +\S+/libssl\.so\.\S+: OpenSSL, read$", text, re.MULTILINE)
    plain = lab.start(["sleep", "60"], "sleep")
    assert doctor(plain.pid) == (0, f"ok    tls           process {plain.pid} has no TLS library that is known\n")
    assert doctor(2 ** 22 + 1)[0] == 1
    assert subprocess.run([SONDE, "doctor", "--pid", "me"], capture_output=True, check=False).returncode == 2


def test_http2_inside(lab, certificate):
    """Read, recognised, and counted as not understood; on both sides."""
    port = start_nginx(lab, certificate, "nginx", listen=" http2")
    for _ in range(3):
        lab.run([tool("curl"), "-sk", "--http2", "-o", "/dev/null", f"https://127.0.0.1:{port}/small.txt"], "curl")
    curl(lab, "curl", "-o", "/dev/null", f"https://127.0.0.1:{port}/small.txt")
    lab.expect({
        lab.key(UNPARSED, "curl", reason="http2"): 3,
        lab.key(UNPARSED, "nginx", reason="http2"): 3,
        lab.key(UNPARSED, "curl"): 3,
        lab.key(UNREAD, "curl"): 0,
        lab.key(CLIENT, "curl", url_scheme="https"): 1,
        lab.key(SERVER, "nginx", url_scheme="https"): 1,
    })
