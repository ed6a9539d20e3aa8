#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rustls on AWS-LC on real kernels: `scripts/vm/rustls.sh [KERNEL...]`, with the programs that `make test-drivers`
# has built, without their debug information.
set -euo pipefail
cd "$(dirname "$0")/../.."

built=build/drivers/tls-hyper/target/release
[ -x $built/server ] || { echo "rustls: no programs here: run \`sudo make test-drivers\`" >&2; exit 1; }
mkdir -p build/vm/tls build/vm/rustls
for program in server client; do
    strip --strip-debug -o "build/vm/rustls/$program" "$built/$program"
done
[ -s build/vm/tls/certificate ] || openssl req -x509 -newkey rsa:2048 -nodes -keyout build/vm/tls/key \
    -out build/vm/tls/certificate -days 3650 -subj /CN=127.0.0.1 2>/dev/null
status=0
for kernel in ${*:-5.10 6.1 6.12 newest}; do
    scripts/vm/fetch.sh "$kernel" >&2
    echo "# section: rustls $kernel"
    scripts/vm/run.sh --kernel "$kernel" --timeout 280 --cpus 1 --file build/sonde --file scripts/vm/rustls_guest.sh \
        --file build/vm/rustls:rustls --file build/vm/tls:tls -- sh scripts/vm/rustls_guest.sh || status=$?
done
exit $status
