# SPDX-License-Identifier: Apache-2.0
"""Apache, which takes ciphertext from the library by a BIO of its own and sends it when the answer is whole: no call of
the library moves it. The first session that nothing joins has its process's BIO_write hooked, for those behind it."""

import os

import pytest

from http_lab import CLIENT, SERVER, free_port, tool, total, wait_until
from test_tls import curl, fixture_agent, fixture_certificate, fixture_lab  # pylint: disable=unused-import

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

APACHE = """
{modules}
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
DocumentRoot {folder}/www
ServerLimit 1
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
KeepAlive On
SSLEngine on
SSLSessionCache none
SSLProtocol {protocol}
SSLCertificateFile {certificate}
SSLCertificateKeyFile {key}
<Directory />
Require all granted
</Directory>
"""


def start_apache(lab, certificate, protocol):
    program = os.path.realpath(tool("apache2"))
    root = program[:-len("/usr/sbin/apache2")]
    names = ["mpm_event", "authz_core", "ssl", "socache_shmcb"]
    modules = "\n".join(f"LoadModule {name}_module {root}/usr/lib/apache2/modules/mod_{name}.so" for name in names)
    port = free_port()
    lab.file("apache/www/small.txt", "x" * 200)
    text = APACHE.format(modules=modules, folder=f"{lab.folder}/apache", port=port, protocol=protocol,
                         certificate=certificate[1], key=certificate[0])
    config = lab.file("apache/apache.conf", text)
    lab.start([program, "-DFOREGROUND", "-f", config], "apache", port)
    return f"https://127.0.0.1:{port}/small.txt"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_apache(lab, certificate, version):
    url = start_apache(lab, certificate, f"TLSv{version}")
    hooks = total(lab.agent.samples(), "sonde_tls_hooks")
    joined = {"http_response_status_code": "200", "url_scheme": "https", "tls_protocol_version": version}
    curl(lab, "curl", "-o", "/dev/null", url)
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_hooks") == hooks + 1, 5, "the process to be hooked")
    for _ in range(40):
        curl(lab, "curl", "-o", "/dev/null", url)
    curl(lab, "curl", *["-o", "/dev/null", url] * 30)
    lab.expect({
        lab.key(SERVER, "apache", **joined): 70,
        lab.key(SERVER, "apache"): 71,
        lab.key(CLIENT, "curl", **joined): 71,
        lab.key("sonde_unparsed_connections_total", "apache", reason="tls"): 1,
    })
    lab.stop()
    lab.processes.clear()
    wait_until(lambda: total(lab.agent.samples(), "sonde_tls_hooks") == hooks, 5, "the hook to be gone")
