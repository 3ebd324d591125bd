#!/bin/sh
# ferry-bench measures in every mode and delivery, delivers all, and reports all figures.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

bench=$builddir/ferry-bench
[ -x "$bench" ] || skip_all "the tools are not built"

# The value of a key in $work/json.
value() # KEY
{
    sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" "$work/json"
}

positive() # KEY
{
    value "$1" | awk '{ exit !($1 > 0) }'
}

# Every key that there is, in order; null where a mode has no such figure.
all_keys='impl mode delivery tls size window peers messages drops msgs_per_s mb_per_s cpu_ns_per_msg cpu_ns_per_kb
    allocs_per_msg p50_us p99_us p999_us encode_ns_per_msg decode_ns_per_msg
    lock_encode_ns_per_msg lock_decode_ns_per_msg lock_allocs_per_msg rss_kb rss_growth_kb rss_kb_per_link_pair
    idle_cpu_ms_per_s threads'

# It is one object on one line, with all keys and no other.
is_whole()
{
    [ "$(wc -l <"$work/json")" -eq 1 ] || { echo "not one line" && return 1; }
    grep -q '^{.*}$' "$work/json" || { echo "no object" && return 1; }
    # shellcheck disable=SC2086  # words
    printf '%s\n' $all_keys >"$work/wanted"
    grep -o '"[a-z0-9_]*":' "$work/json" | tr -d '":' | diff "$work/wanted" - || return
}

# measures MODE MESSAGES KEYS ARGUMENT...: what it reports is what was asked for, and all of KEYS are positive.
measures()
{
    mode=$1
    messages=$2
    keys=$3
    shift 3
    timeout 100 "$bench" --mode "$mode" --json "$@" >"$work/json" || return
    cat "$work/json"
    is_whole || return
    case $(value impl) in ferry-[0-9]*) ;; *) return 1 ;; esac
    [ "$(value mode)" = "$mode" ] && [ "$(value messages)" = "$messages" ] && [ "$(value drops)" = 0 ] || return
    for key in $keys; do
        positive "$key" || { echo "$key is not positive" && return 1; }
    done
    for key in size mb_per_s allocs_per_msg rss_kb_per_link_pair; do
        [ -n "$(value "$key")" ] || { echo "$key is missing" && return 1; }
    done
}

# pair MODE MESSAGES ARGUMENT...: a mode that counts messages and times them.
pair()
{
    mode=$1
    messages=$2
    shift 2
    measures "$mode" "$messages" 'msgs_per_s cpu_ns_per_msg p50_us p99_us p999_us rss_kb threads' \
        --messages "$messages" "$@"
}

# refuses TEXT ARGUMENT...: one line on standard error that has TEXT in it, nothing else, and status 2.
refuses()
{
    text=$1
    shift
    timeout 100 "$bench" "$@" >"$work/out" 2>"$work/err"
    status=$?
    cat "$work/out" "$work/err"
    [ $status -eq 2 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -qF -- "$text" "$work/err"
}

for delivery in inline workers host; do
    try "msgapp, $delivery" pair msgapp 20000 --delivery $delivery
    try "pingpong, $delivery" pair pingpong 500 --delivery $delivery
    try "pingpong without spinning, $delivery" pair pingpong 500 --delivery $delivery --busy-poll-us 0
    try "msgapp with a window of one, $delivery" pair msgapp 200 --delivery $delivery --window 1
    try "msgapp with an odd window, $delivery" pair msgapp 1000 --delivery $delivery --window 7
    try "snapshots to nowhere, $delivery" measures snapshot 3 'mb_per_s cpu_ns_per_kb' --delivery $delivery \
        --messages 3 --size 1000001
    try "idle peers, $delivery" measures peers 0 'rss_kb_per_link_pair idle_cpu_ms_per_s threads' --peers 12 \
        --seconds 1 --delivery $delivery
done
for delivery in inline workers; do
    try "mixed, $delivery" pair mixed 30 --delivery $delivery --size 100000 --window 8
    try "fanout, $delivery" measures fanout 3000 'msgs_per_s cpu_ns_per_msg cpu_ns_per_kb' --delivery $delivery \
        --messages 1000 --peers 3 --window 9
done
for plain_or_tls in '' --tls; do
    # shellcheck disable=SC2086  # an option or nothing
    try "raw bytes $plain_or_tls" pair raw 3000 --size 1000 $plain_or_tls
done
try "raw bytes over a socket pair" pair raw 3000 --socket pair
try "raw frames larger than a piece" pair raw 20 --size 300000
try "the codec" measures codec 20000 'encode_ns_per_msg decode_ns_per_msg cpu_ns_per_msg' --messages 20000
if [ -z "$sanitize" ]; then
    try "the codec measures lock requests" measures codec 20000 'lock_encode_ns_per_msg lock_decode_ns_per_msg' \
        --messages 20000
    test "$(value lock_allocs_per_msg)" = 0.000
    result $? "which take no allocation"
else
    skip "the codec measures lock requests without an allocation" "sanitizers have an allocator of their own"
fi
try "the codec with large entries" measures codec 50 'encode_ns_per_msg decode_ns_per_msg' --messages 50 --size 1000000
try "the codec with empty entries" measures codec 5000 'encode_ns_per_msg decode_ns_per_msg' --messages 5000 --size 0
try "msgapp over TLS" pair msgapp 20000 --tls
try "pingpong over TLS" pair pingpong 500 --tls
try "large entries over TLS" pair msgapp 100 --size 1000000 --window 16 --tls
try "mixed over TLS" pair mixed 30 --size 100000 --window 8 --tls
try "fanout over TLS" measures fanout 400 msgs_per_s --messages 200 --peers 2 --tls
try "idle peers over TLS" measures peers 0 rss_kb_per_link_pair --peers 4 --seconds 1 --tls
try "empty entries" pair msgapp 1000 --size 0
try "large entries" pair msgapp 100 --size 1000000 --window 16
try "a heartbeat with a context" pair pingpong 100 --size 1000

mkdir "$work/snapshots"
TMPDIR=$work/snapshots
export TMPDIR
try "snapshots to a directory" measures snapshot 3 'mb_per_s cpu_ns_per_kb' --sink file --messages 3 --size 1000001
try "a snapshot over TLS to a directory" measures snapshot 1 mb_per_s --sink file --size 3000000 --tls
try "and nothing of them is left" test -z "$(ls -A "$work/snapshots")"
TMPDIR=$work/nowhere
try "without a directory for them it says so" sh -c "! '$bench' --mode snapshot --sink file --size 1 2>&1 | grep -v 'no directory'"
unset TMPDIR

timeout 100 "$bench" --messages 1000 >"$work/seen" && grep -q 'messages per second' "$work/seen" &&
    ! grep -q 'link pair' "$work/seen"
result $? "a table without --json has what the mode measures, and no more"
try "an option that the mode has no use for is refused" refuses 'has no effect in mode codec' --mode codec --tls
try "so is one that is not known" refuses 'no such option: --fast' --fast
try "and a value of one that takes none" refuses '--json takes no value' --json=yes
try "an invalid value is refused" refuses "--messages takes a number from 1 to 100000000000, not 'many'" --messages many
try "a delivery that a mode cannot do" refuses 'host' --mode mixed --delivery host
try "TLS over a socket pair" refuses 'tcp' --mode raw --socket pair --tls
try "a size beyond the mode's" refuses 'from 0 to 268435456' --size 268435457
try "too much under way" refuses '4 GiB' --size 200000000 --window 1000
try "a mode that there is not" refuses "--mode takes a mode (see --help), not 'fastest'" --mode fastest
finish
