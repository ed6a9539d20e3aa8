#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Truth about databases on a VM's kernel: `scripts/vm/database.sh BACKEND`. Real servers and their own clients, sonde
# over all of the guest; each command's calls and failures, on both sides, against the server's books: difference 0.
# Prints TAP, writes /results/database-BACKEND.json for docs/TRUTH.md. Only a shell and awk: the guest has no more.

backend=$1
folder=/tmp/database-$backend
agent=127.0.0.1:9464
redis_port=6390
requests=${DATABASE_REQUESTS:-200}
json=/results/database-$backend.json
rows=0 failed=0
. scripts/vm/postgres.sh

# Errors of all kinds, a transaction, subcommands, calls that wait, a command that no book has.
commands='set s 1
get s
get missing
incr s
lpush l a b c
lpush s x
incr l
get
frobnicate a b
config get maxmemory
client setname me
blpop none 0.1
multi
get s
lpush s x
exec
multi
get
exec
evalsha ffffffffffffffffffffffffffffffffffffffff 0
select 99'

# Tries for a while; fails with the last try.
until_ok() {
    tries=$1 && shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}

scrape() {
    timeout 10 wget -q -O "$folder/metrics" "http://$agent/metrics"
}

# SYSTEM [NAMESPACE]: what sonde told, as "SIDE COMMAND calls failed" lines. With a namespace only what belongs to it,
# and failures apart, all of them together: books that do not have them are the witness of what did not fail.
told() {
    scrape && awk -v wanted="$1" -v namespace="${2:-}" '
        function label(name) {
            if (!match($0, "[{,]" name "=\"[^\"]*\""))
                return ""
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
        }
        !/^db_(client|server)_(blocking_)?operation_duration_seconds_count[{]/ { next }
        label("db_system_name") != wanted || (namespace != "" && label("db_namespace") != namespace) { next }
        {
            error = label("error_type") != ""
            key = substr($0, 4, 6) " " (namespace != "" && error ? "FAILED" : label("db_operation_name"))
            sub(/ /, "\t", key)
            gsub(/ /, "_", key)
            calls[key] += $NF
            failed[key] += error ? $NF : 0
        }
        END { for (key in calls) print key "\t" calls[key] "\t" failed[key] }' "$folder/metrics" | sort >"$folder/told"
}

# What sonde told as missing, whatever the reason.
lost() {
    awk '/^sonde_(events_lost|stream_out_of_step)_total[{]/ && $NF > 0 { printf "%s ", $0 }' "$folder/metrics"
}

agrees() {
    told "$1" "${namespace:-}" && cmp -s "$folder/books" "$folder/told"
}

# NAME FAMILY SYSTEM DESCRIPTION WITNESS: one row of the report. Counts add up over the rows of one agent's life.
row() {
    verdict=pass reason=""
    until_ok "${DATABASE_TRIES:-50}" agrees "$3" || verdict=fail reason="counts differ"
    [ "$(lost)" = "$lost_before" ] || verdict=fail reason="$reason lost: $(lost)"
    rows=$((rows + 1))
    calls=$(awk '{ n += $3 } END { print n + 0 }' "$folder/books")
    if [ $verdict = pass ]; then
        echo "ok $rows - $1.$2 ($calls calls so far)"
    else
        failed=$((failed + 1))
        echo "not ok $rows - $1.$2: $reason"
        diff "$folder/books" "$folder/told" | sed -n 's/^[+-][^+-]/# &/p' | head -n 10
    fi
    [ "$(cat "$json")" = "[" ] || echo , >>"$json"
    printf '{"case": "%s.%s", "group": 11, "description": "%s", "witness": "%s", "result": "%s", "reason": "%s", ' \
        "$1" "$2" "$4" "$5" $verdict "$(echo "$reason" | tr '"\\' "''")" >>"$json"
    printf '"backend": "%s", "kernel": "%s"}' "$backend" "$(uname -r)" >>"$json"
}

# A call in the server's books was executed or refused before; INFO's answer does not have itself yet.
redis_books() {
    redis-cli -p $redis_port info commandstats | tr -d '\r' | awk -F '[:=,]' -v unknown="$1" '
        /^cmdstat_/ {
            name = toupper(substr($1, 9))
            gsub(/[|]/, "_", name)
            calls[name] = $3 + $9
            failed[name] = $9 + $11
        }
        END {
            calls["INFO"]++
            if (unknown)
                calls["_OTHER"] = failed["_OTHER"] = unknown
            for (name in calls)
                if (calls[name])
                    for (side = 0; side < 2; side++)
                        print (side ? "server" : "client") "\t" name "\t" calls[name] "\t" failed[name] + 0
        }' | sort >"$folder/books"
}

redis_row() {
    redis_books "$unknown"
    row "$1" "$2" redis "$3" "INFO commandstats of Redis: calls and failures of each command, both sides"
}

redis_there() {
    command -v redis-server >/dev/null
}

redis_truth() {
    redis-server --port $redis_port --bind 127.0.0.1 --unixsocket "$folder/redis" --save "" --dir "$folder" \
        >"$folder/redis.log" 2>&1 &
    server=$! unknown=0
    until_ok 100 test -S "$folder/redis"
    for family in tcp4 unix; do
        where="-p $redis_port"
        [ $family = tcp4 ] || where="-s $folder/redis"
        for depth in 1 16; do
            # shellcheck disable=SC2086
            redis-benchmark $where -q -n "$requests" -c 4 -P $depth -r 50 -t ping,set,get,incr,lpush,rpop,hset,mset \
                >/dev/null 2>&1
            redis_row redis-pipeline-$depth $family "redis-benchmark, $depth commands at a time"
        done
        # shellcheck disable=SC2086
        echo "$commands" | redis-cli $where >/dev/null
        unknown=$((unknown + 1))
        redis_row redis-errors $family "errors, a transaction, a call that waits, a command that no book has"
    done
    kill $server
    wait $server
}

mkdir -p "$folder"
echo "[" >"$json"
build/sonde run --web.listen-address=$agent --backend="$backend" --log.level=warn >"$folder/sonde.log" 2>&1 &
sonde=$!
if ! until_ok 300 wget -q -O /dev/null http://$agent/health/ready; then
    echo "not ok 1 - sonde is not ready: $(tail -n 1 "$folder/sonde.log")"
    kill $sonde
    exit 1
fi
# The question for readiness that was on its way when sonde attached: its answer alone was seen.
scrape
lost_before=$(lost)
for system in redis postgres; do
    if $system"_there"; then
        $system"_truth"
    else
        rows=$((rows + 1))
        echo "ok $rows - $system # SKIP no server: run \`sudo make setup\`"
    fi
done
echo "1..$rows"
echo "]" >>"$json"
kill $sonde
wait $sonde
[ $failed = 0 ]
