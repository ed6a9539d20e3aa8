# SPDX-License-Identifier: Apache-2.0
"""The checks that other programs do: clang-format, the linker's symbol tables, cppcheck and clang-tidy."""

import concurrent.futures
import hashlib
import os
import re
import subprocess

from . import source

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(PROJECT, "build")


def run(command, cwd):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, errors="replace")
    except FileNotFoundError:
        return 127, f"{command[0]} is missing: run `sudo make setup`"
    return done.returncode, done.stdout + done.stderr


def first_lines(output, pattern):
    """What matters of a tool's output, one line per finding; all of it if nothing is recognised."""
    found = list(dict.fromkeys(line for line in output.splitlines() if re.search(pattern, line)))
    return found or output.strip().splitlines() or ["failed and said nothing"]


class Format:
    """clang-format changes nothing."""

    GOOD = {"user/a.c": "int f(int *a)\n{\n\treturn *a;\n}\n"}
    BAD = [{"user/a.c": "int f(int* a) {\n    return *a;\n}\n"}]

    @staticmethod
    def check(root):
        names = source.c_files(root)
        style = "--style=file:" + os.path.join(PROJECT, ".clang-format")
        status, output = run(["clang-format", "--dry-run", "-Werror", style, *names], root)
        if status == 0:
            return []
        return sorted({line.split(": error")[0] + ": not formatted, run `make format`" if ": error" in line else line
                       for line in first_lines(output, r"error:|missing")})


class Symbols:
    """No writable data but the log's, and nothing exported: read from what the compiler wrote."""

    GOOD = {"a.c": "static const char *const names[] = { \"a\" };\nconst char *f(int i);\n"
                   "const char *f(int i)\n{\n\treturn names[i];\n}\n"}
    BAD = [{"a.c": "static int calls;\nint f(void);\nint f(void)\n{\n\treturn calls++;\n}\n"},
           {"a.c": "int f(void);\nint f(void)\n{\n\tstatic char *last = \"x\";\n\treturn *last++;\n}\n"}]
    WRITABLE = re.compile(r"^\S+ .{7} (\.(?:data|bss|tbss|tdata)(?!\.rel\.ro)\S*)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$")

    @classmethod
    def check(cls, root):
        if os.path.exists(os.path.join(root, "a.c")):
            archive = os.path.join(root, "a.o")
            run(["gcc", "-O2", "-fPIE", "-fdata-sections", "-c", "-o", archive, "a.c"], root)
            return cls.writable(archive)
        problems = cls.writable(os.path.join(BUILD, "obj", "libsonde.a"))
        _, output = run(["nm", "-D", "--defined-only", os.path.join(BUILD, "sonde")], root)
        problems += [f"sonde exports {line.split()[-1]}" for line in output.splitlines()
                     if len(line.split()) == 3 and line.split()[1] in "TDRB" and "@" not in line]
        return problems

    @classmethod
    def writable(cls, archive):
        status, output = run(["objdump", "-t", archive], PROJECT)
        if status != 0:
            return [f"cannot read {archive}: run `make`"]
        problems, member = [], ""
        for line in output.splitlines():
            title = re.match(r"^(\S+):\s+file format", line)
            member = title[1] if title else member
            symbol = cls.WRITABLE.match(line)
            if not symbol or int(symbol[2], 16) == 0 or symbol[3].startswith(".") or member == "log.o":
                continue
            problems.append(f"{member}: {symbol[3]} can be written: context is a parameter, only log.o keeps a level")
        return problems


class Cppcheck:
    """Warnings, performance and portability; leaks are left to ASan, which knows the cleanup attribute."""

    GOOD = {"user/a.c": "int f(const int *a);\nint f(const int *a)\n{\n\treturn *a;\n}\n"}
    BAD = [{"user/a.c": "int f(void);\nint f(void)\n{\n\tint a[2] = {0};\n\treturn a[2];\n}\n"}]

    @staticmethod
    def check(root):
        names = [name for name in source.c_files(root) if name.startswith(("user/", "exporters/"))]
        cache = os.path.join(root, "build", "cppcheck")
        os.makedirs(cache, exist_ok=True)
        status, output = run(["cppcheck", "--quiet", "--std=c11", "--enable=warning,performance,portability",
                              "--error-exitcode=1", f"--cppcheck-build-dir={cache}", f"-j{os.cpu_count() or 1}",
                              "--suppress=memleak", "--suppress=preprocessorErrorDirective", "-Iuser", "-I.",
                              "-D_GNU_SOURCE", "-D__x86_64__", "-D__OPTIMIZE__",
                              "-DLIBBPF_OPTS(type,name,...)=struct type name",
                              "--template={file}:{line}: {message} [{id}]",
                              *[name for name in names if name.endswith(".c")]], root)
        return [] if status == 0 else first_lines(output, r"\[\w+\]$|missing")


class Tidy:
    """clang-tidy by .clang-tidy, on what changed since it last found nothing."""

    GOOD = {"user/a.c": "int f(const int *a);\nint f(const int *a)\n{\n\treturn a ? *a : 0;\n}\n"}
    BAD = [{"user/a.c": "int f(int *a);\nint f(int *a)\n{\n\tint *b = 0;\n\treturn *b + *a;\n}\n"}]

    @classmethod
    def check(cls, root):
        names = [name for name in source.c_files(root) if re.match(r"(user|exporters)/.*\.c$", name)]
        config = os.path.join(PROJECT, ".clang-tidy")
        shared = hashlib.sha256()
        for path in [config, __file__]:
            with open(path, "rb") as file:
                shared.update(file.read())
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = pool.map(lambda name: cls.one(root, name, config, shared.copy()), names)
            # A finding in a header is found once for each file that includes it.
            return list(dict.fromkeys(problem for problems in found for problem in problems))

    INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)

    @classmethod
    def included(cls, root, name):
        """The file and all of the project that it includes, directly or not, as paths below root."""
        found, todo = [], [name]
        while todo:
            at = todo.pop()
            if at in found:
                continue
            found.append(at)
            for text in cls.INCLUDE.findall(source.read(root, at)):
                places = [os.path.join(folder, text) for folder in (os.path.dirname(at), "user", "", "build")]
                todo += [place for place in places if os.path.isfile(os.path.join(root, place))][:1]
        return found

    @classmethod
    def one(cls, root, name, config, digest):
        for path in sorted(cls.included(root, name)):
            digest.update(source.read(root, path).encode())
        clean = os.path.join(root, "build", "clang-tidy", digest.hexdigest())
        if os.path.exists(clean):
            return []
        command = ["clang-tidy", "--quiet", f"--config-file={config}", name, "--", "-std=gnu17", "-D_GNU_SOURCE",
                   "-Iuser", "-I.", f"-I{BUILD}"]
        status, output = run(command, root)
        if status != 0:
            return first_lines(output, r"(error|warning): |missing")
        os.makedirs(os.path.dirname(clean), exist_ok=True)
        with open(clean, "w", encoding="utf-8"):
            return []
