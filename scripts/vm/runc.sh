#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Real containers on cgroup v2, in a VM of the matrix: runc starts them from a local root file system, sonde over all of
# the guest must name them and tell what they used, by the cgroup's own account. Prints TAP; /results/runc.json is for
# scripts/truth-table.py.

agent=127.0.0.1:9464
folder=/tmp/runc
number=0 failed=0

# NAME pass|fail DETAIL
row() {
    number=$((number + 1))
    not=""
    [ "$2" = pass ] || not="not " failed=1
    echo "# $3"
    echo "${not}ok $number - $1 (v2)"
    [ $number = 1 ] || echo , >>/results/runc.json
    printf '{"case": "%s", "result": "%s", "detail": "%s", "cgroups": "v2", "kernel": "%s"}' "$1" "$2" "$3" \
        "$(uname -r)" >>/results/runc.json
}

# FAMILY NAME: its value for the container of that name, the sum where there are several.
told() {
    wget -q -O - "http://$agent/metrics" | awk -v family="$1{" -v name="name=\"$2\"" '
        index($0, family) == 1 && index($0, name) { sum += $NF; found = 1 }
        END { if (found) printf "%.6f", sum; else printf "none" }'
}

# NAME SCRIPT: a bundle that runs it.
bundle() {
    mkdir -p "$folder/$1/rootfs/bin"
    cp /bin/busybox "$folder/$1/rootfs/bin/"
    (
        cd "$folder/$1" || exit 1
        runc spec
        sed -i -e 's|"terminal": true|"terminal": false|' -e "s|\"cgroupsPath\": \"[^\"]*\",||" \
            -e "s|\"sh\"|\"/bin/busybox\", \"sh\", \"-c\", \"$2\"|" \
            -e "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/containers/$1\",|" config.json
    )
}

# NAME OPTION...: the root of an initramfs cannot be pivoted away from.
start() {
    name=$1
    shift
    (cd "$folder/$name" && runc run --no-pivot "$@" "$name" </dev/null >"$folder/$name.log" 2>&1)
}

# VALUE EXPECTED SLACK
near() {
    echo "$1 $2 $3" | awk '{
        difference = $1 - $2
        print($1 != "none" && difference <= $3 && difference >= -$3 ? "pass" : "fail")
    }'
}

echo "[" >/results/runc.json
mkdir -p /sys/fs/cgroup/containers
echo "+cpu +memory +pids +io" >/sys/fs/cgroup/cgroup.subtree_control
build/sonde run --backend=tracepoint --no-capture.tls --web.listen-address=$agent --log.level=warn &
sonde=$!
until wget -q -O /dev/null http://$agent/health/ready 2>/dev/null; do
    kill -0 $sonde || exit 1
    sleep 0.1
done
bundle web.1 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; /bin/busybox sleep 60'
bundle brief 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'
start web.1 -d || cat "$folder/web.1.log"
sleep 3
account=$(sed -n 's/^usage_usec //p' /sys/fs/cgroup/containers/web.1/cpu.stat | awk '{ printf "%.6f", $1 / 1e6 }')
cpu=$(told container_cpu_usage_seconds_total web.1)
row "a container of runc: its name and CPU time" "$(near "$cpu" "$account" 0.000001)" \
    "the cgroup says $account s, sonde $cpu"
processes=$(told container_processes web.1)
row "a container of runc: its processes" "$(near "$processes" 1 0)" "1 process, sonde: $processes"
start brief || cat "$folder/brief.log"
cpu=$(told container_cpu_usage_seconds_total brief)
row "a container of runc, gone before any scrape: its name and CPU time" "$(near "$cpu" "$account" 0.05)" \
    "the one that did the same used $account s, sonde $cpu"
runc kill web.1 KILL
kill $sonde
wait $sonde
echo "]" >>/results/runc.json
echo "1..$number"
exit $failed
