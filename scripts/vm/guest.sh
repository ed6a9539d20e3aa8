#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a VM of the matrix runs: the BPF tests, then truth under each backend. Ends with the first status that was not 0.

status=0
note() {
    [ "$1" = 0 ] || status=$1
}

export CMOCKA_MESSAGE_OUTPUT=TAP
for program in build/tests/bpf/test_*; do
    [ -x "$program" ] || continue
    echo "# section: bpf $(basename "$program")"
    "$program" 2>&1
    note $?
done
for backend in $BACKENDS; do
    [ -x build/tests/truth/truth ] || continue
    echo "# section: truth $backend"
    # shellcheck disable=SC2086
    build/tests/truth/truth --sonde build/sonde --backend "$backend" --json "/results/$backend.json" $TRUTH_ARGS 2>&1
    note $?
done
exit $status
