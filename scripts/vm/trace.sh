#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Parents under every backend on real kernels: `scripts/vm/trace.sh [KERNEL...]`. A Go server and Redis in a VM; their
# spans are judged here, against what the server wrote down. BACKENDS narrows a run.
set -euo pipefail
cd "$(dirname "$0")/../.."

go=$(command -v go || command -v /usr/local/go/bin/go) || { echo "trace: no Go toolchain here" >&2; exit 1; }
redis=$(PATH="$PWD/build/tools/bin:$PATH" command -v redis-server) || { echo "trace: no Redis here" >&2; exit 1; }
backends=${BACKENDS:-fentry kprobe tracepoint}
mkdir -p build/vm/trace
(cd tests/vm && CGO_ENABLED=0 "$go" build -o ../../build/vm/trace/chain .)
status=0
for kernel in ${*:-6.1}; do
    scripts/vm/fetch.sh "$kernel" >&2
    results=build/test-results/vm/trace-$kernel
    rm -rf "$results"
    scripts/vm/run.sh --kernel "$kernel" --results "$results" --timeout 280 --cpus 1 --memory 2G \
        --file build/sonde:host/sonde --file build/vm/trace/chain:host/chain --file tests/vm/guest.sh:host/guest.sh \
        --file "$redis:usr/bin/redis-server" -- env BACKENDS="$backends" sh guest.sh
    # shellcheck disable=SC2086
    tests/vm/judge.py "$results" $backends || status=$?
done
exit $status
