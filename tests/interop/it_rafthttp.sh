#!/bin/sh
# it_rafthttp.sh VERSION - run it_rafthttp against etcd VERSION, building the Go side first; TAP on standard output.
#
# The tests are skipped when the Go side cannot be built because something outside this tree is missing (see
# build-go.sh), and fail when its code does not compile.
version=$1
here=$(dirname "$0")
build=${FERRY_BUILDDIR:-.}
peer=$build/interop/rafthttp-peer-$version

reason=$("$here/build-go.sh" "$version" "$peer")
case $? in
0) ;;
77)
    echo "1..0 # SKIP $reason"
    exit 0
    ;;
*)
    echo "Bail out! rafthttp-peer for etcd $version does not build"
    exit 1
    ;;
esac
RIG_TIMEOUT=${RIG_TIMEOUT:-300}
export RIG_TIMEOUT
exec "$build/it_rafthttp" "$version" "$peer"
