# SPDX-License-Identifier: Apache-2.0
"""Files of at most 600 lines, functions of at most 80, lines of at most 120 columns. No exceptions."""

import ast

from . import source

FILE_LINES = 600
FUNCTION_LINES = 80
COLUMNS = 120


def check(root):
    problems = []
    for name in source.files(root):
        if not name.endswith((".c", ".h", ".py", ".sh")) and name != "Makefile":
            continue
        text = source.read(root, name)
        lines = text.splitlines()
        if len(lines) > FILE_LINES:
            problems.append(f"{name}: {len(lines)} lines, {FILE_LINES} at most")
        for number, line in enumerate(lines, 1):
            if len(line.expandtabs(8)) > COLUMNS:
                problems.append(f"{name}:{number}: {len(line.expandtabs(8))} columns, {COLUMNS} at most")
        for title, first, last in bodies(name, text):
            if last - first + 1 > FUNCTION_LINES:
                problems.append(f"{name}:{first}: {title} has {last - first + 1} lines, {FUNCTION_LINES} at most")
    return problems


def bodies(name, text):
    if name.endswith((".c", ".h")):
        return source.functions(text)
    if name.endswith(".py"):
        return [(node.name, node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return []


def body(lines):
    return "static int f(int a)\n{\n" + "\ta++;\n" * (lines - 3) + "}\n"


GOOD = {"user/a.c": body(80) + "struct s {\n" + "\tint x;\n" * 100 + "};\n" + body(10)}
BAD = [
    {"user/a.c": body(81)},
    {"user/a.c": "int a;\n" * 601},
    {"user/a.c": "\t" * 15 + "x\n"},
    {"bpf/a.c": 'SEC("x") int BPF_PROG(f, int a)\n{\n' + "\n" * 90 + "}\n"},
    {"scripts/a.py": "def f():\n" + "    x = 1\n" * 80},
]
