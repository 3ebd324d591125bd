#!/bin/sh
# it_etcd.sh VERSION [parted] - run it_etcd with etcd VERSION (3.4, 3.5, 3.6 or 3.7), building it first; TAP on standard
# output.
#
# All is skipped when that etcd cannot be had here (see build-etcd.sh), and fails when it does not build.
here=$(dirname "$0")
build=${FERRY_BUILDDIR:-.}

programs=$("$here/build-etcd.sh" "$1")
case $? in
0) ;;
77)
    echo "1..0 # SKIP $programs"
    exit 0
    ;;
*)
    echo "Bail out! etcd $1 does not build"
    exit 1
    ;;
esac
version=$("$programs/etcd" --version | sed -n 's/^etcd Version: //p')
if load=$("$here/build-etcd.sh" load); then
    FERRY_ETCD_LOAD=$load/etcd-load
    export FERRY_ETCD_LOAD
else
    FERRY_ETCD_NO_LOAD=$load
    export FERRY_ETCD_NO_LOAD
fi
case $1 in
3.6 | 3.7)
    if older=$("$here/build-etcd.sh" "3.$((${1#3.} - 1))"); then
        FERRY_ETCD_OLDER=$older/etcd
        export FERRY_ETCD_OLDER
    fi
    ;;
esac
RIG_TIMEOUT=${RIG_TIMEOUT:-300}
export RIG_TIMEOUT
exec "$build/it_etcd" "$version" "$programs" "$build/ferry-etcd-member" ${2:+"$2"}
