#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a real OpenTelemetry Collector and a real Jaeger by the Go toolchain, below build/tools, pinned, and runs
# tests/interop against them. The first time takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.102.1
contrib=0.102.0
jaeger=1.62.0
tools=$PWD/build/tools
go=$(command -v go || command -v /usr/local/go/bin/go) || { echo "interop: no Go toolchain here" >&2; exit 1; }

build_collector() {
    local work=$tools/collector-build
    mkdir -p "$work" "$tools/bin"
    cat >"$work/builder.yaml" <<EOF
dist: {name: otelcol, output_path: $work/out, otelcol_version: $version}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$version
exporters:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v$contrib
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter v$contrib
EOF
    export GOPATH=$work/go GOBIN=$work/bin GOCACHE=$work/cache PATH=$(dirname "$go"):$PATH
    GOFLAGS=-modcacherw "$go" install "go.opentelemetry.io/collector/cmd/builder@v$version"
    GOFLAGS=-modcacherw "$work/bin/builder" --config="$work/builder.yaml"
    mv "$work/out/otelcol" "$tools/bin/otelcol"
    rm -rf "$work"
}

# Its module replaces others, which `go install` refuses: so from a copy of its source. The page for people is left out.
build_jaeger() {
    local work=$tools/jaeger-build source
    mkdir -p "$work/module" "$tools/bin"
    export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS=-modcacherw
    (cd "$work/module" && [ -f go.mod ] || "$go" mod init build)
    source=$(cd "$work/module" && "$go" mod download -json "github.com/jaegertracing/jaeger@v$jaeger" |
        sed -n 's/^.*"Dir": "\(.*\)",*$/\1/p')
    cp -r "$source" "$work/source"
    chmod -R u+w "$work/source"
    (cd "$work/source" && "$go" build -o "$tools/bin/jaeger-all-in-one" ./cmd/all-in-one)
    rm -rf "$work"
}

[ -x "$tools/bin/otelcol" ] || build_collector
[ -x "$tools/bin/jaeger-all-in-one" ] || build_jaeger
exec /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider tests/interop "$@"
