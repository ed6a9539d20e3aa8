# SPDX-License-Identifier: Apache-2.0
"""The truth layer's workload does what its cases say: strace sees the calls, on TCP sockets, that moved bytes.

Without this a case named after a system call could pass by using another one.
"""

import collections
import os
import re
import shutil
import subprocess

import pytest

from http_lab import ROOT

TRUTH = os.path.join(ROOT, "build", "tests", "truth", "truth")
RECEIVES = {"read", "readv", "preadv2", "recvfrom", "recvmsg", "recvmmsg"}
SENDS = {"write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice"}
CALL = re.compile(r"^\d+ +(\w+)\((\d+)<(TCP[^>]*)")
SPLICED_OUT = re.compile(r"^\d+ +(sendfile|splice)\((?:\d+<TCP.*|.*, \d+<TCP)")
UNFINISHED = re.compile(r"^(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^\d+ +<\.\.\. \w+ resumed>(.*)$", re.DOTALL)
RESULT = re.compile(r" = (-?\d+)")

pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.skipif(not os.path.exists(TRUTH), reason="build/tests/truth/truth is not built"),
]

# case: the only calls that may receive, the only ones that may send, and a flag that must be seen.
CASES = {
    "receive-read": ({"read"}, {"write"}, None),
    "receive-readv": ({"readv"}, {"write"}, None),
    "receive-preadv2": ({"preadv2"}, {"write"}, None),
    "receive-recv": ({"recvfrom"}, {"write"}, "NULL, NULL"),
    "receive-recvfrom": ({"recvfrom"}, {"write"}, r"0x|\[\d+ => \d+\]"),
    "receive-recvmsg": ({"recvmsg"}, {"write"}, None),
    "receive-recvmmsg": ({"recvmmsg"}, {"write"}, "MSG_WAITFORONE"),
    "send-write": ({"read"}, {"write"}, None),
    "send-writev": ({"read"}, {"writev"}, "iov_len=0"),
    "send-pwritev2": ({"read"}, {"pwritev2"}, None),
    "send-send": ({"read"}, {"sendto"}, "NULL, 0"),
    "send-sendto": ({"read"}, {"sendto"}, "sin_port"),
    "send-sendmsg": ({"read"}, {"sendmsg"}, None),
    "send-sendmmsg": ({"read"}, {"sendmmsg"}, None),
    "peek": ({"read", "recvfrom"}, {"write"}, "MSG_PEEK"),
    "peek-short": ({"recvmsg", "recvfrom"}, {"write"}, "MSG_PEEK"),
    "truncate": ({"read", "recvfrom"}, {"write"}, "MSG_TRUNC"),
    "waitall": ({"read", "recvfrom"}, {"write"}, "MSG_WAITALL"),
    "more": ({"read"}, {"sendto"}, "MSG_MORE"),
    "sendfile": ({"read"}, {"write", "sendfile"}, "sendfile"),
    "splice": ({"read", "splice"}, {"write", "splice"}, "SPLICE_F_MOVE"),
    "zerocopy": ({"read"}, {"sendto"}, "MSG_ZEROCOPY"),
    "eagain": ({"read"}, {"write"}, "EAGAIN"),
    "io-uring": (set(), set(), None),
}


def whole(lines):
    """Puts calls together that another process's line has cut in two."""
    begun = {}
    calls = []
    for line in lines:
        pid = line.split(" ", 1)[0]
        cut, resumed = UNFINISHED.match(line), RESUMED.match(line)
        if cut:
            begun[pid] = cut[1]
        else:
            calls.append(begun.pop(pid, pid + " ?") + resumed[1] if resumed else line)
    return calls


def trace(case, folder):
    """Lines of strace, of the calls that move bytes."""
    path = os.path.join(folder, "trace")
    calls = ",".join(sorted(RECEIVES | SENDS))
    command = ["strace", "-f", "-qq", "-yy", "-s", "16", "-o", path, "-e", f"trace={calls}"]
    command += [TRUTH, "--dry-run", "--case", case]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    with open(path, encoding="utf-8", errors="replace") as file:
        return whole(file)


def moved(lines):
    """Calls by direction that were made on TCP sockets. splice and sendfile name the socket in either place."""
    seen = collections.Counter()
    for line in lines:
        call = CALL.match(line)
        if call:
            direction = "receive" if call[1] in RECEIVES or call[1] == "splice" else "send"
            seen[direction, call[1]] += 1
        elif SPLICED_OUT.match(line):
            seen["send", SPLICED_OUT.match(line)[1]] += 1
    return seen


@pytest.mark.parametrize("case", CASES)
def test_calls(case, tmp_path):
    receives, sends, flag = CASES[case]
    lines = trace(f"{case}.tcp4", tmp_path)
    seen = moved(lines)
    # Completions of zero-copy sends come from the error queue.
    completions = {"recvmsg"} if case == "zerocopy" else set()
    assert {name for direction, name in seen if direction == "receive"} - completions == receives, seen
    assert {name for direction, name in seen if direction == "send"} == sends, seen
    if flag:
        assert any(re.search(flag, line) for line in lines if "TCP" in line), flag


def lengths(lines, name):
    """Return values of one call on TCP sockets."""
    return [int(RESULT.search(line)[1]) for line in lines
            if CALL.match(line) and CALL.match(line)[1] == name and RESULT.search(line)]


def test_one_byte_at_a_time(tmp_path):
    lines = trace("one-byte.tcp4", tmp_path)
    sent, received = lengths(lines, "write"), lengths(lines, "read")
    assert len(sent) > 1000 and set(sent) == {1}
    # The end of a connection is read too.
    assert len(received) >= len(sent) and set(received) <= {0, 1} and sum(received) == len(sent)


def test_pipelined_in_one_segment(tmp_path):
    """500 requests in 50 writes by the client; 500 answers in as many by the server."""
    sent = lengths(trace("pipeline-10.tcp4", tmp_path), "write")
    assert len(sent) == 550 and sum(1 for n in sent if n > 400) == 50


def test_answers_coalesced(tmp_path):
    """30 batches each way, whole on most lines."""
    sent = lengths(trace("pipeline-coalesced.tcp4", tmp_path), "write")
    assert len(sent) <= 2 * 30 + 60
