#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/TRUTH.md and the tables of docs/KERNELS.md and docs/TRUTH-CONTAINERS.md from what was measured.

Reads build/test-results/truth/WHERE-BACKEND.json and WHERE-containers.json, which `make test` leaves behind; WHERE is
host or a kernel of the VM matrix. Prints nothing and writes only what changed. With --check it says whether the pages
are those of the results.
"""

import argparse
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPORTS = os.path.join(ROOT, "build", "test-results", "truth")
PLACES = ("host", "5.10", "6.1", "6.12", "newest")
BACKENDS = ("fentry", "kprobe", "tracepoint")
GROUPS = {
    1: "keep-alive, one request per connection, bursts of short connections",
    2: "pipelining, several requests in one segment, one over many, one byte at a time",
    3: "message framing: lengths, chunks, until close, no body, interim responses, upgrades",
    4: "every system call that moves bytes, and what only looks as if it did",
    5: "connections and processes that come, go, fork and change hands",
    6: "abandoned, reset, half-closed",
    7: "large heads and bodies",
    8: "both sides of a connection, proxies",
    9: "not HTTP, or HTTP that is malformed",
    10: "latency",
    11: "databases: real servers, their clients and their own books",
}
BEGIN, END = "<!-- generated: %s -->", "<!-- end -->"
MARK = {"pass": "exact", "fail": "**wrong**", "skip": "–"}
CONTAINER_MARK = {**MARK, "pass": "holds"}


def read_report(name):
    path = os.path.join(REPORTS, name)
    if not os.path.exists(path):
        return []
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except json.JSONDecodeError as error:
        sys.exit(f"truth-table: {os.path.relpath(path, ROOT)} is cut short or broken: {error}")


def load():
    """(place, backend) -> {case: row}, in the order of columns."""
    columns = {}
    for place in PLACES:
        for backend in BACKENDS:
            rows = read_report(f"{place}-{backend}.json") + read_report(f"{place}-database-{backend}.json")
            if rows:
                columns[place, backend] = {row["case"]: row for row in rows}
    return columns


def release(rows):
    return next((row["kernel"] for row in rows.values()), "")


def version(rows):
    """5.10.0-46-cloud-amd64 -> 5.10: what stays the same between two fetches of the same release's kernel."""
    numbers = re.match(r"\d+\.\d+", release(rows))
    return numbers[0] if numbers else "?"


def title(column, rows):
    return f"{version(rows)}{' (host)' if column[0] == 'host' else ''} {column[1]}"


def escape(text):
    return text.replace("|", "\\|")


def cell(rows):
    """One word for all families of a case; where they differ, each family's."""
    results = {family: row["result"] for family, row in rows.items()}
    if not results:
        return ""
    if len(set(results.values())) == 1:
        return MARK[next(iter(results.values()))]
    return ", ".join(f"{MARK[result]} ({family})" for family, result in results.items())


def families(rows, case):
    """The rows of one case by family: a name is CASE.FAMILY."""
    return {name.rpartition(".")[2]: row for name, row in rows.items() if name.rpartition(".")[0] == case}


def group_table(number, cases, columns):
    lines = [f"## {number}. {GROUPS.get(number, 'others')}", ""]
    lines.append("| case | what happens | " + " | ".join(title(key, rows) for key, rows in columns.items()) + " |")
    lines.append("| --- " * (2 + len(columns)) + "|")
    for case, row in cases.items():
        cells = [cell(families(rows, case)) for rows in columns.values()]
        lines.append(f"| {escape(case)} | {escape(row['description'])} | " + " | ".join(cells) + " |")
    return lines + [""]


def skips(columns):
    """Every case that a column skipped, once for each reason."""
    reasons = {}
    for key, rows in columns.items():
        for case, row in rows.items():
            if row["result"] == "skip":
                where = reasons.setdefault((case.rpartition(".")[0], row["reason"]), [])
                if title(key, rows) not in where:
                    where.append(title(key, rows))
    return [f"- {case} ({', '.join(where)}): {reason}" for (case, reason), where in sorted(reasons.items())]


