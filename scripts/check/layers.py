# SPDX-License-Identifier: Apache-2.0
"""Each folder includes only what the table of docs/ARCHITECTURE.md lets it. The check reads the table itself."""

import re

from . import source

FOLDERS = ("bpf", "base", "model", "config", "stream", "proto", "aggregate", "trace", "symbol", "identity", "host",
           "container", "load", "exporters")

# Which folder wraps which library. A header of neither the project, libc nor this table is refused.
LIBRARIES = {
    "yaml.h": ("config",),
    "microhttpd.h": ("exporters",),
    "zlib.h": ("exporters",),
    "isa-l/": ("exporters",),
    "pcre2.h": ("config", "host"),
    "systemd/": ("host",),
    "curl/": ("exporters",),
    "protobuf-c/": ("exporters",),
    "otlp.pb-c.h": ("exporters",),
    "gnutls/": ("exporters",),
    "yyjson.h": ("exporters", "identity", "container"),
    "jansson.h": ("exporters", "identity", "container"),
    "libelf.h": ("symbol",),
    "gelf.h": ("symbol",),
    "elfutils/": ("symbol",),
    "dwarf.h": ("symbol",),
    "bpf/libbpf.h": ("load",),
    "bpf/libbpf_version.h": ("load",),
    "bpf/bpf.h": ("load",),
    "bpf/btf.h": ("load",),
    "bpf/bpf_helpers.h": ("bpf",),
    "bpf/bpf_core_read.h": ("bpf",),
    "bpf/bpf_tracing.h": ("bpf",),
    "bpf/bpf_endian.h": ("bpf",),
    "vmlinux.h": ("bpf",),
    "version.h": ("agent",),
}
LIBC = re.compile(r"^(?:sys|linux|net|netinet|arpa|asm)/[\w.-]+\.h$|^(?:assert|ctype|dirent|elf|endian|errno|fcntl|"
                  r"dlfcn|float|fnmatch|getopt|glob|grp|ifaddrs|inttypes|libgen|limits|link|locale|malloc|math|mntent|"
                  r"netdb|paths|poll|pthread|pwd|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|"
                  r"stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|termios|threads|time|"
                  r"uchar|ucontext|unistd|utime|wchar|wctype)\.h$")
INCLUDE = re.compile(r"^\s*#\s*include\s*[\"<]([^\">]+)[\">]", re.MULTILINE)
ROW = re.compile(r"^\|([^|]+)\|([^|]+)\|\s*$", re.MULTILINE)


def table(text):
    """folder -> set of folders, headers and keywords, from the rows below `| folder | may include |`."""
    allowed = {}
    begin = text.find("| folder | may include |")
    if begin < 0:
        return allowed
    for row in ROW.finditer(text[begin:].split("\n\n")[0]):
        folders = [word for word in re.findall(r"\w+", row[1]) if word in FOLDERS or word in ("agent", "main")]
        also = re.findall(r"\((\w+) also ([^)]*)\)", row[2])
        words = set(re.findall(r"[\w./]+", re.sub(r"\([^)]*\)", "", row[2])))
        for folder in folders:
            extra = {word for owner, more in also if owner == folder for word in re.findall(r"[\w./]+", more)}
            allowed[folder] = words | extra | {folder}
    return allowed


def folder_of(name):
    parts = name.split("/")
    if parts[0] == "user":
        return parts[1] if len(parts) > 2 else "agent"
    return parts[0]


def allows(folder, header, rule):
    """Whether a file of `folder` may include `header`."""
    if "everything" in rule:
        return True
    for library, owners in LIBRARIES.items():
        if header == library or (library.endswith("/") and header.startswith(library)):
            return folder in owners
    if LIBC.match(header):
        return True
    if header in rule:
        return True
    if header.startswith("exporters/"):
        return folder == "exporters"
    if header.endswith(".skel.h"):
        return "skeletons" in rule
    if folder == "bpf":
        return "/" not in header or header == "bpf/events.h"
    top = header.split("/")[0]
    return "/" in header and top in FOLDERS and top in rule and top != "bpf"


def exporter_strays(name, header):
    """An exporter knows the contract and what exporters share, not its sisters."""
    own = name.split("/")[1]
    if not name.startswith("exporters/") or not header.startswith("exporters/") or own == header.split("/")[1]:
        return False
    return header != "exporters/exporter.h" and not header.startswith("exporters/common/")


def check(root):
    problems = []
    rules = table(source.read(root, "docs/ARCHITECTURE.md")) if "docs/ARCHITECTURE.md" in source.files(root) else {}
    if not rules:
        return ["docs/ARCHITECTURE.md has no table `| folder | may include |`"]
    for name in source.c_files(root):
        headers = INCLUDE.findall(source.read(root, name))
        if name.startswith("tests/truth/"):
            problems += [f"{name} includes {header}: the witness shares no code with sonde"
                         for header in headers if not LIBC.match(header) and not own_header(root, name, header)]
        elif not name.startswith("tests/"):
            problems += strays(name, headers, rules)
    return problems


def strays(name, headers, rules):
    folder = folder_of(name)
    if folder not in rules:
        return [f"{name}: folder {folder} is not in the table of docs/ARCHITECTURE.md"]
    return [f"{name} may not include {header}: see the table in docs/ARCHITECTURE.md" for header in headers
            if not allows(folder, header, rules[folder]) or exporter_strays(name, header)]


def own_header(root, name, header):
    folder = name.rsplit("/", 1)[0]
    return f"{folder}/{header}" in source.files(root)


GOOD = {
    "docs/ARCHITECTURE.md": "| folder | may include |\n| --- | --- |\n| base, model | libc |\n"
                            "| stream, proto | base, model (stream also proto) |\n| agent, main | everything |\n",
    "user/base/a.c": '#include <stdio.h>\n#include "base/a.h"\n',
    "user/stream/b.c": '#include "proto/proto.h"\n#include "model/segment.h"\n',
    "user/main.c": '#include "stream/stream.h"\n',
}
BAD = [
    {**GOOD, "user/base/a.c": '#include "proto/proto.h"\n'},
    {**GOOD, "user/proto/c.c": '#include "stream/stream.h"\n'},
    {**GOOD, "user/proto/c.c": "#include <yaml.h>\n"},
    {**GOOD, "user/unheard/c.c": "#include <stdio.h>\n"},
    {**GOOD, "tests/truth/t.c": '#include "model/exchange.h"\n'},
    {"user/base/a.c": "#include <stdio.h>\n"},
]
