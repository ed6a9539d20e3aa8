#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building and testing need, by apt, only what is missing: `scripts/setup.sh build|test|vm...`.
# Silent when nothing is missing; one clear line when it cannot go on. Servers that tests start themselves are unpacked
# below build/tools instead of installed: running our tests gives no machine a running nginx or Prometheus.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$PWD/build/setup.log
tools=build/tools
node_exporter_version=v1.12.1
declare -A packages=(
    [build]="gcc make libc6-dev pkg-config clang libbpf-dev libelf-dev zlib1g-dev libisal-dev libmicrohttpd-dev
        libyaml-dev libpcre2-dev libjansson-dev libprotobuf-c-dev protobuf-c-compiler libcurl4-openssl-dev
        libsystemd-dev @bpftool"
    [test]="libcmocka-dev @clang-rt clang-format clang-tidy cppcheck python3 python3-pip python3-pytest curl wrk
        iproute2 git openssl libssl-dev nftables python3-psycopg2 python3-psycopg python3-asyncpg python3-redis runc
        containerd dbus-user-session"
    [vm]="qemu-system-x86 seabios xz-utils"
)
# From Python's package index, below build/tools/python: pinned, and nothing else comes with them.
declare -A wheels=(
    [build]=""
    [test]="opentelemetry-proto==1.27.0 protobuf==4.25.8 grpcio==1.62.3"
    [vm]=""
)
declare -A unpacked=(
    [build]=""
    [test]="nginx=/usr/sbin/nginx apache2-bin=/usr/sbin/apache2 prometheus=/usr/bin/promtool
        prometheus-node-exporter=/usr/bin/prometheus-node-exporter rt-tests=/usr/bin/hackbench
        redis-tools=/usr/bin/redis-benchmark redis-server=/usr/bin/redis-server @postgresql @postgresql-client
        pgbouncer=/usr/sbin/pgbouncer"
    [vm]="busybox-static=/bin/busybox"
)

fail() {
    echo "setup: $*" >&2
    exit 1
}

on_ubuntu() { grep -q '^ID=ubuntu' /etc/os-release; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

known() { [[ $(apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[!\(]* ]]; }

# Names that differ between releases.
real_names() {
    case $1 in
    @bpftool)
        if on_ubuntu; then echo linux-tools-common linux-tools-generic; else echo bpftool; fi
        ;;
    @clang-rt)
        # The sanitizers' run time is versioned like the compiler that the metapackage stands for.
        { dpkg-query -W -f ' Depends: ${Depends}\n' clang || apt-cache depends clang; } 2>/dev/null |
            sed -n 's/^ *Depends: .*clang-\([0-9]*\).*/libclang-rt-\1-dev/p' | sort -u
        ;;
    *) echo "$1" ;;
    esac
}

update_lists() {
    [ -z "${updated:-}" ] || return 0
    updated=yes
    echo "setup: updating the package lists"
    apt-get -qq update >>"$log" 2>&1 || true
}

# Packages with a version in their names: the one that the metapackage stands for.
postgresql_version() {
    apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

unpacked_items() {
    local item version
    version=$(postgresql_version)
    if [ -z "$version" ]; then
        update_lists >&2
        version=$(postgresql_version)
    fi
    for item in ${unpacked[$1]}; do
        case $item in
        @postgresql) echo "postgresql-$version=/usr/lib/postgresql/$version/bin/postgres" ;;
        @postgresql-client) echo "postgresql-client-$version=/usr/lib/postgresql/$version/bin/psql" ;;
        *) echo "$item" ;;
        esac
    done
}

# Runs apt-get; a failure before the lists were renewed is tried again after renewing them.
apt_do() {
    local what=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" \
        >>"$log" 2>&1 </dev/null && return 0
    if [ -z "${updated:-}" ]; then
        update_lists
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" \
            >>"$log" 2>&1 </dev/null && return 0
    fi
    if grep -qE 'Could not resolve|Failed to fetch|Unable to connect|Temporary failure' "$log"; then
        fail "$what: the package mirror cannot be reached; connect the network and run again (log: build/setup.log)"
    fi
    fail "$what: apt failed: $(grep -m 1 '^E:' "$log" || echo 'no reason given') (log: build/setup.log)"
}

collect_missing() {
    local profile name real
    missing=()
    for profile in "$@"; do
        for name in ${packages[$profile]}; do
            for real in $(real_names "$name"); do
                installed "$real" || missing+=("$real")
            done
        done
    done
}

have_unpacked() {
    local file=$1
    [ -x "$file" ] || command -v "$(basename "$file")" >/dev/null || [ -x "$tools/bin/$(basename "$file")" ] ||
        [ -x "$tools/files$file" ]
}

