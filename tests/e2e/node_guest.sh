#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In a test VM: node_exporter and sonde beside each other, and what both say, into /results:
# `node_guest.sh NODE_EXPORTER ROUNDS FLAG...`. What differs is for tests/e2e/test_node_vm.py to find.
program=$1 rounds=$2
shift 2

"$program" --web.listen-address=127.0.0.1:9101 "$@" >/results/node-exporter.log 2>&1 &
build/sonde run --backend=none --web.listen-address=127.0.0.1:9102 "$@" >/results/sonde.log 2>&1 &
fetch() { wget -q -O "$2" "http://127.0.0.1:$1/metrics"; }

tries=0
until fetch 9101 /dev/null && fetch 9102 /dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || exit 1
    sleep 0.1
done
round=0
while [ "$round" -lt "$rounds" ]; do
    fetch 9101 /results/before.$round && fetch 9102 /results/ours.$round && fetch 9101 /results/after.$round || exit 1
    round=$((round + 1))
done
