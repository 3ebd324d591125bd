#!/bin/sh
# fuzz.sh - build the fuzz targets with clang, run them, and measure what their corpus covers.
#
#   fuzz.sh targets             their names
#   fuzz.sh build               into fuzz/ of the build directory
#   fuzz.sh run TARGET SECONDS  the corpus (0: that alone), then new inputs; a finding stays in fuzz/TARGET.found
#   fuzz.sh all SECONDS         the same for each target, FUZZ_JOBS (2) at a time
#   fuzz.sh merge DIR           add the inputs of DIR/TARGET that reach something new to the corpus, and minimize it
#   fuzz.sh coverage [FILE...]  lines of src/wire that the corpus reaches; fails below FUZZ_COVERAGE (95) percent
#
# The corpus of a target is one file, TARGET.corpus: a line of hexadecimal digits for each input (corpus.c).

set -u

srcdir=${FERRY_SRCDIR:?run this through make}
builddir=${FERRY_BUILDDIR:?run this through make}
here=$srcdir/tests/fuzz
out=$builddir/fuzz
clang=${FUZZ_CLANG:-clang}
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1

has_libraft()
{
    pkg-config --exists 'raft >= 0.15' libuv
}

targets()
{
    for each in "$here"/fuzz_*.c; do
        name=$(basename "$each" .c)
        [ "$name" != fuzz_raft ] || has_libraft || continue
        echo "$name"
    done
}

raft_sources()
{
    ! has_libraft || (cd "$srcdir/src/adapters/libraft" && ls raft_compat.c raft_context.c raft_message.c)
}

build() # DIR FLAG...
{
    dir=$1
    shift
    mkdir -p "$dir"
    # MAKEFLAGS of a make that called this are none of its business.
    MAKEFLAGS='' make -C "$dir" -k -s -j "${FUZZ_JOBS:-2}" -f "$here/build.mk" SRC="$srcdir" BUILD="$builddir" OUT="$dir" \
        CLANG="$clang" FLAGS="$*" TARGETS="$(targets | tr '\n' ' ')" RAFT="$(raft_sources | tr '\n' ' ')"
}

build_sanitized()
{
    build "$out" -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
}

unpack() # TARGET DIR
{
    rm -rf "$2"
    mkdir -p "$2"
    [ ! -f "$here/$1.corpus" ] || "$out/corpus" unpack "$here/$1.corpus" "$2"
}

run() # TARGET SECONDS
{
    target=$1
    seconds=$2
    unpack "$target" "$out/$target.inputs" || return 1
    rm -f "$out/$target.found"
    set -- -exact_artifact_path="$out/$target.found" -max_len=4096 -timeout=10 -rss_limit_mb=1024
    if [ "$seconds" -eq 0 ]; then
        set -- "$@" -runs=0
    else
        set -- "$@" -max_total_time="$seconds"
    fi
    timeout $((seconds + 120)) "$out/$target" "$@" "$out/$target.inputs" >"$out/$target.log" 2>&1
}

run_all() # SECONDS
{
    # shellcheck disable=SC2016  # for the inner shell
    targets | xargs -P "${FUZZ_JOBS:-2}" -I '{}' sh -c '
        if sh "$0" run "$3" "$1"; then
            echo "$3: $(tail -n 1 "$2/$3.log")"
        else
            tail -n 40 "$2/$3.log"
            echo "$3: FAILED; its input is $2/$3.found"
            exit 1
        fi' "$0" "$1" "$out" '{}'
}

merge() # DIR
{
    for target in $(targets); do
        unpack "$target" "$out/$target.old" || return 1
        rm -rf "$out/$target.merged"
        mkdir -p "$out/$target.merged"
        set -- "$1" "$out/$target.old"
        [ ! -d "$1/$target" ] || set -- "$1" "$out/$target.old" "$1/$target"
        kept=$1
        shift
        "$out/$target" -merge=1 -max_len=1024 "$out/$target.merged" "$@" >"$out/$target.log" 2>&1 || return 1
        "$out/corpus" pack "$out/$target.merged" "$here/$target.corpus" || return 1
        set -- "$kept"
    done
}

coverage() # FILE...
{
    dir=$out/coverage
    build "$dir" -fprofile-instr-generate -fcoverage-mapping || return 1
    rm -f "$dir"/*.profraw
    objects=
    for target in $(targets); do
        unpack "$target" "$out/$target.inputs" || return 1
        LLVM_PROFILE_FILE="$dir/$target.profraw" timeout 120 "$dir/$target" -runs=0 "$out/$target.inputs" \
            >"$dir/$target.log" 2>&1 || return 1
        [ -z "$objects" ] || objects="$objects -object"
        objects="$objects $dir/$target"
    done
    llvm-profdata merge -sparse "$dir"/*.profraw -o "$dir/all.profdata" || return 1
    if [ $# -gt 0 ]; then
        # shellcheck disable=SC2086  # words
        (cd "$dir" && llvm-cov show $objects -instr-profile="$dir/all.profdata" "$@")
        return
    fi
    # shellcheck disable=SC2086  # words
    (cd "$dir" && llvm-cov export -summary-only $objects -instr-profile="$dir/all.profdata") >"$dir/summary.json" ||
        return 1
    tr '{' '\n' <"$dir/summary.json" | awk -v least="${FUZZ_COVERAGE:-95}" '
        /"filename":/ { name = $0; sub(/.*"filename":"/, "", name); sub(/".*/, "", name); sub(/.*src\//, "src/", name) }
        name !~ /^src\/wire\// { name = ""; next }
        /"lines":/ { inside = 1; next }
        inside {
            count = $0; sub(/.*"count":/, "", count); sub(/,.*/, "", count)
            covered = $0; sub(/.*"covered":/, "", covered); sub(/,.*/, "", covered)
            inside = 0
            if (count > 0)
                printf "%6.1f %%  %4d of %4d  %s\n", 100 * covered / count, covered, count, name
            lines += count; reached += covered; name = ""
        }
        END {
            if (!lines)
                exit 1
            printf "%6.1f %%  %4d of %4d lines of src/wire, %s %% are wanted\n", 100 * reached / lines, reached, lines, least
            exit 100 * reached < least * lines
        }'
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
targets) targets ;;
build) build_sanitized ;;
run) run "$@" ;;
all) run_all "$@" ;;
merge) merge "$@" ;;
coverage) coverage "$@" ;;
*)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
