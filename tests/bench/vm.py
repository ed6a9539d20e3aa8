# SPDX-License-Identifier: Apache-2.0
"""Guest instructions per request, in a VM whose clock counts them: noise-free, for each kernel and backend."""

import os
import statistics
import subprocess

import host


def kernel_lines(kernel, rounds, sonde):
    """What tests/bench/guest.sh says under one kernel; `sonde` None: of the load alone."""
    subprocess.run(["scripts/vm/fetch.sh", kernel], cwd=host.ROOT, check=True, stdout=subprocess.DEVNULL)
    command = ["scripts/vm/run.sh", "--kernel", kernel, "--icount", "--timeout", "900",
               "--file", "build/tests/bench/pingpong", "--file", "tests/bench/guest.sh"]
    if sonde:
        command += ["--file", f"{sonde}:host/build/sonde"]
    result = subprocess.run([*command, "--", "env", f"ROUNDS={rounds}", "sh", "tests/bench/guest.sh"], cwd=host.ROOT,
                            capture_output=True, text=True, check=False)
    if result.returncode:
        raise host.Failure(f"VM with kernel {kernel}: {(result.stderr + result.stdout).strip().splitlines()[-1:]}")
    return [line.split() for line in result.stdout.splitlines() if line.strip()]


def kernel_rows(kernel, rounds, sonde):
    """Rows of the table, and what was counted wrong or lost."""
    lines = kernel_lines(kernel, rounds, sonde)
    release = host.read(os.path.join(host.ROOT, "build/kernels", kernel, "release")).strip()
    alone = [float(fields[2]) for fields in lines if fields[0] == "off"]
    if not alone:
        raise host.Failure(f"VM with kernel {kernel}: no figures")
    off, rows, wrong = statistics.median(alone), [], 0
    rows.append([f"{release}, instructions/request", f"{off:,.0f}", "", ""])
    for backend, selection, *figures in (fields for fields in lines if fields[0] != "off"):
        title = f"  {backend}, {'server' if selection == 'server' else 'both sides'} observed"
        if figures[0] == "failed:":
            rows.append([title, "", " ".join(figures).split("reason=")[-1][:70], ""])
            continue
        on, (counted, expected, lost, agent) = float(figures[0]), [int(n) for n in figures[1:5]]
        error, why = "", " ".join(figures[5:]).strip(",")
        if counted != expected or lost:
            error = f", count {counted - expected:+d}, lost {lost} ({why})"
        wrong += counted != expected or lost != 0
        cost = f"+{on - off:,.0f}, of it {agent / expected:,.0f} the agent's{error}"
        rows.append([title, "", f"{on:,.0f} ({cost})", f"{on / off:.3f}"])
    return rows, wrong
