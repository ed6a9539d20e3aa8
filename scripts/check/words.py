# SPDX-License-Identifier: Apache-2.0
"""Functions that are not to be called, levels that are not to be logged at, words that are not to be committed."""

import re

from . import source

FORBIDDEN = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strncpy|strtok|atoi|atol|atof|gets|alloca|system)"
                       r"\s*\(")
# Wrapped by user/base/number.h, which tests that share no code with sonde cannot use.
WRAPPED = re.compile(r"(?<![\w.>])(strtol|strtoll|strtoul|strtoull)\s*\(")
LOUD = re.compile(r"\blog_(info|warn|error)\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

# Where this was developed is nobody's business, and registries are named by the machine's own settings. The words are
# put together here so that this file does not hold them.
PLACES = [re.compile(pattern) for pattern in (
    r"(?<![\w.])/" + r"work/", r"\.libr" + r"ary/", r"/ro" + r"ot/", r"(?<![\w.])/ho" + r"me/\w+/", r"bash_" + r"jobs")]
REGISTRIES = re.compile("|".join(("deb\\.debian\\." + "org", "security\\.debian\\." + "org",
                                  "snapshot\\.debian\\." + "org", "archive\\.ubuntu\\." + "com",
                                  "ports\\.ubuntu\\." + "com", "pypi\\." + "org",
                                  "pythonhosted\\." + "org", "registry\\.npmjs\\." + "org", "proxy\\.golang\\." + "org",
                                  "crates\\." + "io/", "repo1?\\.maven\\." + "org", "nodesource\\." + "com")))


def lines_with(pattern, text):
    return [(number, match.group(0)) for number, line in enumerate(text.splitlines(), 1)
            for match in [pattern.search(line)] if match]


def check(root):
    problems = []
    for name in source.c_files(root):
        text = source.read(root, name)
        plain = source.code(text)
        problems += [f"{name}:{line}: {word}...) is not to be used" for line, word in lines_with(FORBIDDEN, plain)]
        if name.startswith(("user/", "exporters/")) and not name.startswith("user/base/"):
            problems += [f"{name}:{line}: {word}...) is not to be used: see base/number.h" for line, word in
                         lines_with(WRAPPED, plain)]
        if name.startswith(("user/", "exporters/")) and not may_log(name):
            problems += [f"{name}:{line}: {word}...): only main.c and agent*.c log above debug" for line, word in
                         lines_with(LOUD, plain)]
        problems += [f"{name}:{line}: {word} is work left undone" for line, word in lines_with(UNFINISHED, text)]
    for name in source.files(root):
        text = source.read(root, name)
        for pattern in PLACES:
            problems += [f"{name}:{line}: {word} is a path of one machine" for line, word in lines_with(pattern, text)]
        problems += [f"{name}:{line}: {word} is a registry's address" for line, word in lines_with(REGISTRIES, text)]
    return problems


def may_log(name):
    return name == "user/main.c" or name.startswith(("user/agent", "user/base/log."))


GOOD = {"user/a.c": '/* strcpy(a, b) in a comment */ const char *s = "sprintf(x)"; int x = my_atoi(s); s.system(1);\n',
        "user/agent.c": 'log_info("x");\n', "docs/a.md": "see the workflow and /proc/self\n"}
BAD = [
    {"user/a.c": "strcpy(a, b);\n"},
    {"tests/a.c": "x = atoi(s);\n"},
    {"user/a.c": "x = strtoul(s, NULL, 0);\n"},
    {"user/proto/a.c": 'log_warn("x");\n'},
    {"user/a.c": "/* TO" + "DO: later */\n"},
    {"docs/a.md": "in /wo" + "rk/main\n"},
    {"README.md": "https://pypi." + "org/x\n"},
]
