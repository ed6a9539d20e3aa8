#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sonde costs PostgreSQL: pgbench select-only with the agent off, on for the server, and on for both ends, in
turn; and the agent's memory with 5,000 connections that have prepared statements. Needs root, and a server as `make
setup` unpacks it."""

import argparse
import asyncio
import os
import re
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from http_lab import Agent, Cgroup, free_port, total, wait_until  # noqa: E402
from postgres_lab import CLIENT, SERVER, Postgres  # noqa: E402

STATEMENTS = 20
MODES = ("off", "server", "both ends")
READY = b"Z" + struct.pack(">I", 5) + b"I"


def memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def pgbench(server, cgroup, options):
    """Transactions done, and in a second."""
    command = [f"{server.bin}/pgbench", "-n", "-S", "-M", options.protocol, "-c", "4", "-j", "1", "-T",
               str(options.seconds), "base"]
    done = subprocess.run(command, check=True, capture_output=True, text=True,
                          preexec_fn=cgroup.enter if cgroup else None,
                          env={**os.environ, **server.environment("base")})
    return (int(re.search(r"transactions actually processed: (\d+)", done.stdout)[1]),
            float(re.search(r"tps = ([\d.]+) \(without", done.stdout)[1]))


def selects(samples, metric):
    return total(samples, metric, db_namespace="base", db_collection_name="pgbench_accounts")


def one_run(folder, server, cgroup, mode, options):
    """Transactions in a second, and whether they were counted right at the ends that are observed."""
    if mode == "off":
        return pgbench(server, None, options)[1], True
    agent = Agent(cgroup, os.path.join(folder, "sonde.log"))
    try:
        count, rate = pgbench(server, cgroup if mode == "both ends" else None, options)
        samples = agent.samples()
        wanted = {SERVER: count, **({CLIENT: count} if mode == "both ends" else {})}
        return rate, all(selects(samples, metric) == count for metric, count in wanted.items())
    finally:
        agent.stop()


def speed(folder, options):
    """Rates by mode, run in turn; whether every count was right."""
    cgroup = Cgroup()
    server = Postgres(cgroup)
    rates, right = {mode: [] for mode in MODES}, True
    try:
        server.psql("CREATE DATABASE base")
        subprocess.run([f"{server.bin}/pgbench", "-iq", "-s", "1", "base"], check=True, capture_output=True,
                       env=server.environment("base"))
        pgbench(server, None, options)
        for _ in range(options.pairs):
            for mode in MODES:
                rate, good = one_run(folder, server, cgroup, mode, options)
                rates[mode].append(rate)
                right = right and good
    finally:
        server.stop()
        cgroup.remove()
    return rates, right


def message(kind, payload=b""):
    return kind + struct.pack(">I", len(payload) + 4) + payload


async def answer(reader, writer):
    """A server that knows the start-up, Parse and Sync, and nothing else: a real one needs a process for each."""
    length, = struct.unpack(">I", await reader.readexactly(4))
    await reader.readexactly(length - 4)
    writer.write(message(b"R", struct.pack(">I", 0)) + READY)
    while True:
        try:
            kind = await reader.readexactly(1)
            length, = struct.unpack(">I", await reader.readexactly(4))
            await reader.readexactly(length - 4)
        except asyncio.IncompleteReadError:
            return
        writer.write(message(b"1") if kind == b"P" else READY)


async def connect(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parameters = b"user\0app\0database\0shop\0\0"
    writer.write(struct.pack(">II", len(parameters) + 8, 196608) + parameters)
    for statement in range(STATEMENTS):
        text = b"s%d_%d\0SELECT * FROM table_%d WHERE id = $1\0\0\0" % (number, statement, statement)
        writer.write(message(b"P", text))
    writer.write(message(b"S"))
    data = b""
    while data.count(READY) < 2:
        data += await reader.read(65536)
    return writer


async def hold(port, count):
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    writers = [await connect(port, number) for number in range(count)]
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    assert server.is_serving() and len(writers) == count
    os._exit(0)  # closing one by one takes long, and says so for each


def memory(folder, connections):
    """KiB before, with and after them, at both ends, and what sonde counts of itself."""
    cgroup = Cgroup()
    agent = Agent(cgroup, os.path.join(folder, "sonde.log"))
    try:
        agent.samples()
        before = memory_kib(agent.process.pid)
        child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--hold", str(connections)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=cgroup.enter)
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.3)
        samples = agent.samples()
        counted = total(samples, "db_client_connection_count"), total(samples, "db_server_connection_count")
        during = memory_kib(agent.process.pid)
        child.communicate("\n")
        wait_until(lambda: not total(agent.samples(), "db_client_connection_count"), 10, "the connections to be gone")
        time.sleep(2)  # it gives memory back once in a second
        return before, during, memory_kib(agent.process.pid), total(samples, "sonde_stream_memory_bytes"), counted
    finally:
        agent.stop()
        cgroup.remove()


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} .. {max(values):,.0f})"


def rows(options):
    """Lines of the benchmark's table, and how many of its counts were wrong."""
    table, wrong = [], 0
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        if options.pairs:
            rates, right = speed(folder, options)
            wrong += int(not right)
            for mode in MODES[1:]:
                ratio = statistics.median(on / off for on, off in zip(rates[mode], rates["off"]))
                table.append([f"pgbench -S -M {options.protocol} -c 4, {mode}, transactions/s", spread(rates["off"]),
                              spread(rates[mode]), f"{ratio:.3f}"])
        if options.connections:
            before, after, closed, stream, counted = memory(folder, options.connections)
            wrong += int(counted != (options.connections, options.connections))
            table += [[f"resident MiB with {options.connections:,} connections, {STATEMENTS} statements each",
                       f"{before / 1024:.1f}", f"{after / 1024:.1f}", ""],
                      ["of these, bytes of a connection's end", "",
                       f"{(after - before) * 512 / options.connections:,.0f}", ""],
                      ["of these, parsers' bytes of a connection's end", "",
                       f"{stream / 2 / options.connections:,.0f}", ""],
                      ["resident MiB when they are closed", "", f"{closed / 1024:.1f}", ""]]
    return table, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="of runs with the agent off and on; 0: none")
    parser.add_argument("--seconds", type=int, default=6, help="of each run")
    parser.add_argument("--protocol", default="prepared", choices=["simple", "extended", "prepared"], help="of pgbench")
    parser.add_argument("--connections", type=int, default=5000, help="held open; 0: none")
    parser.add_argument("--hold", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * options.hold + 100, 2 * options.hold + 100))
        asyncio.run(hold(free_port(), options.hold))
        return 0
    table, wrong = rows(options)
    for line in table:
        print(f"{line[0]:58} {line[1]:>27} {line[2]:>27} {line[3]:>6}")
    if wrong:
        print("counts were wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
