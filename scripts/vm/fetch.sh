#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches Debian's cloud kernels into build/kernels/NAME (vmlinuz, release): `scripts/vm/fetch.sh [NAME...]`.
# Nothing is installed: apt-get download and dpkg-deb -x.
set -euo pipefail
cd "$(dirname "$0")/../.."

# NAME: suites to look in, first found wins; "security:" is the security archive's.
declare -A suites=(
    [5.10]="security:bullseye-security bullseye"
    [6.1]="security:bookworm-security bookworm"
    [6.12]="security:trixie-security trixie"
    [newest]="sid"
)
order="5.10 6.1 6.12 newest"
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk sch_netem
gf128mul ghash-generic ctr gcm tls"
meta=linux-image-cloud-amd64
log=$PWD/build/vm/fetch${1:+-$1}.log

fail() {
    echo "kernels: $*" >&2
    exit 1
}

# shellcheck source=scripts/suite.sh
. scripts/suite.sh

# The packages that hold the kernel: the versioned image, and the binary and the modules where Debian splits them.
kernel_packages() {
    local image
    image=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$image" ] || return 1
    echo "$image"
    apt-cache depends "$image" |
        sed -n "s/^ *Depends: \(linux-\(binary\|modules\)-${image#linux-image-}\)\$/\1/p"
}

# Of the modules what tests ask for (run.sh --module); the rest is built into the cloud kernels.
keep_modules() {
    local work=$1 module file
    mkdir -p "$work/modules"
    for module in $modules; do
        file=$(find "$work/root" -name "$module.ko*" -type f | head -n 1)
        case $file in
        *.xz) xz -dc "$file" >"$work/modules/$module.ko" ;;
        *.ko) cp "$file" "$work/modules/" ;;
        esac
    done
}

unpack_suite() {
    local name=$1 suite=$2 uri=$3 work=$PWD/build/kernels/.$1.$$ package packages kernel
    APT_CONFIG=$(private_apt "$suite" "$uri")
    export APT_CONFIG
    apt-get -qq update >>"$log" 2>&1 || return 1
    packages=$(kernel_packages) || return 1
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    mkdir -p "$work/root"
    # shellcheck disable=SC2086
    (cd "$work" && apt-get -qq download $packages) >>"$log" 2>&1 || return 1
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root"
        rm -f "$package"
    done
    kernel=$(find "$work/root" -name 'vmlinuz*' -type f | head -n 1)
    [ -n "$kernel" ] || return 1
    cp "$kernel" "$work/vmlinuz"
    keep_modules "$work"
    # /boot/vmlinuz-RELEASE, or /usr/lib/modules/RELEASE/vmlinuz where the image is split.
    case $kernel in
    */vmlinuz) basename "$(dirname "$kernel")" ;;
    *) basename "$kernel" | sed 's/^vmlinuz-//' ;;
    esac >"$work/release"
    rm -rf "$work/root" "build/kernels/$name"
    mv "$work" "build/kernels/$name"
}

fetch() {
    local name=$1 entry suite uri
    [ ! -s "build/kernels/$name/vmlinuz" ] || [ ! -d "build/kernels/$name/modules" ] || return 0
    [ -n "${suites[$name]:-}" ] || fail "no kernel $name: one of $order"
    echo "kernels: fetching $name"
    mkdir -p build/kernels build/vm
    for entry in ${suites[$name]}; do
        suite=${entry#security:}
        uri=$(archive "$([ "$suite" = "$entry" ] && echo Debian || echo Debian-Security)")
        [ -n "$uri" ] || continue
        (unpack_suite "$name" "$suite" "$uri") && return 0
    done
    # One that was fetched before modules were kept does without: what needs them says so.
    [ ! -s "build/kernels/$name/vmlinuz" ] || return 0
    [ -n "$(archive Debian)" ] || fail "this host's apt has no Debian mirror (run \`apt-get update\`; Ubuntu has none)"
    fail "$name could not be downloaded (log: ${log#"$PWD/"}):" \
        "$(grep -m 1 -E '^[EW]:' "$log" || echo 'not in the mirror')"
}

[ "$(dpkg --print-architecture)" = amd64 ] || fail "kernels in a VM are set up for amd64 hosts only"
mkdir -p build/vm
: >"$log"
for kernel in ${*:-$order}; do
    fetch "$kernel"
done
