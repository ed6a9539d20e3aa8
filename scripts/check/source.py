# SPDX-License-Identifier: Apache-2.0
"""What the checks know about a source tree: its files, and C without comments, strings and preprocessor lines."""

import os
import re
import subprocess

C_FOLDERS = ("user", "exporters", "bpf", "tests")


def files(root):
    """Every file of the project, committed or not, by its path from the root; what git ignores is not the project's."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [os.path.relpath(os.path.join(folder, name), root) for folder, _, found in os.walk(root)
                 for name in found]
        names = [name for name in names if not name.startswith(("build/", ".git/"))]
    return sorted({name for name in names if os.path.isfile(os.path.join(root, name))})


def c_files(root):
    return [name for name in files(root) if name.endswith((".c", ".h")) and name.split("/")[0] in C_FOLDERS]


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as text:
        return text.read()


TOKENS = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def blank(match):
    """Spaces in place of what is taken out, so that lines and columns stay."""
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


def code(text):
    """C with comments and the contents of strings blanked."""
    return TOKENS.sub(blank, text)


def without_preprocessor(text):
    """Blanks # lines with their continuations: braces in macros do not open functions."""
    lines, inside = [], False
    for line in text.split("\n"):
        directive = inside or line.lstrip().startswith("#")
        inside = directive and line.endswith("\\")
        lines.append("" if directive else line)
    return "\n".join(lines)


def functions(text):
    """(name, first line, last line) of every function body at the outermost level, lines counted from 1."""
    found = []
    plain = without_preprocessor(code(text))
    depth, line, start, since = 0, 1, None, 0
    for position, char in enumerate(plain):
        if char == "\n":
            line += 1
        elif char == "{":
            if depth == 0:
                head = plain[since:position].strip()
                first = line - plain[since:position].lstrip().count("\n")
                start = (function_name(head), first) if head.endswith(")") else None
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if start:
                    found.append((start[0], start[1], line))
                start, since = None, position + 1
        elif char == ";" and depth == 0:
            since = position + 1
    return found


def function_name(head):
    macro = re.search(r"\b(?:BPF_\w+)\s*\(\s*(\w+)", head)
    if macro:
        return macro[1]
    name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)|SEC\s*\([^)]*\)", "", head))
    return name[1] if name else head[:40]
