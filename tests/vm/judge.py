#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Of each call of Redis that the server wrote down: is its span below that of the request that it was made for? TAP."""

import collections
import json
import sys

WANTED = 0.99


def spans_of(path):
    spans = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith('{"service"') and line.endswith("\n"):
                span = json.loads(line)["span"]
                span["says"] = {pair["key"]: next(iter(pair["value"].values())) for pair in span["attributes"]}
                spans[span["spanId"]] = span
    return spans


def judge(folder, backend):
    """What became of each call, and what is wrong."""
    spans = spans_of(f"{folder}/{backend}.json")
    uses, counts, wrong = collections.defaultdict(list), collections.Counter(), []
    for span in spans.values():
        if span["says"].get("db.system.name") == "redis" and span["kind"] == 2:
            uses[int(span["says"]["network.peer.port"])].append(span)
    for port in uses:
        uses[port].sort(key=lambda span: int(span["startTimeUnixNano"]))
    with open(f"{folder}/{backend}.book", encoding="ascii") as file:
        calls = [tuple(map(int, line.split())) for line in file]
    for number, port, used in calls:
        server = uses[port][used] if used < len(uses[port]) else {}
        client = spans.get(server.get("parentSpanId"), {})
        parent = spans.get(client.get("parentSpanId"))
        path = parent and (parent["says"].get("url.path") or parent["says"].get("url.full"))
        if path and int(path.rsplit("/", 1)[1]) != number:
            wrong.append((number, path))
        counts["right" if path else "not told"] += 1
    return len(calls), counts, wrong


def main():
    folder, backends = sys.argv[1], sys.argv[2:]
    failed = False
    print(f"1..{len(backends)}")
    for place, backend in enumerate(backends, 1):
        calls, counts, wrong = judge(folder, backend)
        good = calls == 420 and not wrong and counts["right"] >= WANTED * calls
        failed |= not good
        print(f"{'ok' if good else 'not ok'} {place} - {backend}: {counts['right']} of {calls} calls have their "
              f"parent, {len(wrong)} a wrong one {wrong[:3] or ''}")
    sys.exit(failed)


main()
