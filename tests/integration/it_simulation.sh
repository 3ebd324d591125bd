#!/bin/sh
# The example of doc/simulation.md is what the page shows of it, compiles against the library, and ends well.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

example=$srcdir/doc/examples/simulation.c
library=$builddir/.libs/libferry.so
[ -f "$library" ] || skip_all "there is no shared library in this build"

# Between the page's fences for C there is nothing that is not in the example, line by line and in one piece.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$srcdir/doc/simulation.md" >"$work/shown"
try "doc/simulation.md shows C" test -s "$work/shown"
first=$(head -n 1 "$work/shown")
n_lines=$(wc -l <"$work/shown")
grep -nxF -A $((n_lines - 1)) -e "$first" "$example" | sed 's/^[0-9]*[:-]//' >"$work/standing"
try "it is a piece of the example" diff -u "$work/standing" "$work/shown"

try "the example compiles" cc -std=c11 -Wall -Wextra -Werror -I"$srcdir/include" "$example" -o "$work/simulation" \
    "$library" "-Wl,-rpath,$builddir/.libs"
timeout 60 "$work/simulation" >"$work/seen" 2>&1 && grep -qx '20 bad days, .* ended well' "$work/seen"
result $? "its bad days end well, twice in the same way"
finish
