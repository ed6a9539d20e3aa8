# SPDX-License-Identifier: Apache-2.0
"""Every source file says its licence first, and every C file then says in a comment what it is for."""

import re

from . import source

BPF = "GPL-2.0-only OR BSD-2-Clause"
OTHER = "Apache-2.0"
LINE = re.compile(r"^(?:/\*|//|#|\.\\\"|<!--)\s*SPDX-License-Identifier: (.+?)\s*(?:\*/|-->)?$")


def check(root):
    problems = []
    for name in source.files(root):
        if not name.endswith((".c", ".h", ".py", ".sh", ".service")) and name not in ("Makefile", ".ci/run"):
            continue
        lines = source.read(root, name).splitlines()
        first = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
        match = LINE.match(first[0]) if first else None
        wanted = BPF if name.startswith("bpf/") else OTHER
        if not match:
            problems.append(f"{name}: the first line is not its SPDX line: {wanted}")
        elif match[1] != wanted:
            problems.append(f"{name}: licence is {match[1]}, {wanted} expected")
        if name.endswith((".c", ".h")) and not (len(lines) > 2 and lines[1].startswith("/*")):
            problems.append(f"{name}: no comment below the SPDX line says what the file is for")
    return problems


GOOD = {"user/a.c": "/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * Words.\n */\n",
        "bpf/a.h": "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n/*\n * Words.\n */\n",
        "scripts/a.sh": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"}
BAD = [
    {"user/a.c": "int a;\n"},
    {"user/a.c": "/* SPDX-License-Identifier: Apache-2.0 */\nint a;\nint b;\n"},
    {"bpf/a.h": "/* SPDX-License-Identifier: Apache-2.0 */\n/*\n * Words.\n */\n"},
    {"scripts/a.py": "import os\n"},
]
