#!/bin/sh
# ferry-kv refuses what makes no sense, and what it cannot have, with one line on standard error and a status.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

kv=$builddir/ferry-kv
[ -x "$kv" ] || skip_all "there is no ferry-kv in this build: it needs libraft"

# ended STATUS WORD ARGUMENT...: so it ends, and the line names WORD.
ended()
{
    wanted=$1 word=$2
    shift 2
    timeout 20 "$kv" "$@" >"$work/out" 2>"$work/err"
    status=$?
    echo "status $status"
    cat "$work/out" "$work/err"
    [ "$status" -eq "$wanted" ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
        grep -qF -- "$word" "$work/err"
}

refuses() # WORD ARGUMENT...: wrong options
{
    word=$1
    shift
    try "ferry-kv is refused for $word: $*" ended 2 "$word" "$@"
}

peer=http://127.0.0.1:1
client=http://127.0.0.1:2
rest="--data-dir $work/none --peer-url $peer --client-url $client --cluster 1=$peer"

# shellcheck disable=SC2086  # words
{
    refuses --id $rest
    refuses --id --id 0 $rest
    refuses --id --id one $rest
    refuses --id --id
    refuses --data-dir --id 1 --peer-url $peer --client-url $client --cluster 1=$peer
    refuses --peer-url --id 1 --data-dir d --client-url $client --cluster 1=$peer
    refuses --client-url --id 1 --data-dir d --peer-url $peer --cluster 1=$peer
    refuses --cluster --id 1 --data-dir d --peer-url $peer --client-url $client
    refuses --peer-url --id 1 $rest --peer-url 127.0.0.1:1
    refuses --peer-url --id 1 $rest --peer-url http://127.0.0.1
    refuses --peer-url --id 1 $rest --peer-url http://127.0.0.1:0
    refuses --peer-url --id 1 $rest --peer-url http://127.0.0.1:65536
    refuses --peer-url --id 1 $rest --peer-url http://127.0.0.1:1/path
    refuses --client-url --id 1 $rest --client-url https://127.0.0.1:2
    refuses --cluster --id 1 $rest --cluster 1
    refuses --cluster --id 1 $rest --cluster 1=$peer,
    refuses --cluster --id 1 $rest --cluster 1=$peer,1=http://127.0.0.1:3
    refuses --cluster --id 1 $rest --cluster 1=$peer,2=$peer
    refuses --cluster --id 1 $rest --cluster 0=$peer
    refuses "--cluster has" --id 1 $rest --peer-url http://127.0.0.1:9
    refuses --cluster-id --id 1 $rest --cluster-id 0
    refuses TLS --id 1 $rest --peer-cert-file x
    refuses TLS --id 1 $rest --peer-url https://127.0.0.1:1 --cluster 1=https://127.0.0.1:1
    refuses --election-timeout --id 1 $rest --election-timeout 1
    refuses --heartbeat-interval --id 1 $rest --heartbeat-interval 1000
    refuses --snapshot-entries --id 1 $rest --snapshot-entries 0
    refuses "--log-level takes error, warn, info or debug, not 'loud'" --id 1 $rest --log-level loud
    refuses --frobnicate --id 1 $rest --frobnicate
    refuses "no such option: -id" -id 1 $rest
    refuses "--enable-faults takes no value" --id 1 $rest --enable-faults=yes
    refuses "--data-dir needs a value: DIR" --id 1 $rest --data-dir=
    refuses "--peer is short for several options: --peer-url, --peer-cert-file" --id 1 --peer $peer
    refuses leftover --id 1 $rest leftover
}
find "$work" -name none >"$work/seen"
nothing "wrong options leave nothing behind"

for option in --help --version; do
    timeout 20 "$kv" "$option" >"$work/seen" 2>"$work/err" && grep -q ferry-kv "$work/seen" && [ ! -s "$work/err" ]
    result $? "ferry-kv $option prints it"
done

# ---- What it cannot have ----------------------------------------------------------------------------------------------

# A member that runs, at ports that it was given: others are tried until it has them.
start_one()
{
    port=$((20000 + $$ % 10000))
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        peer=http://127.0.0.1:$port
        client=http://127.0.0.1:$((port + 1))
        "$kv" --id 1 --data-dir "$work/one" --peer-url "$peer" --client-url "$client" --cluster "1=$peer" \
            2>"$work/one.err" &
        pid=$!
        while kill -0 "$pid" 2>/dev/null && ! grep -q listens "$work/one.err"; do
            sleep 0.02
        done
        kill -0 "$pid" 2>/dev/null && return
        port=$((port + 7))
    done
    cat "$work/one.err"
    return 1
}
try "a member starts" start_one

try "a data directory in use is refused" ended 1 "$work/one is in use" --id 1 --data-dir "$work/one" \
    --peer-url http://127.0.0.1:1 --client-url http://127.0.0.1:2 --cluster 1=http://127.0.0.1:1
try "a peer port that is taken is refused" ended 1 "Address already in use" --id 1 --data-dir "$work/two" \
    --peer-url "$peer" --client-url "http://127.0.0.1:$((port + 2))" --cluster "1=$peer"
try "a client port that is taken is refused" ended 1 "$((port + 1)): Address already in use" --id 1 \
    --data-dir "$work/two" --peer-url "http://127.0.0.1:$((port + 2))" --client-url "$client" \
    --cluster "1=http://127.0.0.1:$((port + 2))"
: >"$work/file"
try "a data directory that is a file is refused" ended 1 "$work/file" --id 1 --data-dir "$work/file" \
    --peer-url "$peer" --client-url "$client" --cluster "1=$peer"
try "a data directory that cannot be made is refused" ended 1 "No such file" --id 1 --data-dir "$work/no/such" \
    --peer-url "$peer" --client-url "$client" --cluster "1=$peer"
try "TLS files that are not there are refused" ended 1 "$work/nowhere" --id 1 --data-dir "$work/two" \
    --peer-url https://127.0.0.1:1 --client-url "http://127.0.0.1:$((port + 2))" --cluster 1=https://127.0.0.1:1 \
    --peer-cert-file "$work/nowhere" --peer-key-file "$work/nowhere" --peer-trusted-ca-file "$work/nowhere"

ends_well()
{
    kill -s TERM "$pid"
    wait "$pid"
    status=$?
    cat "$work/one.err"
    [ "$status" -eq 0 ]
}
try "SIGTERM ends it with status 0" ends_well
try "a data directory is one member's for ever" ended 1 "member 1 of cluster 1" --id 2 --data-dir "$work/one" \
    --peer-url "$peer" --client-url "$client" --cluster "2=$peer"
finish
