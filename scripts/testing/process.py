# SPDX-License-Identifier: Apache-2.0
"""Runs one test program in a process group of its own, with a deadline, its output in a log file."""

import os
import signal
import subprocess
import sys
import time

from .results import TIMEOUT

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "test-logs")
RESULTS = os.path.join(ROOT, "build", "test-results")


def environment():
    """What every test sees: reports that TAP parsers read, sanitizers that stop, unpacked tools within reach."""
    env = dict(os.environ)
    env["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    env["ASAN_OPTIONS"] = "detect_leaks=1:allocator_may_return_null=1:symbolize=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    tools = os.path.join(ROOT, "build", "tools", "bin")
    env["PATH"] = ":".join([env.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", tools])
    return env


def end_group(process):
    """Ends what the test started, and only that: the group is the test's own."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue


def run(command, log_name, timeout):
    """Returns (status, output, seconds, log path); status is negative for a signal, TIMEOUT past the deadline."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, log_name.replace("/", "-").replace(" ", "-") + ".log")
    started = time.monotonic()
    with open(path, "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            status = TIMEOUT
        finally:
            end_group(process)
    with open(path, encoding="utf-8", errors="replace") as log:
        output = log.read()
    return status, output, time.monotonic() - started, os.path.relpath(path, ROOT)


def say(text):
    print(text, flush=True)


def die(text):
    print(f"make test: {text}", file=sys.stderr, flush=True)
    sys.exit(2)
