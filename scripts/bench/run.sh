#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `make bench`: what tests/bench/bench.py measures, with the flags in BENCH_ARGS (`BENCH_ARGS=--help` lists them).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck disable=SC2086
exec tests/bench/bench.py ${BENCH_ARGS:-} "$@"
