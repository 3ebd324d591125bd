#!/bin/sh
# The library exports exactly the ferry_ symbols that its headers declare. It never prints or exits, and has no mutable
# data.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

so=$builddir/.libs/libferry.so
[ -f "$so" ] || skip_all "there is no shared library in this build"

# The functions of headers: what carries the attribute, up to its semicolon.
declared_in() # HEADER...
{
    for header; do
        echo "#include \"ferry/$header\""
    done | cc -E -P -I"$srcdir/include" -x c - | tr '\n' ' ' | tr ';' '\n' | grep 'visibility("default")' |
        sed 's/.*visibility("default")))//' | grep -o 'ferry_[a-z0-9_]* *(' | tr -d ' (' | sort -u
}

# Data that can change.  .data.rel.ro holds constants with addresses in them: it is read-only once the program runs.
changing_data() # OBJECT-FILE
{
    nm -f sysv "$1" | awk -F '|' '
        { gsub(/ /, "") }
        $7 ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $7 !~ /^\.data\.rel\.ro/ && $4 !~ /SECTION/ { print $1, $7 }'
}

# A library's exports against the functions in $work/declared, and what it uses of others.
look_at() # NAME A-FUNCTION-THAT-IT-EXPORTS AND-ONE-THAT-IT-USES
{
    so=$builddir/.libs/$1.so
    archive=$builddir/.libs/$1.a
    nm -D --defined-only "$so" | sed 's/.* //; s/@.*//' | sort -u >"$work/exported"
    try "the headers of $1 declare functions" grep -q "$2" "$work/declared"
    try "$1 exports functions" grep -q "$2" "$work/exported"
    comm -23 "$work/declared" "$work/exported" >"$work/seen"
    nothing "every function that the headers of $1 declare is exported"
    grep -vxE 'ferry_[a-z0-9_]+|FERRY_[A-Z0-9_]+' "$work/exported" >"$work/seen"
    nothing "$1 exports only ferry_ symbols"
    grep -x 'ferry_.*' "$work/exported" | comm -13 "$work/declared" - >"$work/seen"
    nothing "$1 exports nothing that no header declares"

    nm -D --undefined-only "$so" | sed 's/.* //; s/@.*//' | sort -u >"$work/used"
    try "$1 uses functions of others" grep -q "$3" "$work/used"
    printing='(__)?v?f?printf(_chk)?|puts|putchar|putc|fputs|fputc|fwrite|perror|psignal|stdout|stderr'
    grep -xE "$printing|v?(err|warn)x?|(v|__)?syslog(_chk)?" "$work/used" >"$work/seen"
    nothing "$1 prints nothing"
    grep -xE '_?exit|_Exit|quick_exit|abort|raise' "$work/used" >"$work/seen"
    nothing "$1 does not end the process"

    if [ -n "$sanitize" ]; then
        skip "$1 has no mutable data" "sanitizers add some"
    elif [ ! -f "$archive" ]; then
        skip "$1 has no mutable data" "there is no archive in this build"
    else
        changing_data "$archive" >"$work/seen"
        nothing "$1 has no mutable data"
    fi
}

if [ -z "$sanitize" ]; then
    echo 'int common; static int zero, one = 1; _Thread_local int own; const char *const fixed[] = {"x"};
        int *f(void) { own++; zero++; return &one; }' | cc -fPIC -x c -c - -o "$work/probe.o"
    changing_data "$work/probe.o" | cut -d ' ' -f 1 | sort | tr '\n' ' ' >"$work/seen"
    test "$(cat "$work/seen")" = "common one own zero "
    result $? "mutable data is detected"
fi

# The headers of libferry: all but those of the libraries that stand on it.
headers=$(cd "$srcdir/include/ferry" && ls ./*.h | sed 's|^\./||' | grep -vxE 'libraft\.h|mailbox.*\.h')
# shellcheck disable=SC2086  # words
declared_in $headers >"$work/declared"
look_at libferry ferry_transport_send '^curl_'
if [ -f "$builddir/.libs/libferry-libraft.so" ]; then
    # shellcheck disable=SC2086  # words
    declared_in $headers >"$work/ferry"
    declared_in libraft.h | comm -13 "$work/ferry" - >"$work/declared"
    look_at libferry-libraft ferry_libraft_turn '^raft_malloc'
else
    skip "libferry-libraft exports what its header declares" "there is no libraft"
fi
finish
