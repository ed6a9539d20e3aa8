#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the checks and prints TAP: `make check`, or `scripts/check/run.py NAME...` for some of them.

A check that cannot fail is a defect: each one is also run over samples of its own that it must refuse.
"""

import argparse
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from check import layers, lengths, licences, tools, words  # noqa: E402  (the path comes first)

CHECKS = {
    "layers": layers,
    "lengths": lengths,
    "words": words,
    "licences": licences,
    "format": tools.Format,
    "symbols": tools.Symbols,
    "cppcheck": tools.Cppcheck,
    "clang-tidy": tools.Tidy,
}
SHOWN = 60


def write_tree(root, tree):
    for name, text in tree.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def self_test(check):
    """Nothing about the good sample, something about each bad one."""
    problems = []
    for number, tree in enumerate([check.GOOD, *check.BAD]):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, tree)
            found = check.check(root)
        if number == 0 and found:
            problems.append(f"refuses its good sample: {found[0]}")
        if number > 0 and not found:
            problems.append(f"accepts its bad sample {number}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="NAME", help=" ".join(CHECKS))
    names = parser.parse_args().checks or list(CHECKS)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        parser.error(f"no check {unknown[0]}: one of {' '.join(CHECKS)}")
    steps = [(f"{name} sees what it must see", lambda check=CHECKS[name]: self_test(check)) for name in names]
    steps += [(name, lambda check=CHECKS[name]: check.check(ROOT)) for name in names]
    print(f"1..{len(steps)}")
    failed = False
    for number, (title, step) in enumerate(steps, 1):
        problems = step()
        failed = failed or bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {title}", flush=True)
        for problem in problems[:SHOWN]:
            print(f"#   {problem}")
        if len(problems) > SHOWN:
            print(f"#   and {len(problems) - SHOWN} more")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
