#!/bin/sh
# bootstrap refuses at once what it could not finish.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

# refuses DIR COMMAND... -- TEXT: ./bootstrap COMMAND in DIR fails within seconds and prints TEXT.
refuses()
{
    dir=$1
    shift
    (cd "$dir" && timeout 20 ./bootstrap "$1") >"$work/seen" 2>&1
    status=$?
    [ "$status" -ne 0 ] && [ "$status" -ne 124 ] && grep -q "$2" "$work/seen"
}

spaced="$work/with space"
mkdir "$spaced" && cp "$srcdir/bootstrap" "$spaced/" || exit 1
for command in build demo check bench; do
    refuses "$spaced" "$command" "the path of this directory has a character"
    result $? "$command: a path with a space is refused"
done
[ "$(ls "$spaced")" = bootstrap ]
result $? "nothing is written there"

mkdir "$work/plain" "$work/dev" "$work/dev/null" && cp "$srcdir/bootstrap" "$work/plain/" || exit 1
if unshare --mount true 2>/dev/null; then
    # shellcheck disable=SC2016  # expanded by the inner shell
    timeout 20 unshare --mount sh -c 'mount --bind "$1/dev" /dev && cd "$1/plain" && exec ./bootstrap build' \
        sh "$work" >"$work/seen" 2>&1
    [ $? -eq 1 ] && grep -q '/dev/null cannot be written to' "$work/seen"
    result $? "without a writable /dev/null it says so"
else
    skip "without a writable /dev/null it says so" "mounting is not permitted here"
fi

refuses "$work/plain" nonsense "unknown command: nonsense"
result $? "an unknown command is refused"
(cd "$work/plain" && timeout 20 ./bootstrap check plain nonsense) >"$work/seen" 2>&1
[ $? -eq 2 ] && grep -q "unknown build: nonsense" "$work/seen"
result $? "check: an unknown build is refused before anything is built"
finish
