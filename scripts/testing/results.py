# SPDX-License-Identifier: Apache-2.0
"""What a test program said, as counts: TAP (cmocka's and truth's) and pytest's JUnit XML.

A program that ends with an error, runs fewer tests than it planned, or runs none, has failed whatever it printed.
"""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree


@dataclasses.dataclass
class Result:
    """One line of the report: a program, a script or one section of a VM's run."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    log: str = ""
    problems: list = dataclasses.field(default_factory=list)
    skips: list = dataclasses.field(default_factory=list)

    def fail(self, problem):
        self.failed += 1
        self.problems.append(problem)


PLAN = re.compile(r"^\s*1\.\.(\d+)")
TEST = re.compile(r"^\s*(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
SKIP = re.compile(r"#\s*SKIP\b\s*(.*)", re.IGNORECASE)
SECTION = re.compile(r"^# section: (.*)$")


def from_tap(name, text, status):
    """Counts `ok` and `not ok` lines. Several plans in one text (cmocka groups) add up."""
    result = Result(name)
    planned = 0
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned += int(plan[1])
            continue
        test = TEST.match(line)
        if not test:
            continue
        skip = SKIP.search(test[3])
        if skip:
            result.skipped += 1
            result.skips.append(test[3].strip())
        elif test[1]:
            result.fail(test[3].strip())
        else:
            result.passed += 1
    ran = result.passed + result.failed + result.skipped
    if ran < planned:
        result.fail(f"{planned} tests planned, {ran} ran")
    if status != 0 and result.failed == 0:
        result.fail(f"ended with {describe_status(status)}")
    if ran == 0 and result.failed == 0:
        result.fail("ran no test")
    return result


def sections_from_tap(name, text, status):
    """Splits a VM's output at its `# section:` lines; what comes before the first belongs to none."""
    sections = []
    for line in text.splitlines():
        section = SECTION.match(line)
        if section:
            sections.append((section[1].strip(), []))
        elif sections:
            sections[-1][1].append(line)
    results = []
    for title, lines in sections:
        results.append(from_tap(f"{name} {title}", "\n".join(lines), 0))
    if not results:
        results = [Result(name)]
        results[0].fail("ran no test" if status == 0 else f"ended with {describe_status(status)}")
    elif status != 0 and not any(result.failed for result in results):
        results[-1].fail(f"ended with {describe_status(status)}")
    return results


def from_junit(name, path, status):
    """pytest's own count. Status 5 is pytest's word for no test at all."""
    result = Result(name)
    try:
        suites = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        result.fail(f"pytest left no report and ended with {describe_status(status)}")
        return result
    for case in suites.iter("testcase"):
        title = f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("tests.")
        bad = [child for child in case if child.tag in ("failure", "error")]
        skip = case.find("skipped")
        if bad:
            result.fail(f"{title}: {(bad[0].get('message') or '').splitlines()[:1]}")
        elif skip is not None:
            result.skipped += 1
            result.skips.append(f"{title}: {skip.get('message', '')}")
        else:
            result.passed += 1
    if status != 0 and result.failed == 0:
        result.fail("ran no test" if status == 5 else f"ended with {describe_status(status)}")
    return result


def describe_status(status):
    if status == TIMEOUT:
        return "no end before its deadline"
    if status < 0:
        return f"signal {-status}"
    return f"status {status}"


TIMEOUT = 1000
