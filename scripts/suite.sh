#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Packages of another Debian release, from the mirror that this host's apt uses, asked at run time; only the suite
# differs. A private apt state below build/vm/apt keeps other releases out of the host's own lists. To be sourced, from
# the project's folder, by a script that has `fail`; or run: `scripts/suite.sh SUITE FOLDER PACKAGE...` unpacks packages
# below FOLDER and installs nothing.

# The base address of the configured archive with the given label, as apt itself resolves it.
archive() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label && !seen++ { print $3 }'
}

keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        [ ! -e "$file" ] || { echo "$file" && return; }
    done
    fail "no Debian archive keyring: install the package debian-archive-keyring"
}

# A private apt for one suite of one archive; prints its configuration file.
private_apt() {
    local suite=$1 uri=$2 dir=$PWD/build/vm/apt/$1
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
    : >"$dir/status"
    echo "deb [signed-by=$(keyring)] $uri $suite main" >"$dir/sources.list"
    cat >"$dir/apt.conf" <<END
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "$dir/parts";
Dir::State "$dir";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
END
    echo "$dir/apt.conf"
}

# Downloads and unpacks, once: FOLDER/.packages says what is there.
unpack_from() {
    local suite=$1 folder=$2 work uri
    shift 2
    [ "$(cat "$folder/.packages" 2>/dev/null)" != "$*" ] || return 0
    uri=$(archive Debian)
    [ -n "$uri" ] || fail "this host's apt has no Debian mirror (run \`apt-get update\`; Ubuntu has none)"
    APT_CONFIG=$(private_apt "$suite" "$uri")
    export APT_CONFIG
    apt-get -qq update
    rm -rf "$folder"
    mkdir -p "$folder/.work"
    work=$(cd "$folder/.work" && pwd)
    (cd "$work" && apt-get -qq download "$@")
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$folder"
    done
    rm -rf "$work"
    echo "$*" >"$folder/.packages"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    cd "$(dirname "$0")/.."
    fail() {
        echo "suite: $*" >&2
        exit 1
    }
    unpack_from "$@"
fi
