#!/bin/sh
# The demo sees what it promises, and leaves nobody behind when it is interrupted.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

demo=$builddir/ferry-demo
[ -x "$demo" ] || skip_all "the tools are not built"

try "the demo comes to its good end" timeout 100 "$demo"

# The members' standard error is the pipe as well, so that it ends when the last of them has.
interrupted()
{
    mkfifo "$work/lines" || return
    "$demo" >"$work/lines" 2>&1 &
    pid=$!
    timeout 60 cat "$work/lines" | while read -r line; do
        echo "$line"
        case $line in
        *"They talk."*)
            kill -s TERM "$pid"
            : >"$work/told"
            ;;
        esac
    done
    [ -e "$work/told" ] || kill -s KILL "$pid"
    wait "$pid"
    status=$?
    echo "status $status"
    [ -e "$work/told" ] && [ "$status" -eq 130 ]
}
try "an interrupted demo ends at once, and with it its members" interrupted

"$demo" --help >"$work/seen" 2>"$work/err" && grep -q usage "$work/seen" && [ ! -s "$work/err" ]
result $? "the demo says how it is used"

"$demo" --frobnicate >"$work/seen" 2>&1
test $? -eq 2
result $? "the demo refuses arguments"
finish
