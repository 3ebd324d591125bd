#!/bin/sh
# The demo succeeds, fails when a key is missing, and leaves no process behind when it is interrupted.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

demo=$builddir/ferry-demo
[ -x "$demo" ] || skip_all "there is no demo in this build: it needs libraft"
TMPDIR=$work
export TMPDIR

try "the demo succeeds" timeout 60 "$demo"
find "$work" -name 'ferry-kv-*' >"$work/seen"
nothing "it leaves no files"

loses()
{
    timeout 60 "$demo" --lose-a-key
    status=$?
    echo "status $status"
    [ "$status" -eq 1 ]
}
try "the demo fails when a key is missing" loses

# The members' standard error is not the pipe: they are looked for by the directory that they were given.
interrupted()
{
    mkfifo "$work/lines" || return
    "$demo" >"$work/lines" 2>&1 &
    pid=$!
    timeout 60 cat "$work/lines" | while read -r line; do
        echo "$line"
        case $line in
        *"is elected."*)
            kill -s TERM "$pid" && : >"$work/told"
            ;;
        esac
    done
    [ -e "$work/told" ] || kill -s KILL "$pid"
    wait "$pid"
    status=$?
    echo "status $status"
    [ -e "$work/told" ] && [ "$status" -eq 130 ] && ! grep -alF "$work/ferry-kv-" /proc/[0-9]*/cmdline 2>/dev/null
}
try "an interrupted demo ends at once and stops its members" interrupted

"$demo" --help >"$work/seen" 2>"$work/err" && grep -q usage "$work/seen" && [ ! -s "$work/err" ]
result $? "the demo prints its usage"

"$demo" --frobnicate >"$work/seen" 2>&1
test $? -eq 2
result $? "the demo refuses arguments"
finish
