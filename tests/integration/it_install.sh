#!/bin/sh
# After make install, the README's program can be built with pkg-config, and runs.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

example=$srcdir/doc/examples/two_members.c
root=$work/root

# The make that runs this test must not lend its job slots: they are closed to us.
unset MAKEFLAGS MFLAGS MAKELEVEL

awk '/^```c$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$srcdir/README.md" >"$work/readme.c"
try "the README shows doc/examples/two_members.c as it is" diff -u "$example" "$work/readme.c"

try "make install" make -C "$builddir" install "DESTDIR=$root"
pc=$(find "$root" -name ferry.pc)
so=$(find "$root" -name libferry.so)
archive=$(find "$root" -name libferry.a)
try "ferry.pc is installed once" test -f "$pc"
try "the manual header is installed" test -n "$(find "$root" -path '*/include/ferry/ferry.h')"

pages_are_installed()
{
    for page in "$srcdir"/doc/man/*; do
        name=$(basename "$page")
        case $name in
        ferry-bench.1 | ferry-kv.1) [ -n "$(find "$root" -name "${name%.1}")" ] || continue ;;
        ferry_libraft.3) [ -n "$(find "$root" -name libraft.h)" ] || continue ;;
        esac
        cmp "$page" "$(find "$root" -path "*/man/man${name##*.}/$name")" || return
    done
}

try "the manual pages are installed" pages_are_installed

every_function_has_a_page()
{
    man_dir=$(dirname "$(find "$root" -name ferry.3)")
    find "$root" -path '*/include/ferry/*.h' -exec cat {} + | sed 's/^ .*//; /^typedef/d' |
        grep -o 'ferry_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/functions"
    [ -s "$work/functions" ] || return
    while read -r function; do
        page=$man_dir/$function.3
        target=$(sed -n 's/^\.so man3\///p' "$page") && [ -f "$man_dir/${target:-$function.3}" ] || return
    done <"$work/functions"
}

try "every public function has a page of its name" every_function_has_a_page
if command -v mandb >/dev/null && command -v man >/dev/null; then
    man_root=$(dirname "$(dirname "$(find "$root" -name ferry.3)")")
    mandb -c -u -q "$man_root" >/dev/null 2>&1
    try "man finds the page of a function" sh -c "man -M '$man_root' -w ferry_transport_send"
    try "man -k finds Ferry and its functions" \
        sh -c "man -M '$man_root' -k '^ferry' | grep ^ferry_transport_send"
    find "$man_root" \( -name 'index.*' -o -name 'cat*' -o -name CACHEDIR.TAG \) -exec rm -rf {} +
else
    skip "man finds the page of a function" "there is no man-db"
fi

PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
try "pkg-config knows the version" sh -c "test -n \"\$(pkg-config --modversion ferry)\""

# run PROGRAM: it ends by itself, with the one line that it has to print.
run()
{
    LD_LIBRARY_PATH=$(dirname "$so")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} timeout 30 "$1" >"$work/said"
    status=$?
    cat "$work/said"
    [ "$status" -eq 0 ] && [ "$(cat "$work/said")" = "MsgHeartbeat from member 1, term 7" ]
}

# The README's own command, by the compiler of the build.
as_readme_says()
{
    # shellcheck disable=SC1091  # was just written
    (cd "$srcdir" && . "$work/mix")
}

if [ -f "$so" ]; then
    # shellcheck disable=SC2046  # words
    try "the program compiles through pkg-config" cc -std=c11 -Wall -Wextra -Werror "$example" -o "$work/shared" \
        $(pkg-config --cflags --libs ferry) -pthread
    try "it talks" run "$work/shared"
else
    skip "the program compiles through pkg-config" "there is no shared library in this build"
fi

if [ -f "$archive" ]; then
    # Linking all of libcurl's own dependencies statically is seldom possible: they stay shared.
    # shellcheck disable=SC2046  # words
    try "the program compiles with the archive and what ferry.pc requires privately" \
        cc -std=c11 -Wall -Wextra -Werror "$example" -o "$work/static" $(pkg-config --cflags ferry) "$archive" \
        $(PKG_CONFIG_SYSROOT_DIR='' pkg-config --libs $(pkg-config --print-requires-private ferry)) -pthread
    try "it talks, too" run "$work/static"
    sed -n '/^cc .*-Bstatic/,/[^\\]$/p' "$srcdir/README.md" | sed "s|-o two_members|-o $work/mixed|" >"$work/mix"
    try "the program compiles with the archive as the README says" as_readme_says
    try "it talks as well" run "$work/mixed"
else
    skip "the program compiles with the archive" "there is no archive in this build"
fi

try "make uninstall" make -C "$builddir" uninstall "DESTDIR=$root"
find "$root" -type f >"$work/seen"
nothing "nothing is left of it"
finish
