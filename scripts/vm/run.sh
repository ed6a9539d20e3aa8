#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one command under another kernel: builds an initramfs from busybox, the given files and the libraries that their
# programs need, boots it in QEMU, shows the command's output, ends with its exit status. No disk, no network, no root.
set -euo pipefail

usage() {
    cat <<'END'
scripts/vm/run.sh --kernel NAME [options] -- command...
  --kernel NAME     a kernel below build/kernels (5.10 6.1 6.12 newest), or a path to an image
  --file PATH       put this file, program or folder into the VM (repeatable); a path relative to the project lands
                    below /host, where the command starts; an absolute one stays where it is; SOURCE:DEST moves it
  --files LIST      the same for each line of a file
  --results DIR     unpack the VM's /results (JSON and the like, and dmesg) here
  --module NAME     load this module of build/kernels/KERNEL/modules, where it is there (repeatable; in this order)
  --disk MIB        an empty disk of this size, /dev/vda; needs --module virtio_blk and what that needs
  --icount          one processor whose clock counts instructions: repeatable, slower
  --append WORDS    kernel command line
  --memory SIZE     default 1G
  --cpus N          default 2
  --timeout SECONDS default 300
  --verbose         show the kernel's messages
END
}

fail() {
    echo "vm: $*" >&2
    exit 125
}

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
export PATH="$root/build/tools/bin:$PATH"
kernel="" append="" memory=1G cpus=2 timeout=300 icount="" results="" verbose="" disk=""
files=() modules=()
while [ $# -gt 0 ]; do
    case $1 in
    --kernel) kernel=$2 && shift ;;
    --file) files+=("$2") && shift ;;
    --files) mapfile -t -O "${#files[@]}" files <"$2" && shift ;;
    --results) results=$2 && shift ;;
    --module) modules+=("$2") && shift ;;
    --disk) disk=$2 && shift ;;
    --icount) icount=yes ;;
    --append) append=$2 && shift ;;
    --memory) memory=$2 && shift ;;
    --cpus) cpus=$2 && shift ;;
    --timeout) timeout=$2 && shift ;;
    --verbose) verbose=yes ;;
    --help) usage && exit 0 ;;
    --) shift && break ;;
    *) usage >&2 && exit 125 ;;
    esac
    shift
done
[ -n "$kernel" ] && [ $# -gt 0 ] || { usage >&2 && exit 125; }
[ -f "$kernel" ] || kernel=build/kernels/$kernel/vmlinuz
[ -f "$kernel" ] || fail "no kernel at $kernel: run scripts/vm/fetch.sh"
for tool in qemu-system-x86_64 busybox; do
    command -v $tool >/dev/null || fail "$tool is missing: run \`sudo make setup\`"
done

mkdir -p build/vm
work=$(mktemp -d "$root/build/vm/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
image=$work/image

# Copies one file, following links, to its place in the image.
put() {
    local source=$1 target=$image/$2
    mkdir -p "$(dirname "$target")"
    cp -aL "$source" "$target"
}

# The shared libraries of a program, and the loader it names, at the paths the loader looks at.
put_libraries() {
    local library
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | grep -v ':$'); do
        [ -e "$image/$library" ] || put "$library" "$library"
    done
}

put_item() {
    local source=${1%%:*} target file
    [ -e "$source" ] || fail "no file $source"
    case $1 in
    *:*) target=${1#*:} ;;
    /*) target=$1 ;;
    *) target=host/$1 ;;
    esac
    put "$source" "$target"
    find -L "$source" -type f -perm -u+x | while read -r file; do
        put_libraries "$file"
    done
}

mkdir -p "$image"/{bin,dev,etc,host,proc,root,run,sbin,sys,tmp,results,usr/bin,usr/sbin,var/log,var/lib}
put "$(command -v busybox)" bin/busybox
put scripts/vm/init init
printf '%s\n' root:x:0:0:root:/root:/bin/sh www-data:x:33:33::/:/bin/false nobody:x:65534:65534::/:/bin/false \
    >"$image/etc/passwd"
printf '%s\n' root:x:0: www-data:x:33: nogroup:x:65534: >"$image/etc/group"
printf '%s\n' '127.0.0.1 localhost sonde-vm' '::1 localhost' >"$image/etc/hosts"
echo 'hosts: files' >"$image/etc/nsswitch.conf"
for item in "${files[@]}"; do
    [ -z "$item" ] || put_item "$item"
done
printf '%q ' "$@" >"$image/command"
for number in "${!modules[@]}"; do
    file=$(dirname "$kernel")/modules/${modules[number]}.ko
    [ ! -s "$file" ] || put "$file" "modules/$number-${modules[number]}.ko"
done
drive=()
if [ -n "$disk" ]; then
    truncate -s "${disk}M" "$work/disk"
    drive=(-drive "file=$work/disk,format=raw,if=virtio,cache=writeback")
fi
(cd "$image" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$work/initramfs"

if [ -n "$icount" ]; then
    cpus=1
    machine=(-accel tcg,thread=single -icount "shift=0,sleep=off")
else
    machine=(-accel tcg,thread=multi)
fi
quiet="quiet loglevel=3"
[ -z "$verbose" ] || quiet="loglevel=7"

# Emulation, not KVM: the same on every machine that builds sonde, virtual ones included.
# The first serial port is the console, the second carries the results.
status=0
timeout --foreground --kill-after=5 "$timeout" qemu-system-x86_64 "${machine[@]}" -cpu max -smp "$cpus" -m "$memory" \
    -display none -monitor none -nodefaults -no-reboot -kernel "$kernel" -initrd "$work/initramfs" \
    "${drive[@]}" -serial stdio -serial "file:$work/results.tar" \
    -append "console=ttyS0 $quiet panic=-1 mitigations=off random.trust_cpu=on rdinit=/init $append" \
    </dev/null 2>"$work/qemu.log" | sed -u -e 's/\r$//' -e '/\] reboot: Power down$/d' || status=$?
[ "$status" != 124 ] || fail "no end within $timeout s"
mkdir -p "$work/results"
tar -x -C "$work/results" -f "$work/results.tar" 2>/dev/null || true
[ -f "$work/results/exit-status" ] || fail "the VM ended without a result $(tail -n 1 "$work/qemu.log")"
if [ -n "$results" ]; then
    mkdir -p "$results"
    cp -a "$work/results/." "$results/"
fi
exit "$(cat "$work/results/exit-status")"
