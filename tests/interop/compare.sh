#!/bin/sh
# compare.sh - Ferry, etcd's rafthttp and a bare connection in alternation on this machine: medians and their ratios.
#
# usage: compare.sh BUILD [full|quick|growth], as make bench, bench-quick and bench-growth call it
#
# Normal path: the Go program is built on the newest etcd that builds here; each round runs everything once, so that
# whatever else the machine does meets all of them; then a table is printed, and the JSON of every run stands in
# BUILD/bench/MODE.jsonl.  full and growth also draw their plots into doc/.
#
# BENCH_ROUNDS sets the number of rounds, BENCH_MEMORY_SECONDS how long growth looks at the memory under load,
# BENCH_ONLY takes the runs whose name matches an extended regular expression.
set -eu

build=$(cd "$1" && pwd)
how=${2:-full}
here=$(cd "$(dirname "$0")" && pwd)
doc=$here/../../doc
ferry=$build/ferry-bench
out=$build/bench
mkdir -p "$out"
results=$out/$how.jsonl
: >"$results"

say()
{
    echo "compare: $*" >&2
}

# The Go program, or nothing: then the table is of Ferry alone.
build_go()
{
    for version in 3.7 3.4; do
        if reason=$("$here/build-go.sh" $version "$out/rafthttp-bench-$version" rafthttp-bench); then
            go=$out/rafthttp-bench-$version
            say "Go: rafthttp of etcd $version, $(go env GOVERSION)"
            return
        fi
        say "no rafthttp of etcd $version: $reason"
    done
}
go=
build_go

# run LABEL PROGRAM ARGUMENT...: the line of JSON of one run, with its label and round.
run()
{
    label=$1
    shift
    [ -n "$1" ] || return 0
    echo "$label" | grep -Eq "${BENCH_ONLY:-.}" || return 0
    if json=$(timeout 300 "$@" 2>"$out/error"); then
        echo "{\"run\": \"$label\", \"round\": $round, \"result\": $json}" >>"$results"
    else
        say "$label failed: $(tail -n 1 "$out/error")"
    fi
}

# both NAME DELIVERIES ARGUMENT...: Go once, and Ferry in each delivery.
both()
{
    name=$1
    deliveries=$2
    shift 2
    run "go/$name" "$go" "$@"
    for delivery in $deliveries; do
        run "$delivery/$name" "$ferry" --json --delivery "$delivery" "$@"
    done
}

# One round of what depends on the network, plain or over TLS.  n: how many thousand messages are a lot.
round_over() # SUFFIX [--tls]
{
    s=$1
    shift
    both "app-64$s" "inline workers" --mode msgapp --messages $((n * 1000)) "$@"
    both "app-1k$s" "inline workers" --mode msgapp --messages $((n * 500)) --size 1024 "$@"
    both "app-64k$s" "inline workers" --mode msgapp --messages $((n * 25)) --size 65536 --window 256 "$@"
    both "app-1m$s" "inline workers" --mode msgapp --messages $((n * 3 / 2)) --size 1048576 --window 32 "$@"
    run "raw/64k$s" "$ferry" --json --mode raw --messages $((n * 50)) --size 65536 "$@"
    run "raw/1m$s" "$ferry" --json --mode raw --messages $((n * 4)) --size 1048576 "$@"
    both "ping$s" "inline workers" --mode pingpong --messages $((n * 25)) "$@"
    both "mixed-1m$s" "inline workers" --mode mixed --messages $((n / 2)) "$@"
    both "mixed-64k$s" "inline workers" --mode mixed --messages $((n / 2)) --size 65536 "$@"
    run "go/snapshot$s" "$go" --mode snapshot --size "$snapshot" "$@"
    run "workers/snapshot$s" "$ferry" --json --mode snapshot --sink file --size "$snapshot" "$@"
    both "fanout-6$s" workers --mode fanout --messages $((n * 10)) "$@"
    both "fanout-1$s" workers --mode fanout --messages $((n * 30)) --peers 1 "$@"
}

one_round()
{
    round_over ""
    if [ "$how" = quick ]; then
        both app-64+tls inline --mode msgapp --messages $((n * 1000)) --tls
        both app-64k+tls inline --mode msgapp --messages $((n * 25)) --size 65536 --window 256 --tls
        both ping+tls inline --mode pingpong --messages $((n * 25)) --tls
    else
        round_over +tls --tls
    fi
    both peers workers --mode peers --peers "$peers" --seconds "$seconds"
}

# What all rounds measure again and again grows with the number of followers; memory under load is looked at once.
growth_round()
{
    for peers in 1 10 100 500; do
        both "peers-$peers" workers --mode fanout --peers $peers --size 64 --window 256 --messages $((200000 / peers))
    done
}

watch_memory()
{
    seconds=${BENCH_MEMORY_SECONDS:-600}
    echo "second rss_kb" >"$out/memory.txt"
    "$ferry" --json --mode msgapp --size 1024 --messages 100000000000 >/dev/null 2>&1 &
    pid=$!
    trap 'kill $pid 2>/dev/null' EXIT
    second=0
    while [ "$second" -lt "$seconds" ]; do
        sleep 1 # a sample a second is what is drawn
        second=$((second + 1))
        rss_kb=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status)
        [ -n "$rss_kb" ] || { say "the load ended after $second s" && exit 1; }
        echo "$second $rss_kb" >>"$out/memory.txt"
    done
    kill $pid
    trap - EXIT
}

case $how in
full) rounds=5 n=400 peers=200 seconds=5 snapshot=1073741824 ;;
quick) rounds=2 n=60 peers=40 seconds=2 snapshot=134217728 ;;
growth) rounds=3 ;;
*) say "no such comparison: $how" && exit 2 ;;
esac
rounds=${BENCH_ROUNDS:-$rounds}
round=1
while [ "$round" -le "$rounds" ]; do
    say "round $round of $rounds"
    if [ "$how" = growth ]; then growth_round; else one_round; fi
    round=$((round + 1))
done

if [ "$how" = growth ]; then
    watch_memory
    awk -f "$here/growth.awk" -v memory="$out/memory.txt" -v svg="$doc" "$results"
elif [ "$how" = full ] && [ -z "${BENCH_ONLY:-}" ]; then
    awk -f "$here/compare.awk" -v svg="$doc/performance.svg" "$here/compare.rows" "$results"
else
    awk -f "$here/compare.awk" "$here/compare.rows" "$results"
fi
