#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a VM whose clock counts instructions: hackbench and a saturated nginx with the usage programs attached for the
# whole guest and not, in turns, and what a switch costs. Prints a line for each run:
# LOAD off|on INSTRUCTIONS OF-WHAT CONTEXT-SWITCHES
# and for each program how often it ran in a round of everything, and the instructions of a run: program NAME RUNS EACH

cost=build/tests/bench/usage_cost
group=/sys/fs/cgroup/bench
port=8080
mkdir -p $group
echo "+cpu +memory +io" >/sys/fs/cgroup/cgroup.subtree_control
export ALL=1

switches() {
    sed -n 's/^ctxt //p' /proc/stat
}

with_programs() {
    rm -f /tmp/hold /tmp/ready
    mkfifo /tmp/hold
    $cost $group hold </tmp/hold >/tmp/ready 2>/tmp/missing &
    holder=$!
    exec 3>/tmp/hold
    until grep -q ready /tmp/ready 2>/dev/null; do
        kill -0 $holder || exit 1
        sleep 0.1
    done
    sed 's/^/# /' /tmp/missing
}

without_programs() {
    exec 3>&-
    wait $holder
}

# In microseconds of a clock of one instruction a nanosecond: thousands of instructions.
hackbench_once() {
    before=$(switches)
    time=$(hackbench -g 2 -l "${LOOPS:-300}" | sed -n 's/^Time: //p')
    echo "hackbench $1 $(echo "$time" | awk '{ printf "%.0f", $1 * 1e9 }') run $(($(switches) - before))"
}

nginx_once() {
    before=$(switches)
    rate=$(wrk -t1 -c32 -d"${SECONDS_EACH:-1}" http://127.0.0.1:$port/ | awk '
        /^Requests.sec/ { rate = $2 }
        /requests in/ { requests = $1 }
        END { printf "%s %s", rate, requests }')
    echo "nginx $1 $(echo "$rate" | awk '{ printf "%.1f", 1e9 / $1 }') request" \
        "$(echo "$rate $(($(switches) - before))" | awk '{ printf "%.3f", $3 / $2 }')"
}

(
    echo 0 >$group/cgroup.procs
    exec nginx -c /host/build/vm/nginx.conf
) &
sleep 5 # a kernel that has just started still works for itself
for load in hackbench nginx; do
    ${load}_once warm >/dev/null
    for _ in $(seq "${PAIRS:-2}"); do
        ${load}_once off
        with_programs
        ${load}_once on
        without_programs
    done
done
# Switches; connections, one for each request; requests to a disk; a cgroup at its limit, whose pages are taken back.
everything() {
    hackbench -g 1 -l 100 >/dev/null
    wrk -t1 -c8 -d1 -H "Connection: close" http://127.0.0.1:$port/ >/dev/null
    [ -b /dev/vda ] || return 0
    dd if=/dev/vda of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null
    mkdir -p $group-limited
    echo 16777216 >$group-limited/memory.max
    (
        echo 0 >$group-limited/cgroup.procs
        exec dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null
    )
}

export STATS=1
with_programs
everything
without_programs
grep ^program /tmp/ready
unset STATS
echo "switch $($cost $group 3 10000)"
