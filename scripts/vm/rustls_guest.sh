#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In a VM: hyper and reqwest on rustls and AWS-LC, TLS 1.3 and 1.2, sonde over all of the guest. Each of two servers
# must have the requests that were made, under its own port, on both sides. Prints TAP.

agent=127.0.0.1:9464
short=20 large=3

until_ok() {
    tries=$1 && shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}

# SERVICE METRIC WORD: the sum over the samples of this service with this word.
sum() {
    awk -v family="http_$2_request_duration_seconds_count{" -v service="service_name=\"$1\"" -v word="$3" '
        index($0, family) == 1 && index($0, service) && index($0, word) && /status_code="200"/ { all += $NF }
        END { print all + 0 }' metrics
}

# Half of what was asked under each port, and all of it at the server.
told() {
    timeout 10 wget -q -O metrics "http://$agent/metrics" || return 1
    got="$(sum "get-$1" client "port=\"$2\"") $(sum "get-$1" client "port=\"$3\"") $(sum "post-$1" client POST)"
    got="$got $(sum "server-$1" server GET) $(sum "server-$1" server POST)"
    [ "$got" = "$((short * 5)) $((short * 5)) $((large * 2)) $((short * 10)) $((large * 2))" ]
}

# The first request of a program that is new to sonde may be faster than the hooks.
known() {
    OTEL_SERVICE_NAME=first /rustls/client 1 1 0 "$@"
    timeout 10 wget -q -O metrics "http://$agent/metrics"
    [ "$(sum first client GET)" -gt 0 ] && [ "$(sum first server GET)" -gt 0 ]
}

cd /tmp || exit 1
echo "1..2"
(cd /host && exec build/sonde run --web.listen-address=$agent --log.level=warn) >sonde.log 2>&1 &
sonde=$!
until_ok 300 wget -q -O /dev/null http://$agent/health/ready || tail -n 1 sonde.log
OTEL_SERVICE_NAME=first /rustls/server /tls/certificate /tls/key 1 >ports &
until_ok 50 test -s ports
# shellcheck disable=SC2046
until_ok 50 known $(cat ports)
kill $!
status=0 number=0
for version in 1.3 1.2; do
    number=$((number + 1))
    OTEL_SERVICE_NAME=server-$version TLS_VERSION=$version /rustls/server /tls/certificate /tls/key 2 >ports-$version &
    server=$!
    until_ok 50 test -s ports-$version
    read -r first second <ports-$version
    OTEL_SERVICE_NAME=get-$version /rustls/client 10 $short 0 "$first" "$second" &&
        OTEL_SERVICE_NAME=post-$version /rustls/client 2 $large 1000000 "$first" "$second"
    if until_ok 50 told $version "$first" "$second"; then
        echo "ok $number - rustls, TLS $version ($got requests)"
    else
        echo "not ok $number - rustls, TLS $version: client, client, client's large, server, its large: $got"
        status=1
    fi
    kill $server
done
kill $sonde
wait $sonde
exit $status