def truth_page(columns):
    cases = {}
    for rows in columns.values():
        for case, row in rows.items():
            cases.setdefault(row["group"], {}).setdefault(case.rpartition(".")[0], row)
    witnesses = sorted({row["witness"] for rows in columns.values() for row in rows.values()})
    total = sum(len(rows) for rows in columns.values())
    right = sum(row["result"] == "pass" for rows in columns.values() for row in rows.values())
    wrong = sum(row["result"] == "fail" for rows in columns.values() for row in rows.values())
    lines = ["# Truth", "", "<!-- Written by scripts/truth-table.py from a test run; do not edit. -->", "",
             "What `sudo make test` compared: sonde's counts, sizes and errors with an independent witness, case by",
             "case, under each capture backend, on each kernel. *exact* means equal to the last request and the last",
             "byte, over every family of addresses that was tried: IPv4, IPv6, unix. An empty cell was not run: in the",
             "VM IPv6 is tried under fentry alone.", "", f"Witness: {'; '.join(witnesses)}.", "",
             f"{right} of {total} comparisons exact, {wrong} wrong, {total - right - wrong} not applicable.",
             ""]
    for number in sorted(cases):
        lines += group_table(number, cases[number], columns)
    skipped = skips(columns)
    if skipped:
        lines += ["## Not applicable", ""] + skipped + [""]
    return "\n".join(lines)


def containers_table():
    """A case's result per kernel, and which version of cgroups was there; figures are in the tests' logs."""
    places = (*PLACES, "6.1-v1")
    reports = {place: read_report(f"{place}-containers.json") + read_report(f"{place}-runtimes.json")
               for place in places}
    found = {place: {row["case"]: row for row in rows} for place, rows in reports.items()}
    found = {place: rows for place, rows in found.items() if rows}
    cases = dict.fromkeys(case for rows in found.values() for case in rows)
    heads = [f"{next(iter(rows.values()))['cgroups']}, {version(rows)}{' (host)' if place == 'host' else ''}"
             for place, rows in found.items()]
    lines = ["| case | " + " | ".join(heads) + " |", "| --- " * (1 + len(heads)) + "|"]
    for case in cases:
        cells = [CONTAINER_MARK[rows[case]["result"]] if case in rows else "" for rows in found.values()]
        lines.append(f"| {escape(case)} | " + " | ".join(cells) + " |")
    reasons = {(row["case"], row["detail"]) for rows in found.values() for row in rows.values()
               if row["result"] == "skip"}
    lines += [""] + [f"- {case}: {reason}" for case, reason in sorted(reasons)]
    return "\n".join(lines).rstrip() if cases else ""


def kernels_table(columns):
    lines = ["| kernel | " + " | ".join(BACKENDS) + " |", "| --- " * (1 + len(BACKENDS)) + "|"]
    for place in PLACES:
        found = {backend: columns[place, backend] for backend in BACKENDS if (place, backend) in columns}
        if not found:
            continue
        name = release(next(iter(found.values())))
        cells = [summary(found[backend]) if backend in found else "not run" for backend in BACKENDS]
        lines.append(f"| {name}{' (the machine of the run)' if place == 'host' else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows):
    results = [row["result"] for row in rows.values()]
    counts = [f"{results.count('pass')} exact"]
    counts += [f"{results.count('fail')} wrong"] if "fail" in results else []
    counts += [f"{results.count('skip')} n/a"] if "skip" in results else []
    return ", ".join(counts)


def page_with_table(name, key, table):
    """The page with what is between its marks replaced; None when there is nothing to put there."""
    path = os.path.join(ROOT, "docs", name)
    if not table or not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin = BEGIN % key
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: "\n".join([begin, table, END]), text)


def pages(columns):
    """path -> text. Two pages keep all but their table."""
    found = {"docs/TRUTH.md": truth_page(columns)} if columns else {}
    for name, key, table in (("KERNELS.md", "kernels", kernels_table(columns) if columns else ""),
                             ("TRUTH-CONTAINERS.md", "containers", containers_table())):
        text = page_with_table(name, key, table)
        if text:
            found[f"docs/{name}"] = text
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page differs")
    options = parser.parse_args()
    found = pages(load())
    if not found:
        sys.exit("truth-table: no results below build/test-results/truth: run `sudo make test`")
    for name, text in found.items():
        path = os.path.join(ROOT, name)
        old = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                old = file.read()
        if old == text:
            continue
        if options.check:
            sys.exit(f"truth-table: {name} is not what the last run measured: run scripts/truth-table.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
