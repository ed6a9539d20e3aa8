#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# TLS on a VM's kernel, read at the library by uprobes: `scripts/vm/tls.sh BACKEND`. nginx and curl as they are, sonde
# over all of the guest; counts on both sides against nginx's own statistics and the number of curl's requests. With
# KTLS=FOLDER nginx and its OpenSSL are those of the system in that folder, which leave the encrypting to the kernel
# (ktls.sh); the kernel's own statistics must say so. Prints TAP.

backend=$1
folder=/tmp/tls-$backend
agent=127.0.0.1:9464
port=8443
url=https://127.0.0.1:$port
short=10 kept=150
root=${KTLS:-}

until_ok() {
    tries=$1 && shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}

ask() {
    curl -sk --http1.1 "$@"
}

# FAMILY WORDS: the sum over the samples that have all of the words.
sum() {
    family=$1 && shift
    awk -v family="$family" -v words="$*" '
        BEGIN { count = split(words, wanted, " ") }
        index($0, family "{") == 1 {
            for (i = 1; i <= count; i++)
                if (!index($0, wanted[i]))
                    next
            all += $NF
        }
        END { print all + 0 }' "$folder/metrics"
}

told() {
    timeout 10 wget -q -O "$folder/metrics" "http://$agent/metrics" || return 1
    server=$(sum http_server_request_duration_seconds_count 'url_scheme="https"')
    client=$(sum http_client_request_duration_seconds_count 'url_scheme="https"' 'http_response_status_code="200"' \
        "server_port=\"$port\"")
    unread=$(sum sonde_unparsed_connections_total 'reason="tls"')
    [ "$server $client $unread" = "$1 $1 0" ]
}

lost() {
    awk '/^sonde_(events_lost|stream_out_of_step)_total[{]/ && $NF > 0 { printf "%s ", $0 }' "$folder/metrics"
}

if ! command -v "${root:+$root/usr/sbin/}nginx" >/dev/null || ! command -v curl >/dev/null || [ ! -s /tls/key ]; then
    echo "ok 1 - tls # SKIP no nginx, curl or certificate: run \`sudo make setup\`"
    exit 0
fi
mkdir -p "$folder/www" && cd "$folder" || exit 1
echo x >www/small.txt
options=""
if [ -n "$root" ]; then
    options="ssl_conf_command Options KTLS; ssl_protocols TLSv1.2 TLSv1.3; sendfile on;"
    head -c 300000 /dev/zero >www/small.txt
    mkdir -p "$root/proc" "$root/dev" "$root/tls" "$root$folder" && mount -o bind /proc "$root/proc" &&
        mount -o bind /dev "$root/dev" && mount -o bind /tls "$root/tls" && mount -o bind "$folder" "$root$folder"
fi
# The sum of the kernel's counts of connections that it encrypted, or decrypted.
in_kernel() {
    awk '/^Tls[TR]x(Sw|Device) / { all += $2 } END { print all + 0 }' /proc/net/tls_stat 2>/dev/null || echo 0
}
cat >nginx.conf <<END
user root;
daemon off;
pid $folder/pid;
error_log $folder/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $folder/1; proxy_temp_path $folder/2; fastcgi_temp_path $folder/3; uwsgi_temp_path $folder/4;
    scgi_temp_path $folder/5;
    ssl_certificate /tls/certificate; ssl_certificate_key /tls/key;
    $options
    server {
        listen 127.0.0.1:$port ssl;
        location = /status { stub_status; }
        location / { root $folder/www; }
    }
}
END
echo "1..1"
${root:+chroot "$root"} nginx -p "$folder" -c "$folder/nginx.conf" 2>nginx.log &
nginx=$!
until_ok 100 ask -o /dev/null $url/small.txt
(cd /host && exec build/sonde run --web.listen-address=$agent --backend="$backend" --log.level=warn) >sonde.log 2>&1 &
sonde=$!
verdict=pass reason=""
until_ok 300 wget -q -O /dev/null http://$agent/health/ready ||
    verdict=fail reason="sonde is not ready: $(tail -n 1 sonde.log)"
if [ $verdict = pass ]; then
    told 0
    lost_before=$(lost)
    begun=$(ask $url/status | awk '/^ [0-9]+ [0-9]+ [0-9]+/ { print $3 }')
    i=0
    while [ $i -lt $short ]; do
        ask -o /dev/null $url/small.txt
        i=$((i + 1))
    done
    urls=$(awk -v n=$kept -v url=$url/small.txt 'BEGIN { while (n-- > 0) print "-o /dev/null " url }')
    # shellcheck disable=SC2086
    ask $urls
    ended=$(ask $url/status | awk '/^ [0-9]+ [0-9]+ [0-9]+/ { print $3 }')
    # Both questions are requests, too; the first was begun before it was answered.
    wanted=$((ended - begun + 1))
    [ $wanted = $((short + kept + 2)) ] || verdict=fail reason="nginx served $wanted"
    until_ok 50 told $wanted || verdict=fail reason="expected $wanted, server $server client $client unread $unread"
    [ "$(lost)" = "$lost_before" ] || verdict=fail reason="$reason lost: $(lost)"
    [ -z "$root" ] || [ "$(in_kernel)" -ge $((short + 1)) ] ||
        verdict=fail reason="$reason the kernel encrypted $(in_kernel) connections: $(tail -n 2 error.log)"
fi
if [ $verdict = pass ]; then
    echo "ok 1 - ${root:+k}tls.$backend ($wanted requests on both sides, $(sum sonde_tls_sessions_total) sessions," \
        "joined by descriptor $(sum sonde_tls_sessions_total 'join="descriptor"'), $(in_kernel) in the kernel)"
else
    echo "not ok 1 - ${root:+k}tls.$backend: $reason"
fi
kill $sonde $nginx
wait $sonde
[ $verdict = pass ]
