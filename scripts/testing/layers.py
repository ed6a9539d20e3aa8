# SPDX-License-Identifier: Apache-2.0
"""The layers of docs/TESTING.md. Each is a generator of results, so that the runner can show them as they come."""

import concurrent.futures
import glob
import os
import re
import shutil

from . import results
from .process import RESULTS, ROOT, run

MINUTE = 60


def built(layer):
    """The built programs of a layer's folder, by name."""
    sources = sorted(glob.glob(os.path.join(ROOT, "tests", layer, "test_*.c")))
    return [os.path.join("build", "tests", layer, os.path.basename(source)[:-2]) for source in sources]


def tap_program(name, command, timeout):
    status, output, seconds, log = run(command, name, timeout)
    result = results.from_tap(name, output, status)
    result.seconds, result.log = seconds, log
    return result


def programs(layer, timeout):
    for program in built(layer):
        yield tap_program(f"{layer} {os.path.basename(program)}", [program], timeout)


def unit(_options):
    yield from programs("unit", 3 * MINUTE)


def golden(_options):
    yield from programs("golden", 10 * MINUTE)


def bpf(_options):
    yield from programs("bpf", 5 * MINUTE)


def canary(_options):
    """Tests that must fail, through the same code as all others: a runner that cannot see them fail is broken."""
    for program in built("canary"):
        yield must_fail(tap_program(f"canary {os.path.basename(program)}", [program], MINUTE))
    yield must_fail(tap_program("canary tap", ["sh", "tests/canary/tap.sh"], MINUTE))
    yield must_fail(pytest("canary pytest", ["tests/canary/test_canary.py"], MINUTE))


def must_fail(seen):
    result = results.Result(seen.name, seconds=seen.seconds, log=seen.log)
    if seen.failed > 0:
        result.passed = 1
    else:
        result.fail("a test that must fail was not seen to fail")
    return result


def pytest(name, arguments, timeout):
    """Debian's Python and pytest: what `make setup` installs, whatever else comes first in PATH."""
    report = os.path.join(RESULTS, name.replace(" ", "-") + ".xml")
    os.makedirs(RESULTS, exist_ok=True)
    if os.path.exists(report):
        os.remove(report)
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={report}"]
    status, _, seconds, log = run(command + arguments, name, timeout)
    result = results.from_junit(name, report, status)
    result.seconds, result.log = seconds, log
    return result


def e2e(_options):
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "e2e", "test_*.py"))):
        name = os.path.basename(path)[:-3]
        yield pytest(f"e2e {name}", [os.path.relpath(path, ROOT)], 15 * MINUTE)


def fuzz(options):
    """Every target for a while, from its corpus; findings stay below build/fuzz/findings.

    With a seed a run is the same again: from the committed corpus alone, so that a change is judged by what it changed.
    Seed 0 looks for new ways, and keeps those that it found for the next time.
    """
    targets = sorted(glob.glob(os.path.join(ROOT, "tests", "fuzz", "fuzz_*.c")))
    names = [os.path.basename(target)[len("fuzz_"):-2] for target in targets]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(lambda name: fuzz_one(name, options.fuzz_seconds, options.fuzz_seed), names)


def fuzz_one(name, seconds, seed):
    grown = os.path.join("build", "fuzz", "seeded" if seed else "corpus", name)
    if seed:
        shutil.rmtree(os.path.join(ROOT, grown), ignore_errors=True)
    findings = os.path.join("build", "fuzz", "findings", "")
    for folder in (grown, findings):
        os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    seeds = [path for path in (f"tests/fuzz/corpus/{name}", f"tests/fuzz/{name}")
             if os.path.isdir(os.path.join(ROOT, path))]
    dictionary = f"tests/fuzz/{name}.dict"
    command = [f"build/tests/fuzz/fuzz_{name}", f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
               "-rss_limit_mb=2048", f"-artifact_prefix={findings}{name}-", "-print_final_stats=1"]
    if os.path.exists(os.path.join(ROOT, dictionary)):
        command.append(f"-dict={dictionary}")
    status, output, took, log = run(command + [grown] + seeds, f"fuzz {name}", seconds + 5 * MINUTE)
    result = results.Result(f"fuzz {name}", seconds=took, log=log)
    if status != 0:
        result.fail(f"ended with {results.describe_status(status)}")
    elif "stat::number_of_executed_units: 0" in output or "stat::number_of_executed_units:" not in output:
        result.fail("executed nothing")
    else:
        result.passed = 1
    return result


def truth(_options):
    """On the running kernel: every backend that loads here. The others are the VM's."""
    if not os.path.exists(os.path.join(ROOT, "build/tests/truth/truth")):
        return
    folder = os.path.join(RESULTS, "truth")
    os.makedirs(folder, exist_ok=True)
    for backend in ("fentry", "kprobe", "tracepoint"):
        report = os.path.join("build/test-results/truth", f"host-{backend}.json")
        if os.path.exists(os.path.join(ROOT, report)):
            os.remove(os.path.join(ROOT, report))
        name = f"truth {backend}"
        if backend != "tracepoint" and not backend_loads(backend):
            continue
        command = ["build/tests/truth/truth", "--sonde", "build/sonde", "--backend", backend, "--json", report]
        yield tap_program(name, command, 20 * MINUTE)


def backend_loads(backend):
    """Asks sonde doctor, which tries; on a host without it the VM's kernels cover this backend."""
    _, output, _, _ = run(["build/sonde", "doctor"], "doctor", MINUTE)
    return re.search(rf"^ok\s+{backend}\b", output, re.MULTILINE) is not None


KERNELS = ("5.10", "6.1", "6.12", "newest")


def kernels(options):
    """bpf and truth under every backend, on real kernels in VMs of one processor each, as many as the host has."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for sections in pool.map(lambda kernel: one_kernel(kernel, options.ci), KERNELS):
            yield from sections


def one_kernel(kernel, in_ci):
    name = f"kernel {kernel}"
    status, output, seconds, log = run(["scripts/vm/fetch.sh", kernel], f"{name} fetch", 10 * MINUTE)
    if status != 0:
        result = results.Result(name, seconds=seconds, log=log)
        reason = (output.strip().splitlines() or ["no reason given"])[-1]
        if in_ci:
            result.fail(reason)
        else:
            result.skipped, result.skips = 1, [reason]
        return [result]
    status, output, seconds, log = run(["scripts/vm/matrix.sh", kernel], name, 30 * MINUTE)
    sections = results.sections_from_tap(name, output, status)
    for section in sections:
        section.log, section.seconds = log, seconds / len(sections)
    return sections


def check(_options):
    """Format, layers, lengths and the rest; each check is one test, and its self-test another."""
    status, output, seconds, log = run(["scripts/check/run.py"], "check", 10 * MINUTE)
    result = results.from_tap("check", output, status)
    result.seconds, result.log = seconds, log
    yield result


LAYERS = {
    "check": check,
    "canary": canary,
    "unit": unit,
    "golden": golden,
    "fuzz": fuzz,
    "bpf": bpf,
    "truth": truth,
    "e2e": e2e,
    "kernels": kernels,
}
ROOT_LAYERS = ("bpf", "truth", "e2e")


def clear_reports():
    shutil.rmtree(RESULTS, ignore_errors=True)
