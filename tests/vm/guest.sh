#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What scripts/vm/trace.sh runs in the VM: the agent over all of it with each backend, a Go server, Redis, a client one
# after the other and 32 at once. Spans are in /results/BACKEND.json, the server's book in /results/BACKEND.book.

for backend in $BACKENDS; do
    redis-server --port 6390 --bind 127.0.0.1 --save "" >/dev/null 2>&1 &
    redis=$!
    ./sonde run "--backend=$backend" --stdout.spans --web.listen-address=127.0.0.1:9464 >"/results/$backend.json" 2>&1 &
    agent=$!
    tries=0
    until wget -q -O /dev/null http://127.0.0.1:9464/health/ready 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 240 ] || exit 1
        sleep 0.5
    done
    ./chain serve 8080 6390 >"/results/$backend.book" &
    server=$!
    ./chain ask 8080 1 100 0
    ./chain ask 8080 32 10 1000
    sleep 2
    kill $agent
    wait $agent
    kill $server $redis
done
