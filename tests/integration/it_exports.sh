#!/bin/sh
# The library shows ferry_ symbols and nothing else, all that the headers declare, and keeps to itself: it neither prints
# nor exits, and has no data that changes.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

so=$builddir/.libs/libferry.so
archive=$builddir/.libs/libferry.a
[ -f "$so" ] || skip_all "there is no shared library in this build"

nm -D --defined-only "$so" | sed 's/.* //; s/@.*//' | sort -u >"$work/exported"

# The functions of a header: what carries the attribute, up to its semicolon.
cc -E -P -I"$srcdir/include" "$srcdir/include/ferry/ferry.h" "$srcdir/include/ferry/sim.h" \
    "$srcdir/include/ferry/tls.h" | tr '\n' ' ' | tr ';' '\n' |
    grep 'visibility("default")' | sed 's/.*visibility("default")))//' | grep -o 'ferry_[a-z0-9_]* *(' |
    tr -d ' (' | sort -u >"$work/declared"

try "ferry.h declares functions" grep -q ferry_transport_send "$work/declared"
try "the library exports functions" grep -q ferry_transport_send "$work/exported"
comm -23 "$work/declared" "$work/exported" >"$work/seen"
nothing "every function that the headers declare is exported"
grep -vxE 'ferry_[a-z0-9_]+|FERRY_[0-9]+' "$work/exported" >"$work/seen"
nothing "only ferry_ symbols are exported"
grep -x 'ferry_.*' "$work/exported" | comm -13 "$work/declared" - >"$work/seen"
nothing "nothing is exported that no header declares"

nm -D --undefined-only "$so" | sed 's/.* //; s/@.*//' | sort -u >"$work/used"
try "the library uses functions of others" grep -q '^curl_' "$work/used"
printing='(__)?v?f?printf(_chk)?|puts|putchar|putc|fputs|fputc|fwrite|perror|psignal|stdout|stderr'
grep -xE "$printing|v?(err|warn)x?|(v|__)?syslog(_chk)?" "$work/used" >"$work/seen"
nothing "the library prints nothing"
grep -xE '_?exit|_Exit|quick_exit|abort|raise' "$work/used" >"$work/seen"
nothing "the library does not end the process"

# Data that can change.  .data.rel.ro holds constants with addresses in them: it is read-only once the program runs.
changing_data() # OBJECT-FILE
{
    nm -f sysv "$1" | awk -F '|' '
        { gsub(/ /, "") }
        $7 ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $7 !~ /^\.data\.rel\.ro/ && $4 !~ /SECTION/ { print $1, $7 }'
}

if [ -n "$sanitize" ]; then
    skip "the library has no data that changes" "sanitizers add some"
elif [ ! -f "$archive" ]; then
    skip "the library has no data that changes" "there is no archive in this build"
else
    echo 'int common; static int zero, one = 1; _Thread_local int own; const char *const fixed[] = {"x"};
        int *f(void) { own++; zero++; return &one; }' | cc -fPIC -x c -c - -o "$work/probe.o"
    changing_data "$work/probe.o" | cut -d ' ' -f 1 | sort | tr '\n' ' ' >"$work/seen"
    test "$(cat "$work/seen")" = "common one own zero "
    result $? "data that changes can be told"
    changing_data "$archive" >"$work/seen"
    nothing "the library has no data that changes"
fi
finish
