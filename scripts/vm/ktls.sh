#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# TLS that the kernel encrypts, under every backend on a real kernel: `scripts/vm/ktls.sh [KERNEL...]`. nginx and an
# OpenSSL that was built for it are those of Debian 13, unpacked into a folder of their own: Debian 12's was not.
# BACKENDS narrows a run.
set -euo pipefail
cd "$(dirname "$0")/../.."

system=$PWD/build/vm/ktls
backends=${BACKENDS:-fentry kprobe tracepoint}
curl=$(PATH="$PWD/build/tools/bin:$PATH" command -v curl) || { echo "ktls: no curl here" >&2; exit 1; }
command -v openssl >/dev/null || { echo "ktls: no openssl here" >&2; exit 1; }
scripts/suite.sh trixie "$system" nginx nginx-common libssl3t64 libc6 libpcre2-8-0 zlib1g libcrypt1 libzstd1
find "$system" -xtype l -delete
for folder in lib lib64; do
    [ -e "$system/$folder" ] || ln -s "usr/$folder" "$system/$folder"
done
mkdir -p build/vm/tls "$system/etc"
cp -f /etc/nsswitch.conf "$system/etc/"
printf '%s\n' root:x:0:0:root:/root:/bin/sh >"$system/etc/passwd"
printf '%s\n' root:x:0: >"$system/etc/group"
[ -s build/vm/tls/certificate ] || openssl req -x509 -newkey rsa:2048 -nodes -keyout build/vm/tls/key \
    -out build/vm/tls/certificate -days 3650 -subj /CN=127.0.0.1 2>/dev/null
status=0
for kernel in ${*:-6.1}; do
    # Those that were fetched before this module was kept are fetched anew.
    [ -s "build/kernels/$kernel/modules/tls.ko" ] || rm -rf "build/kernels/$kernel/modules"
    scripts/vm/fetch.sh "$kernel" >&2
    for backend in $backends; do
        scripts/vm/run.sh --kernel "$kernel" --timeout 280 --memory 2G --module gf128mul --module ghash-generic \
            --module ctr --module gcm --module tls --file build/sonde \
            --file scripts/vm/tls.sh --file "$system:ktls" --file "$curl:usr/bin/curl" \
            --file build/vm/tls/key:tls/key --file build/vm/tls/certificate:tls/certificate -- \
            env KTLS=/ktls sh scripts/vm/tls.sh "$backend" || status=$?
    done
done
exit $status
