# SPDX-License-Identifier: Apache-2.0
"""Guest instructions per request, in a VM whose clock counts them: noise-free, for each kernel and backend."""

import os
import statistics
import subprocess

import host


def kernel_lines(kernel, rounds, with_agent):
    """What tests/bench/guest.sh says under one kernel."""
    subprocess.run(["scripts/vm/fetch.sh", kernel], cwd=host.ROOT, check=True, stdout=subprocess.DEVNULL)
    command = ["scripts/vm/run.sh", "--kernel", kernel, "--icount", "--timeout", "900",
               "--file", "build/tests/bench/pingpong", "--file", "tests/bench/guest.sh"]
    if with_agent:
        command += ["--file", "build/sonde"]
    result = subprocess.run([*command, "--", "env", f"ROUNDS={rounds}", "sh", "tests/bench/guest.sh"], cwd=host.ROOT,
                            capture_output=True, text=True, check=False)
    if result.returncode:
        raise host.Failure(f"VM with kernel {kernel}: {(result.stderr + result.stdout).strip().splitlines()[-1:]}")
    return [line.split() for line in result.stdout.splitlines() if line.strip()]


def kernel_rows(kernel, rounds, with_agent):
    """Rows of the table, and what was counted wrong or lost."""
    lines = kernel_lines(kernel, rounds, with_agent)
    release = host.read(os.path.join(host.ROOT, "build/kernels", kernel, "release")).strip()
    alone = [float(fields[2]) for fields in lines if fields[0] == "off"]
    if not alone:
        raise host.Failure(f"VM with kernel {kernel}: no figures")
    off, rows, wrong = statistics.median(alone), [], 0
    if not with_agent:
        rows.append([f"VM {release}, instructions/request", f"{off:,.0f}", "", ""])
    for backend, selection, *figures in (fields for fields in lines if fields[0] != "off"):
        title = f"VM {release}, {backend}, {'server' if selection == 'server' else 'both sides'}, instructions/request"
        if figures[0] == "failed:":
            rows.append([title, f"{off:,.0f}", " ".join(figures)[:60], ""])
            continue
        on, (counted, expected, lost) = float(figures[0]), [int(n) for n in figures[1:4]]
        error = "" if counted == expected and not lost else f", count {counted - expected:+d}, lost {lost}"
        wrong += counted != expected or lost != 0
        rows.append([title, f"{off:,.0f}", f"{on:,.0f} (+{on - off:,.0f}{error})", f"{on / off:.3f}"])
    return rows, wrong
