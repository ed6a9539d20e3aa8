# SPDX-License-Identifier: Apache-2.0
"""The exposition as real consumers see it: promtool, curl, and a Prometheus that scrapes and is asked back.

Served by exposition_server over a synthetic snapshot: needs no root, no kernel feature and no agent.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER = os.path.join(ROOT, "build", "tests", "e2e", "exposition_server")
DEADLINE_SECONDS = 20
OBSERVATIONS, SUM = 10, 12.5  # of every synthetic histogram
LARGE_SERIES = 2000


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if not path:
        pytest.skip(f"{name} is not installed: run `sudo make setup`")
    return path


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(series):
    process = subprocess.Popen([SERVER, str(series)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


@pytest.fixture(name="address")
def fixture_address():
    """HOST:PORT of a server with three histogram series."""
    process, address = serve(3)
    assert address, "exposition_server did not start"
    yield address
    process.stdin.close()
    assert process.wait(timeout=10) == 0


def fetch(address, path="/metrics", **headers):
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read(), response.headers


def promtool_check(text):
    return subprocess.run([tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)


def test_promtool_accepts_the_text(address):
    body, headers = fetch(address)
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4; charset=utf-8")
    result = promtool_check(body)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_promtool_would_refuse_a_broken_text(address):
    """The check above can fail."""
    body, _ = fetch(address)
    assert promtool_check(body.replace(b'\\"hi', b'"hi')).returncode != 0
    assert promtool_check(body.replace(b"# HELP", b"# TYPE", 1)).returncode != 0


def test_curl_takes_gzip_apart(address):
    command = [tool("curl"), "-sS", "--fail", "--compressed", f"http://{address}/metrics"]
    text = subprocess.run(command, capture_output=True, check=True, timeout=10).stdout.decode()
    assert '\nsynthetic_duration_seconds_count{service_name="shop",http_route="/route/2"} 10\n' in text
    assert "grüße" in text and "a\N{REPLACEMENT CHARACTER}b" in text


def test_health_is_json(address):
    body, headers = fetch(address, "/health/ready")
    assert headers["Content-Type"] == "application/json"
    health = json.loads(body)
    assert health["status"] == "pass"
    assert health["checks"][0]["name"] == "capture"
    checked = time.strptime(health["checks"][0]["time"][:19], "%Y-%m-%dT%H:%M:%S")
    age = time.time() - time.mktime(checked) + time.timezone
    assert -2 < age < 60


def test_post_of_a_large_body_is_refused_politely(address):
    request = urllib.request.Request(f"http://{address}/metrics", data=b"x" * 500_000)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.code == 405
    assert error.value.headers["Allow"] == "GET, HEAD"
    error.value.close()


def memory_kib(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def test_a_large_exposition_through_gzip_needs_little_memory():
    """1.4 MB of text: neither it nor much of it stays, or is ever there."""
    process, address = serve(LARGE_SERIES)
    try:
        fetch(address, "/-/healthy")
        before = memory_kib(process.pid, "VmHWM")
        body, headers = fetch(address, **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert 10_000 < len(body) < 200_000
        assert memory_kib(process.pid, "VmHWM") - before < 1024
    finally:
        process.stdin.close()
        process.wait(timeout=10)


# --- a real Prometheus


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)["data"]["result"]
    except OSError:
        return []  # not up yet


def ask_until(prometheus, query, wanted=1):
    """The result, once it has as many series as wanted."""
    process, port, log = prometheus
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        result = ask(port, query)
        if len(result) == wanted:
            return result
        time.sleep(0.05)  # between two looks at the condition
    raise AssertionError(f"{query}: {ask(port, query)}\n{log.read_text()[-2000:]}")


@pytest.fixture(name="prometheus")
def fixture_prometheus(address, tmp_path, request):
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n"
        "- job_name: synthetic\n"
        "  scrape_interval: 500ms\n"
        "  scrape_timeout: 500ms\n"
        f"  static_configs: [{{targets: ['{address}']}}]\n"
    )
    port, log = free_port(), tmp_path / "log"
    command = [
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *request.param,
    ]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    yield process, port, log
    stop(process)


def value(result):
    return float(result[0]["value"][1])


@pytest.mark.parametrize("prometheus", [["--enable-feature=native-histograms"]], indirect=True)
def test_prometheus_takes_native_histograms_from_protobuf(prometheus):
    result = ask_until(prometheus, 'sonde_scrape_requests_total{format="protobuf"} > 0')
    assert result[0]["metric"]["code"] == "200"
    series = 'synthetic_duration_seconds{http_route="/route/1"}'
    assert value(ask_until(prometheus, f"histogram_count({series})")) == OBSERVATIONS
    assert value(ask_until(prometheus, f"histogram_sum({series})")) == SUM
    # The buckets of exposition_server: 2 in (2^-7, 2^-6], 3 up to 2^-5, 4 in (1/2, 1], 1 in (1, 2].
    assert value(ask_until(prometheus, f"histogram_fraction(0, {2 ** -6}, {series})")) == pytest.approx(0.2)
    assert value(ask_until(prometheus, f"histogram_fraction(0, {2 ** -5}, {series})")) == pytest.approx(0.5)
    assert value(ask_until(prometheus, f"histogram_fraction({2 ** -5}, 0.5, {series})")) == pytest.approx(0)
    assert value(ask_until(prometheus, f"histogram_fraction(0.5, 1, {series})")) == pytest.approx(0.4)
    assert value(ask_until(prometheus, f"histogram_fraction(1, 2, {series})")) == pytest.approx(0.1)
    labels = ask_until(prometheus, "synthetic_odd_labels")[0]["metric"]
    assert labels["broken"] == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("prometheus", [[]], indirect=True)
def test_prometheus_takes_openmetrics(prometheus):
    ask_until(prometheus, 'sonde_scrape_requests_total{code="200",format="openmetrics"} > 0')
    bucket = 'synthetic_duration_seconds_bucket{http_route="/route/1",le="%s"}'
    for bound, cumulative in [("0.005", 0), ("0.01", 2), ("0.1", 5), ("1.0", 9), ("10.0", 9), ("+Inf", 10)]:
        assert value(ask_until(prometheus, bucket % bound)) == cumulative
    assert value(ask_until(prometheus, 'synthetic_duration_seconds_sum{http_route="/route/1"}')) == SUM
    ask_until(prometheus, "synthetic_duration_seconds_count", 3)
    ask_until(prometheus, "synthetic_scrapes_total >= 2")
    labels = ask_until(prometheus, "synthetic_odd_labels")[0]["metric"]
    assert labels["quote"] == 'say "hi"'
    assert labels["backslash"] == "C:\\temp"
    assert labels["newline"] == "a\nb"
    assert labels["utf8"] == "grüße"
    assert labels["broken"] == "a\N{REPLACEMENT CHARACTER}b"
    assert "empty" not in labels
    assert value(ask_until(prometheus, 'up{job="synthetic"}')) == 1
