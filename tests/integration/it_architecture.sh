#!/bin/sh
# Every source file is named in doc/architecture.md, and includes point down only.  The tests' member of an etcd cluster
# may include ferry.h and the tools' command-line parser.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

map=$srcdir/doc/architecture.md
(cd "$srcdir" && find src include raftpb -name '*.[ch]' -o -name '*.proto') | sort >"$work/files"

try "there are source files" grep -q src/peer/peer.c "$work/files"
while read -r file; do
    name=$(basename "$file")
    grep -qwF -e "$name" -e "${name%.*}" "$map" || echo "$file"
done <"$work/files" >"$work/seen"
nothing "every source file is named in doc/architecture.md"

grep '^#' "$map" | sort | uniq -d >"$work/seen"
nothing "every heading of doc/architecture.md stands there once"

# Each folder and those that its files may include from, besides ferry.h.
allowed() # FILE
{
    case $1 in
    src/base/*) echo base ;;
    src/wire/*) echo base wire ;;
    src/net/*/*) echo base wire net ;;
    src/net/*) echo base wire/http_header.h net ;;
    src/disk/*) echo base net/net.h net/errands.h disk ;;
    src/member/*) echo base wire/url.h wire/headers.h net/net.h net/timers.h member ;;
    src/peer/*) echo base wire net/net.h net/timers.h net/errands.h disk member peer ;;
    src/node/*) echo base wire/url.h net disk node ;;
    src/transport/*) echo base wire net disk member peer node transport ;;
    src/sim/*) echo base wire/url.h net node transport ;;
    src/mailbox/*) echo base wire net/timers.h mailbox ;;
    src/adapters/libraft/*) echo adapters/libraft base/list.h ;;
    src/kv/*) echo kv adapters/libraft/raft_compat.h tools/flags.h tools/number.h ;;
    src/demo/*) echo demo tools/stopwatch.h ;;
    src/tools/bench_codec.c) echo tools wire ;;
    src/tools/flags.[ch]) echo tools/flags.h ;;
    src/tools/number.[ch]) echo tools/number.h ;;
    src/tools/*) echo tools ;;
    tests/interop/etcd-member/*) echo etcd-member tools/flags.h tools/number.h ;;
    *) echo nothing ;;
    esac
}

(cd "$srcdir" && find tests/interop/etcd-member -name '*.[ch]') | sort >>"$work/files"
while read -r file; do
    may=$(allowed "$file")
    sed -n 's/^#include "\([^"]*\)".*/\1/p' "$srcdir/$file" | while read -r included; do
        case $included in ferry/* | config.h | */raft.pb-c.h) continue ;; esac
        good=no
        for place in $may; do
            case $included in "$place" | "$place"/*) good=yes ;; esac
        done
        [ $good = yes ] || echo "$file includes $included"
    done
done <"$work/files" >"$work/seen"
nothing "includes point down the house only"
finish
