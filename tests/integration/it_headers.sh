#!/bin/sh
# Each header compiles alone and twice, as strict C11; the public ones as C++ too.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

includes="-I$srcdir/include -I$srcdir/src -I$srcdir/tests -I$builddir"
warnings='-Wall -Wextra -Werror'

include_twice() # HEADER
{
    printf '#include "%s"\n#include "%s"\nint nothing_else;\n' "$1" "$1"
}

# shellcheck disable=SC2086  # words
compile_header() # HEADER
{
    include_twice "$1" | cc -std=c11 $posix $warnings $includes -x c -fsyntax-only -
}

# shellcheck disable=SC2086  # words
compile_header_as_cxx() # HEADER STANDARD
{
    include_twice "$1" | g++ "-std=$2" -pedantic $warnings $includes -x c++ -fsyntax-only -
}

# shellcheck disable=SC2086  # words
compile_config_as_cxx() # STATEMENT STANDARD
{
    printf '#include "ferry/sim.h"\n#include "ferry/tls.h"\nvoid f() {\n%s\n(void)cfg; }\n' "$1" |
        g++ "-std=$2" -pedantic -Wall -Werror $includes -x c++ -fsyntax-only -
}

cd "$srcdir" || exit 1
for header in $(find include src -name '*.h' | sort); do
    posix=
    case $header in
    src/mailbox/sqlite_rows.h)
        if ! pkg-config --exists sqlite3; then
            skip "$header compiles alone" "there is no SQLite"
            continue
        fi
        ;;
    src/adapters/libraft/* | src/kv/*)
        if ! pkg-config --exists raft libuv; then
            skip "$header compiles alone" "there is no libraft"
            continue
        fi
        posix=-D_POSIX_C_SOURCE=200809L # libuv's header needs it
        ;;
    esac
    try "$header compiles alone" compile_header "${header#*/}"
done
if command -v g++ >/dev/null; then
    for header in $(find include -name '*.h' | sort); do
        try "$header compiles as C++" compile_header_as_cxx "${header#*/}" c++11
    done
    for config in config tls_config sim_config; do
        macro=FERRY_$(echo "$config" | tr '[:lower:]' '[:upper:]')_INIT
        try "$macro compiles as C++20" compile_config_as_cxx "ferry_$config cfg = $macro;" c++20
        try "ferry_${config}_init compiles as C++11" \
            compile_config_as_cxx "ferry_$config cfg; ferry_${config}_init(&cfg);" c++11
    done
else
    skip "the public headers compile as C++" "there is no g++"
fi
finish