# busybox must be the static one: it is what a VM has before any library is there.
needs_unpacking() {
    local package=${1%%=*} file=${1#*=}
    if [ "$package" = busybox-static ]; then
        ! installed busybox-static && [ ! -x "$tools/bin/busybox" ]
    else
        ! have_unpacked "$file"
    fi
}

unpack() {
    local package=${1%%=*} file=${1#*=} work=$tools/.work.$$ found
    echo "setup: unpacking $package below $tools"
    rm -rf "$work"
    mkdir -p "$work" "$tools/files" "$tools/bin"
    known "$package" || update_lists
    (cd "$work" && apt_do "$package" download "$package")
    dpkg-deb -x "$work"/*.deb "$work/files"
    cp -a "$work/files/." "$tools/files/"
    # Every program of the package: some releases have them below /bin, some below /usr/bin. A link may lead to a
    # program of a package unpacked before.
    for found in "$work"/files/{,usr/}{bin,sbin}/*; do
        found=../files/${found#"$work/files/"}
        [ ! -f "$tools/bin/$found" ] || ln -sfn "$found" "$tools/bin/$(basename "$found")"
    done
    rm -rf "$work"
    [ -x "$tools/bin/$(basename "$file")" ] || [ -x "$tools/files$file" ] ||
        fail "package $package has no $(basename "$file")"
}

# Shared libraries that an unpacked program wants and the machine lacks, installed by the package's own dependencies.
unpacked_libraries() {
    local package=${1%%=*}
    apt-cache depends "$package" 2>/dev/null | sed -n '/: libjs-/d; s/^ *Depends: \(\(lib\|lua-\)[^ ]*\)$/\1/p'
}

# What is there says so in a file: the list of names that were asked for.
have_wheels() {
    [ -z "$1" ] || [ "$(cat "$tools/python/.wheels" 2>/dev/null)" = "$1" ]
}

install_wheels() {
    local names=$1 list=()
    read -ra list <<<"$names"
    echo "setup: fetching ${names} below $tools/python"
    rm -rf "$tools/python"
    mkdir -p "$tools/python"
    /usr/bin/python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action=ignore \
        --target "$tools/python" "${list[@]}" >>"$log" 2>&1 </dev/null ||
        fail "$names: pip failed (log: build/setup.log)"
    echo "$names" >"$tools/python/.wheels"
}

main() {
    local profile item real name wanted=("${@:-build}")
    for profile in "${wanted[@]}"; do
        [ -n "${packages[$profile]:-}" ] || fail "no profile $profile: build, test or vm"
    done
    command -v apt-get >/dev/null || fail "no apt-get here: install by hand what README.md lists under Requirements"

    collect_missing "${wanted[@]}"
    local to_unpack=()
    for profile in "${wanted[@]}"; do
        for item in $(unpacked_items "$profile"); do
            ! needs_unpacking "$item" || to_unpack+=("$item")
        done
    done
    local wheels_wanted=""
    for profile in "${wanted[@]}"; do
        have_wheels "${wheels[$profile]}" || wheels_wanted=${wheels[$profile]}
    done
    [ ${#missing[@]} -gt 0 ] || [ ${#to_unpack[@]} -gt 0 ] || [ -n "$wheels_wanted" ] || return 0

    [ "$(id -u)" = 0 ] || fail "not root, and missing: ${missing[*]} ${to_unpack[*]%%=*}: run \`sudo make setup\`"
    mkdir -p build
    : >"$log"
    # Without lists no name resolves, not even the compiler's version.
    if ! known clang; then
        update_lists
        known clang || fail "the package mirror cannot be reached: connect the network and run again"
        collect_missing "${wanted[@]}"
    fi
    for item in "${to_unpack[@]}"; do
        for real in $(unpacked_libraries "$item"); do
            installed "$real" || missing+=("$real")
        done
    done
    for name in "${missing[@]}"; do
        known "$name" || update_lists
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "setup: installing ${missing[*]}"
        apt_do "installing" install --no-install-recommends "${missing[@]}"
    fi
    for item in "${to_unpack[@]}"; do
        unpack "$item"
    done
    [ -z "$wheels_wanted" ] || install_wheels "$wheels_wanted"
}

# The current node_exporter, to compare with, where there is Go. Without it, or its modules, the test says that it was
# skipped; Debian's is compared with everywhere.
current_node_exporter() {
    local go
    go=$(command -v go || command -v /usr/local/go/bin/go) || return 0
    [ ! -x "$tools/bin/node_exporter" ] || return 0
    echo "setup: building node_exporter $node_exporter_version below $tools"
    mkdir -p "$tools/bin"
    GOFLAGS=-mod=mod GOBIN=$PWD/$tools/bin GOPATH=$PWD/$tools/go "$go" install \
        "github.com/prometheus/node_exporter@$node_exporter_version" >>"$log" 2>&1 </dev/null || true
    chmod -R u+w "$tools/go" 2>/dev/null || true
    rm -rf "$tools/go"
}

# OpenSSL 1.1 and programs that use it, of Debian 11. Without them its tests say that they were skipped.
old_openssl() {
    [ "$(dpkg --print-architecture)" = amd64 ] && ! on_ubuntu || return 0
    scripts/suite.sh bullseye "$tools/bullseye" libssl1.1 curl libcurl4 libldap-2.4-2 nginx-light nginx-common \
        python3.9-minimal libpython3.9-minimal libpython3.9-stdlib libffi7 libmpdec3 >>"$log" 2>&1 </dev/null || true
}

# Valkey, where this release has it, else from its backports. Without it its cases say that they were skipped.
valkey() {
    local name
    [ ! -x "$tools/bin/valkey-server" ] && ! command -v valkey-server >/dev/null || return 0
    [ "$(id -u)" = 0 ] || fail "not root, and missing: valkey-server: run \`sudo make setup\`"
    if ! known valkey-server; then
        # shellcheck source=scripts/suite.sh
        . scripts/suite.sh
        APT_CONFIG=$(private_apt "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports" "$(archive Debian)")
        export APT_CONFIG
        apt-get -qq update >>"$log" 2>&1 || true
        known valkey-server || return 0
    fi
    for name in valkey-tools=/usr/bin/valkey-cli valkey-server=/usr/bin/valkey-server; do
        unpack "$name"
    done
}

main "$@"
case " $* " in *" test "*) current_node_exporter && old_openssl && valkey ;; esac
