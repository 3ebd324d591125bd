#!/bin/sh
# it_partition.sh - build kv-history, test it by its own tests, and run it_partition; TAP on standard output.
#
# Skipped if kv-history cannot be built because something outside this tree is missing.
here=$(dirname "$0")
build=${FERRY_BUILDDIR:-.}

reason=$("$here/../interop/build-go.sh" partition/kv-history "$build/kv-history")
case $? in
0) ;;
77)
    echo "1..0 # SKIP $reason"
    exit 0
    ;;
*)
    echo "Bail out! kv-history does not build"
    exit 1
    ;;
esac
if ! (cd "$here/kv-history" && GOTOOLCHAIN=local GOFLAGS="${GOFLAGS-} -mod=readonly" go test . >&2); then
    echo "Bail out! kv-history does not find what was planted"
    exit 1
fi
RIG_TIMEOUT=${RIG_TIMEOUT:-300}
export RIG_TIMEOUT
exec "$build/it_partition"
