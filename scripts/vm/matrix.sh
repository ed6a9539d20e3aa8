#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the BPF and truth layers and databases under every backend on real kernels: `scripts/vm/matrix.sh [KERNEL...]`.
# Prints TAP with a `# section:` line before each part; truth's JSON: build/test-results/truth/KERNEL-BACKEND.json.
# Databases and TLS with DATABASES=yes alone. TRUTH_ARGS and BACKENDS narrow a run while developing. One processor for
# each VM: under emulation a second one costs more in wake-ups than it gives; the running kernel's layers have all of
# the host's.
# Truth watches the whole guest. Containers have a VM of their own, whose clock counts instructions.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Emulation is slow: `make test` takes some cases of each group, `make test-kernels-full` (TRUTH_CASES='*') all of them.
pick='keep-alive|connection-close|pipeline-10|segments|chunked|until-close|no-body|receive-recvmsg|send-writev|sendfile'
pick+='|prefork|brief-processes|open-before|half-body|server-closes|client-resets|half-close|loopback|proxy|noise'
pick="@($pick|two-lengths).@(tcp4|unix)"

# A disk, and a network that delays and loses.
devices=(--disk 64 --memory 2G)
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk sch_netem; do
    devices+=(--module $module)
done

# The newest server that is installed or unpacked: what it needs to make a cluster, and two of its clients.
postgres_files() {
    local folder version name
    # find fails where one of the folders is not there.
    folder=$({ find /usr/lib/postgresql build/tools/files/usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null ||
        true; } | sed 's|/bin/postgres$||' | awk -F/ '{ print $NF, $0 }' | sort -n | tail -n 1 | cut -d' ' -f2)
    [ -n "$folder" ] && [ -x "$folder/bin/pgbench" ] || return 0
    version=$(basename "$folder")
    for name in bin/postgres bin/initdb bin/psql bin/pgbench lib/pg_stat_statements.so lib/plpgsql.so \
        lib/dict_snowball.so; do
        files+=(--file "$folder/$name:usr/lib/postgresql/$version/$name")
    done
    files+=(--file "${folder%/lib/postgresql/*}/share/postgresql/$version:usr/share/postgresql/$version")
}

# cgroup v2, nothing of v1. Waits cost nothing there, and no other load on the host moves a figure. All cases with all
# of truth's: the last one makes 10,000 cgroups.
containers() {
    local kernel=$1 results=build/test-results/vm/$1-containers files=()
    local cases="cpu throttled memory oom short io fault swap netem sum" command result=0
    [ "${TRUTH_CASES:-}" != '*' ] || cases=""
    [ -x build/tests/e2e/container_truth ] || return 0
    for program in tc ip; do
        path=$(readlink -f "$(command -v $program)") && files+=(--file "$path:usr/sbin/$program")
    done
    command="build/tests/e2e/container_truth build/sonde --all --json /results/containers.json $cases"
    # Containers of runc and containerd on one kernel, to save time, or on all.
    if [ -z "$cases" ] || [ "$kernel" = 6.12 ] && path=$(readlink -f "$(command -v runc)"); then
        files+=(--file "$path:usr/sbin/runc" --file scripts/vm/runtimes.sh)
        for program in containerd containerd-shim-runc-v2 ctr; do
            path=$(readlink -f "$(command -v $program)") && files+=(--file "$path:usr/bin/$program")
        done
        command+="; status=\$?; sh scripts/vm/runtimes.sh && exit \$status"
    fi
    rm -rf "$results" "$results-v1"
    echo "# section: containers"
    scripts/vm/run.sh --kernel "$kernel" --results "$results" --timeout 600 --icount "${devices[@]}" "${files[@]}" \
        --file build/sonde --file build/tests/e2e/container_truth -- env TRUTH_DISK=/dev/vda sh -c "$command" ||
        result=$?
    # All of v1's controllers are there up to 6.1.
    [ -z "$cases" ] && [ "$kernel" = 6.1 ] || return $result
    echo "# section: containers of cgroup v1"
    scripts/vm/run.sh --kernel "$kernel" --results "$results-v1" --timeout 600 --icount "${devices[@]}" "${files[@]}" \
        --file build/sonde --file build/tests/e2e/container_truth --file scripts/vm/v1.sh -- \
        env TRUTH_DISK=/dev/vda sh scripts/vm/v1.sh build/tests/e2e/container_truth build/sonde --all \
        --json /results/v1-containers.json || result=$?
    return $result
}

status=0
for kernel in ${*:-5.10 6.1 6.12 newest}; do
    scripts/vm/fetch.sh "$kernel" >&2
    files=(--file build/sonde --file scripts/vm/guest.sh --file scripts/vm/database.sh --file scripts/vm/postgres.sh
        --file scripts/vm/tls.sh)
    if [ -n "${DATABASES:-}" ] && command -v openssl >/dev/null; then
        mkdir -p build/vm/tls
        [ -s build/vm/tls/certificate ] || openssl req -x509 -newkey rsa:2048 -nodes -keyout build/vm/tls/key \
            -out build/vm/tls/certificate -days 3650 -subj /CN=127.0.0.1 2>/dev/null
        files+=(--file build/vm/tls/key:tls/key --file build/vm/tls/certificate:tls/certificate)
    fi
    for program in build/tests/truth/truth build/tests/bpf/test_*; do
        [ ! -x "$program" ] || files+=(--file "$program")
    done
    for program in tc ip; do
        path=$(readlink -f "$(command -v $program)") && files+=(--file "$path:usr/sbin/$program")
    done
    for program in redis-server redis-benchmark redis-cli nginx curl; do
        path=$(PATH="$PWD/build/tools/bin:$PATH" command -v $program) || continue
        files+=(--file "$path:usr/bin/$program")
    done
    [ -z "${DATABASES:-}" ] || postgres_files
    results=build/test-results/vm/$kernel
    rm -rf "$results"
    scripts/vm/run.sh --kernel "$kernel" --results "$results" --timeout "${VM_TIMEOUT:-1700}" --cpus "${VM_CPUS:-1}" \
        "${devices[@]}" "${files[@]}" -- \
        env TRUTH_ARGS="${TRUTH_ARGS:---host-wide --scale 0.05 --slow 4}" \
        TRUTH_CASES="${TRUTH_CASES:-$pick}" DATABASES="${DATABASES:-}" \
        BACKENDS="${BACKENDS:-fentry kprobe tracepoint}" sh scripts/vm/guest.sh ||
        status=$?
    containers "$kernel" || status=$?
    mkdir -p build/test-results/truth
    for report in "$results"/*.json "$results-containers"/*.json "$results-containers-v1"/*.json; do
        [ ! -e "$report" ] || cp "$report" "build/test-results/truth/$kernel-$(basename "$report")"
    done
done
exit $status
