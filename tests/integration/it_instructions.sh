#!/bin/sh
# What a message costs its sender, its stream's writer and its reader, in instructions: a guard that no other load on
# the machine can upset.
#
# callgrind counts what runs inside the functions that are a path, during a run of ferry-bench, and nothing in the
# kernel.  A path may take TOLERANCE percent more than the figure in instructions.txt: the C library has other ways to
# copy memory on other processors, and locks are contended at times.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

TOLERANCE=10
MESSAGES=10000
bench=$builddir/ferry-bench
figures=$srcdir/tests/integration/instructions.txt

[ -x "$bench" ] || skip_all "the tools are not built"
command -v valgrind >/dev/null || skip_all "valgrind is not installed"
[ -z "$sanitize" ] || skip_all "the figures are of a build without sanitizers"
[ "$(uname -m)" = x86_64 ] || skip_all "the figures are of x86-64, this is $(uname -m)"
case $(cc -v 2>&1 | tail -n 1) in
"gcc version 12."*) ;;
*) skip_all "the figures are of gcc 12" ;;
esac
case " ${FERRY_USER_CFLAGS:-} " in
*" -O2 "*) ;;
*) skip_all "the figures are of a build with -O2" ;;
esac

# counts FUNCTIONS ARGUMENT...: instructions per message inside FUNCTIONS, in $count.
counts()
{
    toggles=
    for function in $1; do
        toggles="$toggles --toggle-collect=$function"
    done
    shift
    # shellcheck disable=SC2086  # words
    timeout 200 valgrind --tool=callgrind --callgrind-out-file=/dev/null $toggles \
        "$bench" --json --messages $MESSAGES "$@" >"$work/out" 2>&1 || return
    count=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/out" | awk -v n=$MESSAGES '{ print int($1 / n) }')
    [ -n "$count" ]
}

# path NAME FUNCTIONS ARGUMENT...
path()
{
    name=$1
    shift
    figure=$(awk -v name="$name" '$1 == name { print $2 }' "$figures")
    most=$((figure + figure * TOLERANCE / 100))
    if ! counts "$@"; then
        cp "$work/out" "$work/seen"
        result 1 "$name: callgrind counts"
        return
    fi
    echo "$name: $count instructions per message, the figure is $figure, $most is the most" >"$work/seen"
    # Nothing at all would mean that the functions have other names now.
    [ "$count" -gt $((figure / 4)) ] && [ "$count" -le "$most" ]
    result $? "$name takes $count instructions per message, at most $most"
    [ "$count" -ge $((figure - figure * TOLERANCE / 100)) ] || echo "# $name has become cheaper: commit $count"
}

on_network='--mode msgapp --delivery host --window 64'
path encode "fy_outgoing_new fy_outgoing_free fy_encoder_start fy_encoder_read" --mode codec
path decode "fy_decoder_feed ferry_message_unref" --mode codec
# shellcheck disable=SC2086  # words
{
    path send ferry_transport_send $on_network
    path write "writer_gather writer_sent" $on_network
    path receive reader_on_body $on_network
}
finish
