#!/bin/sh
# compare.sh - ferry-bench and rafthttp-bench in alternation on this machine: medians of five rounds, and their ratios.
#
# usage: tests/interop/compare.sh [ROUNDS], after ./bootstrap build.  Needs Go and Debian's golang-etcd-server-dev.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$work/rafthttp-bench" \
    "$top/tests/interop/rafthttp-bench/main.go"

# measure NAME PROGRAM ARGUMENT...: the line of JSON of one run goes to NAME.
measure()
{
    name=$1
    shift
    "$@" >>"$work/$name"
}

# median NAME KEY
median()
{
    sed -n "s/.*\"$2\": *\\([0-9.]*\\).*/\\1/p" "$work/$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row TITLE KEY FERRY GO: how many times Go's figure Ferry's is.
row()
{
    ferry=$(median "$3" "$2")
    go=$(median "$4" "$2")
    echo "$ferry $go" | awk -v title="$1" '{ printf "| %-44s | %12.1f | %12.1f | %6.2f |\n", title, $1, $2, $1 / $2 }'
}

ferry=$top/build/ferry-bench
go=$work/rafthttp-bench
round=0
while [ "$round" -lt "$rounds" ]; do
    for size in 64 1024 65536; do
        case $size in 65536) n=20000 window=256 ;; *) n=300000 window=2048 ;; esac
        measure "go-app-$size" "$go" --mode msgapp --messages $n --size $size --window $window
        for delivery in inline workers; do
            measure "$delivery-app-$size" "$ferry" --mode msgapp --messages $n --size $size --window $window \
                --delivery $delivery --json
        done
    done
    measure go-ping "$go" --mode pingpong --messages 10000
    for delivery in inline workers; do
        measure "$delivery-ping" "$ferry" --mode pingpong --messages 10000 --delivery $delivery --json
    done
    round=$((round + 1))
done

echo "| work                                         |        Ferry | Go rafthttp  |  ratio |"
echo "|----------------------------------------------|--------------|--------------|--------|"
for delivery in inline workers; do
    for size in 64 1024 65536; do
        row "msgapp $size B, $delivery: messages/s" msgs_per_s $delivery-app-$size go-app-$size
        row "msgapp $size B, $delivery: CPU ns/message" cpu_ns_per_msg $delivery-app-$size go-app-$size
    done
    row "pingpong, $delivery: median us" p50_us $delivery-ping go-ping
    row "pingpong, $delivery: p99 us" p99_us $delivery-ping go-ping
done
