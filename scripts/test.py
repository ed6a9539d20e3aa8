#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test layers and counts: `scripts/test.py all`, or layers by name.

Prints one line per program as it ends, the tail of every failing log, every skip with its reason, and at the end each
failure's name and the one line `N passed, N failed, N skipped`.
In CI a layer that skips more than tests/expected-skips says has failed.
"""

import argparse
import os
import re
import subprocess
import sys

from testing import layers, results
from testing.process import ROOT, die, say

TAIL_LINES = 30
SUMMARY_LINES = 12
SUMMARY_WIDTH = 140
SANITIZER = re.compile(r"ERROR: (Address|Leak|libFuzzer)|runtime error:|ERROR: libFuzzer")


def build(names):
    """make's own output is the progress shown."""
    goals = ["fuzzers"] if names == ["fuzz"] else ["build-tests"]
    if names == ["check"]:
        goals = ["all"]
    # Started by make itself, this one would be a part of it, and have one processor: its jobs are not handed down here.
    flags = re.sub(r"(^| )(-j\d*|--jobserver-\S+)", "", os.environ.get("MAKEFLAGS", ""))
    environment = {**os.environ, "MAKEFLAGS": flags.strip(), "MAKELEVEL": "0"}
    status = subprocess.call(["make", "--no-print-directory", "-C", ROOT] + goals, env=environment)
    if status != 0:
        die("the build failed, see above")


def show(result):
    counts = [f"{result.passed} passed"] if result.passed else []
    counts += [f"{result.failed} FAILED"] if result.failed else []
    counts += [f"{result.skipped} skipped"] if result.skipped else []
    say(f"{result.name:<40} {', '.join(counts):<32} {result.seconds:6.1f} s")
    for skip in result.skips:
        say(f"    skipped: {skip}")
    if not result.failed:
        return
    for problem in result.problems:
        say(f"    failed: {problem}")
    if result.log:
        say(f"    --- the end of {result.log}")
        with open(os.path.join(ROOT, result.log), encoding="utf-8", errors="replace") as log:
            for line in worth_showing(log.read().splitlines()):
                say(f"    {line}")


def worth_showing(lines):
    """The end, or where a sanitizer's report begins, which is far above its end."""
    begin = next((number for number, line in enumerate(lines) if SANITIZER.search(line)), None)
    if begin is None:
        return lines[-TAIL_LINES:]
    return lines[begin:begin + TAIL_LINES]


def expected_skips():
    """tests/expected-skips: `layer count` a line, # begins a comment."""
    expected = {}
    path = os.path.join(ROOT, "tests", "expected-skips")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                words = line.split("#")[0].split()
                if len(words) == 2:
                    expected[words[0]] = int(words[1])
    return expected


def run_layer(name, options, total):
    skipped = 0
    try:
        for result in layers.LAYERS[name](options):
            show(result)
            total.passed += result.passed
            total.failed += result.failed
            total.skipped += result.skipped
            total.problems += [f"{result.name}: {problem}" for problem in result.problems]
            skipped += result.skipped
    except FileNotFoundError as missing:
        say(f"{name}: {missing.filename} is missing: run `sudo make setup`")
        total.fail(f"{name}: {missing.filename} is missing")
    allowed = expected_skips().get(name, 0)
    if options.ci and skipped > allowed:
        say(f"{name}: {skipped} skipped, {allowed} expected in tests/expected-skips: a skip is not a pass")
        total.fail(f"{name}: {skipped} skipped, {allowed} expected")


def name_failures(total):
    """Once more at the very end: of a long log, a reader may be shown only that."""
    for problem in total.problems[:SUMMARY_LINES]:
        say(f"failed: {problem[:SUMMARY_WIDTH]}")
    if len(total.problems) > SUMMARY_LINES:
        say(f"failed: {len(total.problems) - SUMMARY_LINES} more, see above")


def hand_back():
    """What root built stays usable for the user who called sudo."""
    user = os.environ.get("SUDO_UID")
    if os.geteuid() == 0 and user:
        group = os.environ.get("SUDO_GID", user)
        subprocess.call(["chown", "-R", f"{user}:{group}", os.path.join(ROOT, "build")])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="+", choices=["all", *layers.LAYERS])
    parser.add_argument("--fuzz-seconds", type=int, default=15, help="time for each fuzz target")
    parser.add_argument("--fuzz-seed", type=int, default=1, help="of the mutations; 0 for another one each time")
    options = parser.parse_args()
    options.ci = os.environ.get("CI") == "true"
    names = list(layers.LAYERS) if "all" in options.layers else options.layers
    if os.geteuid() != 0 and any(name in layers.ROOT_LAYERS for name in names):
        die(f"not root, and {', '.join(layers.ROOT_LAYERS)} load BPF programs: run it with sudo")

    build(names)
    if "all" in options.layers:
        layers.clear_reports()
    total = results.Result("all")
    for name in names:
        run_layer(name, options, total)
    if "kernels" in names and "truth" in names:
        subprocess.call([os.path.join(ROOT, "scripts", "truth-table.py")])
    hand_back()
    if total.passed + total.failed == 0:
        say("no test was executed")
        total.failed = 1
    name_failures(total)
    say(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
