#!/bin/sh
# ferry-bench refuses invalid options: status 2, one line on standard error, nothing on standard output.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

bench=$builddir/ferry-bench
[ -x "$bench" ] || skip_all "the tools are not built"

# refused WORD ARGUMENT...: and the line names WORD.
refused()
{
    word=$1
    shift
    timeout 20 "$bench" "$@" >"$work/out" 2>"$work/err"
    status=$?
    echo "status $status"
    cat "$work/out" "$work/err"
    [ "$status" -eq 2 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -qF -- "$word" "$work/err"
}

refuses() # WORD ARGUMENT...
{
    word=$1
    shift
    try "ferry-bench $* is refused" refused "$word" "$@"
}

accepts() # WORD ARGUMENT...
{
    word=$1
    shift
    timeout 20 "$bench" "$@" >"$work/seen" 2>"$work/err" && grep -qF -- "$word" "$work/seen" && [ ! -s "$work/err" ]
    result $? "ferry-bench $* prints $word"
}

refuses --messages --messages -1
refuses --messages --messages 0
refuses --messages --messages ''
refuses --messages --messages 1e6
refuses --messages --messages 99999999999999999999999
refuses --messages --messages
refuses --size --size x
refuses --size --size 268435457
refuses --window --window 0
refuses --window --window 1000001
refuses '4 GiB' --window 1000000 --size 65536
refuses --delivery --delivery pigeon
refuses --busy-poll-us --busy-poll-us 1000001
refuses --mode --mode frobnicate
refuses --frobnicate --frobnicate
refuses --json --json=yes
refuses -x -x
refuses leftover --json leftover
accepts --busy-poll-us --help
accepts pingpong --help
accepts dropped --messages 2 --size 4194304 # the window of 2048 is not under way
accepts dropped --mode pingpong --messages 2 --size 4194304
accepts ferry-bench --version
finish
