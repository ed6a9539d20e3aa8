#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Real containers on cgroup v2, in a VM of the matrix: runc starts them from a local root file system, containerd (where
# it is in the VM) from an image made of one. sonde over all of the guest must name them and tell what they used, by the
# cgroup's own account. Prints TAP; /results/runtimes.json is for scripts/truth-table.py.

agent=127.0.0.1:9464
folder=/tmp/runtimes
tree=/sys/fs/cgroup
brief='i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'
work="$brief; /bin/busybox sleep 60"
number=0 failed=0

# NAME pass|fail DETAIL
row() {
    number=$((number + 1))
    not=""
    [ "$2" = pass ] || not="not " failed=1
    echo "# $3"
    echo "${not}ok $number - $1 (v2)"
    [ $number = 1 ] || echo , >>/results/runtimes.json
    printf '{"case": "%s", "result": "%s", "detail": "%s", "cgroups": "v2", "kernel": "%s"}' "$1" "$2" "$3" \
        "$(uname -r)" >>/results/runtimes.json
}

# FAMILY CGROUP NAME: its value for the container of that cgroup and name.
told() {
    wget -q -O - "http://$agent/metrics" | awk -v begin="$1{id=\"$2\"" -v name=",name=\"$3\"" '
        index($0, begin) == 1 && index($0, name) { value = $NF; found++ }
        END { if (found == 1) printf "%.6f", value; else printf "none" }'
}

# CGROUP
account() {
    sed -n 's/^usage_usec //p' "$tree$1/cpu.stat" | awk '{ printf "%.6f", $1 / 1e6 }'
}

# VALUE EXPECTED SLACK
near() {
    echo "$1 $2 $3" | awk '{
        difference = $1 - $2
        print($1 != "none" && difference <= $3 && difference >= -$3 ? "pass" : "fail")
    }'
}

# RUNTIME CGROUP NAME: one that has done its work and sleeps. Leaves the cgroup's account in `used`.
check_running() {
    used=$(account "$2")
    cpu=$(told container_cpu_usage_seconds_total "$2" "$3")
    row "a container of $1: its name and CPU time" "$(near "$cpu" "$used" 0.000001)" \
        "the cgroup says $used s, sonde $cpu"
    processes=$(told container_processes "$2" "$3")
    row "a container of $1: its processes" "$(near "$processes" 1 0)" "1 process, sonde: $processes"
    memory=$(cat "$tree$2/memory.current")
    bytes=$(told container_memory_usage_bytes "$2" "$3")
    row "a container of $1: its memory" "$(near "$bytes" "$memory" 65536)" \
        "the cgroup says $memory bytes, sonde ${bytes%.*}"
    begun=$(told container_start_time_seconds "$2" "$3")
    row "a container of $1: its start" "$(near "$begun" "$started" 5)" "started at $started, sonde: ${begun%.*}"
}

# RUNTIME CGROUP NAME: one that did the same and is gone.
check_gone() {
    cpu=$(told container_cpu_usage_seconds_total "$2" "$3")
    row "a container of $1, gone before any scrape: its name and CPU time" "$(near "$cpu" "$used" 0.05)" \
        "the one that did the same used $used s, sonde $cpu"
}

# --- runc

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
    (cd "$folder/$name" && runc run --no-pivot "$@" "$name" </dev/null >"$folder/$name.log" 2>&1) ||
        cat "$folder/$name.log"
}

of_runc() {
    bundle web.1 "$work"
    bundle brief "$brief"
    started=$(date +%s)
    start web.1 -d
    sleep 3
    check_running runc /containers/web.1 web.1
    start brief
    check_gone runc /containers/brief brief
    runc kill web.1 KILL
}

# --- containerd

# FILE: into the image's blobs; prints its digest and size.
blob() {
    digest=$(sha256sum <"$1" | cut -d' ' -f1)
    mv "$1" "$folder/image/blobs/sha256/$digest"
    echo "\"digest\": \"sha256:$digest\", \"size\": $(stat -c %s "$folder/image/blobs/sha256/$digest")"
}

# An OCI image of busybox.
make_image() {
    kind=application/vnd.oci.image
    mkdir -p "$folder/image/blobs/sha256" "$folder/tree/bin"
    cp /bin/busybox "$folder/tree/bin/"
    tar -c -C "$folder/tree" -f "$folder/layer" .
    sum=$(sha256sum <"$folder/layer" | cut -d' ' -f1)
    layer=$(blob "$folder/layer")
    echo "{\"architecture\": \"amd64\", \"os\": \"linux\", \"config\": {}," \
        "\"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"sha256:$sum\"]}}" >"$folder/config"
    config=$(blob "$folder/config")
    echo "{\"schemaVersion\": 2, \"config\": {\"mediaType\": \"$kind.config.v1+json\", $config}," \
        "\"layers\": [{\"mediaType\": \"$kind.layer.v1.tar\", $layer}]}" >"$folder/manifest"
    manifest=$(blob "$folder/manifest")
    echo "{\"schemaVersion\": 2, \"manifests\": [{\"mediaType\": \"$kind.manifest.v1+json\", $manifest," \
        "\"annotations\": {\"io.containerd.image.name\": \"sonde.test/busybox:1\"}}]}" >"$folder/image/index.json"
    echo '{"imageLayoutVersion": "1.0.0"}' >"$folder/image/oci-layout"
    tar -c -C "$folder/image" -f "$folder/image.tar" .
}

# OPTION... NAME SCRIPT
run_image() {
    ctr run --no-pivot --snapshotter=native "$@" >"$folder/ctr.log" 2>&1 </dev/null || cat "$folder/ctr.log"
}

of_containerd() {
    # For the shim's sockets and the runtime's state.
    mkdir -p /etc/containerd /run/containerd
    printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >/etc/containerd/config.toml
    containerd >"$folder/containerd.log" 2>&1 &
    daemon=$!
    make_image
    until ctr version >/dev/null 2>&1; do
        kill -0 $daemon || { cat "$folder/containerd.log" && exit 1; }
        sleep 0.1
    done
    ctr image import --snapshotter=native "$folder/image.tar" >"$folder/ctr.log" 2>&1 || cat "$folder/ctr.log"
    started=$(date +%s)
    run_image -d sonde.test/busybox:1 shop.2 /bin/busybox sh -c "$work"
    sleep 3
    check_running containerd /default/shop.2 shop.2
    run_image sonde.test/busybox:1 short /bin/busybox sh -c "$brief"
    check_gone containerd /default/short short
    ctr task kill -s 9 shop.2
    kill $daemon
}

echo "[" >/results/runtimes.json
mkdir -p "$tree/containers" "$folder"
echo "+cpu +memory +pids +io" >$tree/cgroup.subtree_control
build/sonde run --backend=tracepoint --no-capture.tls --web.listen-address=$agent --log.level=warn &
sonde=$!
until wget -q -O /dev/null http://$agent/health/ready 2>/dev/null; do
    kill -0 $sonde || exit 1
    sleep 0.1
done
of_runc
[ ! -x /usr/bin/containerd ] || of_containerd
kill $sonde
wait $sonde
echo "]" >>/results/runtimes.json
echo "1..$number"
exit $failed
