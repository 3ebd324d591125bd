#!/bin/sh
# ferry-bench measures in every mode and delivery, delivers all, and reports all figures.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

bench=$builddir/ferry-bench
[ -x "$bench" ] || skip_all "the tools are not built"

# The value of a key in $work/json.
value() # KEY
{
    sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" "$work/json"
}

positive() # KEY
{
    value "$1" | awk '{ exit !($1 > 0) }'
}

# measures MODE MESSAGES ARGUMENT...
measures()
{
    mode=$1
    messages=$2
    shift 2
    timeout 100 "$bench" --mode "$mode" --messages "$messages" --json "$@" >"$work/json" || return
    cat "$work/json"
    case $(value impl) in ferry-[0-9]*) ;; *) return 1 ;; esac
    [ "$(value mode)" = "$mode" ] && [ "$(value messages)" = "$messages" ] && [ "$(value drops)" = 0 ] || return
    for key in msgs_per_s cpu_ns_per_msg p50_us p99_us p999_us rss_kb threads; do
        positive "$key" || { echo "$key is not positive" && return 1; }
    done
    [ -n "$(value size)" ] && [ -n "$(value mb_per_s)" ]
}

for delivery in inline workers host; do
    try "msgapp, $delivery" measures msgapp 20000 --delivery $delivery
    try "pingpong, $delivery" measures pingpong 500 --delivery $delivery
    try "pingpong without spinning, $delivery" measures pingpong 500 --delivery $delivery --busy-poll-us 0
    try "msgapp with a window of one, $delivery" measures msgapp 200 --delivery $delivery --window 1
    try "msgapp with an odd window, $delivery" measures msgapp 1000 --delivery $delivery --window 7
done
try "msgapp over TLS" measures msgapp 20000 --tls
try "pingpong over TLS" measures pingpong 500 --tls
try "large entries over TLS" measures msgapp 100 --size 1000000 --window 16 --tls
try "empty entries" measures msgapp 1000 --size 0
try "large entries" measures msgapp 100 --size 1000000 --window 16
try "a heartbeat with a context" measures pingpong 100 --size 1000
timeout 100 "$bench" --messages 1000 >"$work/seen" && grep -q 'messages per second' "$work/seen"
result $? "a table without --json"
finish
