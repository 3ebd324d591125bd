#!/bin/sh
# The libraries and the programs are built with the protections that configure found.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

hardening=${FERRY_HARDENING:-}
[ -n "$hardening" ] || skip_all "configured without hardening"
command -v readelf >/dev/null && command -v objdump >/dev/null || skip_all "readelf or objdump (binutils) is not installed"

# configure leaves _FORTIFY_SOURCE out with sanitizers and without optimization.
fortified=no
case $hardening in *-D_FORTIFY_SOURCE*) fortified=yes ;; esac

has_relro()
{
    readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS.* NOW'
}

has_no_executable_stack()
{
    readelf -lW "$1" | grep GNU_STACK | grep -qv 'RWE'
}

# A shared library, or a program that can be loaded at any address.
is_position_independent()
{
    readelf -hW "$1" | grep -q 'Type: *DYN'
}

uses() # FILE SYMBOL-PATTERN
{
    readelf -sW "$1" | grep -qE "UND +$2(@| |\$)"
}

# The property note is no sign of it: the linker drops that where the C library's own start files have none.
has_cf_protection()
{
    objdump -d --no-show-raw-insn "$1" | grep -q endbr64
}

n_files=0
for file in "$builddir"/.libs/libferry*.so "$builddir/ferry-kv" "$builddir/ferry-bench" "$builddir/ferry-demo"; do
    if [ -x "$builddir/.libs/$(basename "$file")" ]; then # the other one is libtool's script
        file=$builddir/.libs/$(basename "$file")
    fi
    [ -e "$file" ] || continue
    n_files=$((n_files + 1))
    name=$(basename "$file")
    try "$name: relocations are read-only after the start" has_relro "$file"
    try "$name: the stack is not executable" has_no_executable_stack "$file"
    try "$name: it can be loaded at any address" is_position_independent "$file"
    case $hardening in
    *-fstack-protector-strong*) try "$name: the stack is protected" uses "$file" __stack_chk_fail ;;
    esac
    [ $fortified = no ] || try "$name: the C library checks sizes" uses "$file" '__(mem|str|v?sn?|v?f|v?)[a-z]*_chk'
    case $hardening in
    *-fcf-protection*) try "$name: targets of indirect jumps are marked" has_cf_protection "$file" ;;
    esac
done
[ $n_files -gt 0 ]
result $? "there is something to check"
finish
