# SPDX-License-Identifier: Apache-2.0
"""Figures to one table: medians, with the smallest and largest in brackets, and the median of the pairs' ratios."""

import statistics


def pick(runs, *path):
    """The value at a path in each run."""
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return values


def spread(values, form="{:,.0f}"):
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))} .. {form.format(max(values))})"


def ratio(off, on):
    """Of pairs, so that what changes slowly over the benchmark does not count."""
    return f"{statistics.median([b / a for a, b in zip(off, on)]):.3f}" if off and on else ""


def compared(pairs, title, *path):
    before = pick([pair["off"] for pair in pairs], *path)
    after = pick([pair["on"] for pair in pairs if "on" in pair], *path)
    return [title, spread(before), spread(after), ratio(before, after) if after else ""]


def agent_rows(pairs, cost):
    runs = [pair["on"] for pair in pairs]
    mebibyte = 1048576
    rows = [["agent CPU, saturation, ns/exchange", "", spread(pick(runs, "saturation", "agent_ns")), ""],
            ["agent CPU, half rate, ns/exchange", "", spread(pick(runs, "half", "agent_ns")), ""]]
    if cost:
        figure = f"{cost['bpf_ns']:,.0f} in {cost['bpf_runs']:.1f} runs"
        rows.append(["BPF time, saturation, ns/exchange", "", figure, ""])
    rows += [
        ["resident memory, MB", "", spread([n * 1024 / 1e6 for n in pick(runs, "rss_kib")], "{:.1f}"), ""],
        ["of it its own (PSS), MB", "", spread([n * 1024 / 1e6 for n in pick(runs, "pss_kib")], "{:.1f}"), ""],
        ["BPF maps, MiB", "", spread([n / mebibyte for n in pick(runs, "bpf_map_bytes")], "{:.2f}"), ""],
        ["BPF programs, MiB", "", spread([n / mebibyte for n in pick(runs, "bpf_program_bytes")], "{:.2f}"), ""],
        ["start to first exchange seen, ms", "", spread([n * 1e3 for n in pick(runs, "first_s")]), ""],
        ["SIGTERM to end, ms", "", spread([n * 1e3 for n in pick(runs, "stop_s")]), ""]]
    for load in ("saturation", "half"):
        errors, lost = pick(runs, load, "count_error"), pick(runs, load, "lost")
        counted = sum(pick(runs, load, "counted"))
        title = "saturation" if load == "saturation" else "half rate"
        rows.append([f"count error, {title}", "", f"{sum(errors)} of {counted:,}", ""])
        rows.append([f"events lost, {title}", "", f"{sum(lost)}", ""])
    return rows


def table(pairs, rate, cost):
    rows = [["", "agent off", "agent on", "on/off"],
            compared(pairs, "saturation, requests/s", "saturation", "rate"),
            compared(pairs, "  p50, us", "saturation", "latency_p50_us"),
            compared(pairs, "  p99, us", "saturation", "latency_p99_us"),
            compared(pairs, "  nginx CPU, ns/request", "saturation", "nginx_ns"),
            compared(pairs, f"half rate ({rate:,.0f}/s), requests/s", "half", "rate"),
            compared(pairs, "  p50, us", "half", "latency_p50_us"),
            compared(pairs, "  p99, us", "half", "latency_p99_us"),
            compared(pairs, "  nginx CPU, ns/request", "half", "nginx_ns")]
    if "on" in pairs[0]:
        rows += agent_rows(pairs, cost)
    return rows


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
        if not number:
            print("  ".join("-" * width for width in widths))
