#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a VM whose clock counts instructions: the ping-pong alone, then under the agent with each backend, for both
# selections: the server's cgroup, and everything (then each exchange is seen twice, by server and by client).
# Prints one line for each: BACKEND SELECTION INSTRUCTIONS-PER-REQUEST COUNTED EXPECTED LOST AGENT-INSTRUCTIONS WHY

# The agent takes SONDE_* variables for flags.
unset SONDE_VM
port=9111
rounds=${ROUNDS:-1000}
mkdir -p /sys/fs/cgroup/bench

metric() {
    wget -q -O - "http://127.0.0.1:$port/metrics" | awk -v name="$1" -v pattern="${2:-}" \
        'index($0, name) == 1 && $0 ~ pattern { sum += $NF } END { printf "%d", sum }'
}

# Why events were lost or streams fell out of step: REASON=COUNT,...
reasons() {
    wget -q -O - "http://127.0.0.1:$port/metrics" |
        awk -F '[ "]' '/^sonde_(events_lost|stream_out_of_step)_total/ && $NF > 0 { printf "%s=%d,", $2, $NF }'
}

pingpong() {
    build/tests/bench/pingpong -c 16 -n "$rounds" -w 100 -g /sys/fs/cgroup/bench
}

field() {
    sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p"
}

# The agent's own timers go on for a while after the last request.
settled() {
    last=-1
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        now=$(metric http_server_request_duration_seconds_count)
        [ "$now" != "$last" ] || break
        last=$now
        sleep 0.2
    done
}

with_agent() {
    backend=$1 selection=$2
    shift 2
    build/sonde --backend="$backend" --web.listen-address=127.0.0.1:$port --log.level=error "$@" >/tmp/sonde.log 2>&1 &
    agent=$!
    tries=0
    until wget -q -O /dev/null "http://127.0.0.1:$port/-/ready" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 $agent 2>/dev/null; then
            echo "$backend $selection failed: $(head -n 1 /tmp/sonde.log)"
            kill $agent 2>/dev/null
            wait $agent 2>/dev/null
            return
        fi
        sleep 0.1
    done
    before=$(cut -d ' ' -f 1 /proc/$agent/schedstat)
    result=$(pingpong)
    after=$(cut -d ' ' -f 1 /proc/$agent/schedstat)
    settled
    echo "$backend $selection $(echo "$result" | field ns_per_request)" \
        "$(metric http_server_request_duration_seconds_count 'service_name="pingpong"')" \
        "$(echo "$result" | field requests) $(metric sonde_events_lost_total) $((after - before)) $(reasons)"
    kill $agent
    wait $agent 2>/dev/null
}

# A kernel that has just started still works for itself, and trims its clock.
sleep 5
for _ in 1 2; do
    echo "off - $(pingpong | field ns_per_request) - - -"
done
[ -x build/sonde ] || exit 0
for backend in ${BACKENDS:-tracepoint fentry kprobe}; do
    with_agent "$backend" server --select.cgroup=/sys/fs/cgroup/bench
    with_agent "$backend" both
done
exit 0
