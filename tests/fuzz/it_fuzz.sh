#!/bin/sh
# Each fuzz target takes its corpus without a finding, and new inputs for FUZZ_SECONDS (10); the corpus reaches 95 % of
# the lines of src/wire.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

fuzz=$srcdir/tests/fuzz/fuzz.sh
seconds=${FUZZ_SECONDS:-10}

command -v clang >/dev/null || skip_all "there is no clang"
echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long len) { return data && len > 9; }' >"$work/probe.c"
clang -w -fsanitize=fuzzer,address,undefined "$work/probe.c" -o "$work/probe" 2>/dev/null ||
    skip_all "this clang has no libFuzzer"
[ -z "$sanitize" ] || skip_all "it has sanitizers of its own"

try "the targets can be built" "$fuzz" build
"$fuzz" targets >"$work/targets"
# How each of them went, from a process for each that ends by itself.
# shellcheck disable=SC2016  # for the inner shell
xargs -P 2 -I '{}' sh -c '"$0" run "$3" "$1" && touch "$2/$3.good"' "$fuzz" "$seconds" "$work" '{}' <"$work/targets"
while read -r target; do
    tail -n 30 "$builddir/fuzz/$target.log" >"$work/seen" 2>&1
    [ -f "$work/$target.good" ]
    result $? "$target finds nothing"
done <"$work/targets"

if command -v llvm-profdata >/dev/null && command -v llvm-cov >/dev/null; then
    "$fuzz" coverage >"$work/seen" 2>&1
    result $? "the corpus reaches 95 % of the lines of src/wire"
    tail -n 1 "$work/seen" | sed 's/^/# /'
else
    skip "the corpus reaches 95 % of the lines of src/wire" "there is no llvm-cov"
fi
finish
