#!/bin/sh
# build-go.sh VERSION PROGRAM [WHAT] - build WHAT for etcd VERSION as PROGRAM: rafthttp-peer (3.4, 3.5, 3.6 or 3.7), which
# is the default, or rafthttp-bench (3.4 or 3.7).
# build-go.sh FOLDER PROGRAM - build the Go module in FOLDER of tests/.
#
# Ends with 0 when PROGRAM is built; with 77 and a reason on standard output when what it takes is not here: no Go, one
# too old, no package golang-etcd-server-dev, or no way to the modules; with 1 when our own code does not build.
# Go's own caches make a second build quick.
set -eu

version=$1
mkdir -p "$(dirname "$2")"
program=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
what=${3:-rafthttp-peer}
src=$(cd "$(dirname "$0")" && pwd)/$what
# The package that the versions of a program share.
case $what in rafthttp-bench) shared=load ;; *) shared=peer ;; esac
case $version in
3.*) dir=$src/v3${version#3.} ;;
*) dir=$(cd "$(dirname "$0")/../$version" && pwd) ;;
esac
log=$program.log
gopath34=/usr/share/gocode

skip()
{
    echo "$*"
    exit 77
}

fail()
{
    cat "$log" >&2
    exit 1
}

# GOPATH mode knows packages by their place alone, so the sources go to a GOPATH of this build's own.
build_gopath()
{
    [ -d "$gopath34/src/go.etcd.io/etcd/etcdserver/api/rafthttp" ] || skip "golang-etcd-server-dev is not installed"
    gopath=$(mktemp -d "$program.XXXXXX")
    trap 'chmod -R u+w "$gopath"; rm -rf "$gopath"' EXIT
    mkdir -p "$gopath/src/ferry/interop/$what-3.4"
    cp -R "$src/$shared" "$gopath/src/ferry/interop/$shared"
    cp "$src"/v34/*.go "$gopath/src/ferry/interop/$what-3.4"
    GO111MODULE=off GOPATH=$gopath:$gopath34 \
        go build -buildvcs=false -o "$program" "ferry/interop/$what-3.4" > "$log" 2>&1 || fail
}

# What go.mod asks for must be met by the Go that is here: it fetches no other.
build_module()
{
    export GO111MODULE=on GOTOOLCHAIN=local GOFLAGS="${GOFLAGS-} -mod=readonly"
    have=$(go env GOVERSION)
    have=${have#go}
    need=$(sed -n 's/^go //p' "$dir/go.mod")
    oldest=$(printf '%s\n' "$have" "$need" | sort -V | head -n 1)
    [ "$oldest" = "$need" ] || skip "go $have is older than the $need of the module"
    (cd "$dir" && go build -buildvcs=false -o "$program" .) > "$log" 2>&1 && return
    # Was it the code or the way to the modules?  A sum that does not match is never a reason to skip.
    (cd "$dir" && go mod download) > "$log.download" 2>&1 && fail
    grep -E 'checksum mismatch|SECURITY ERROR|missing go.sum entry|updates to go.(mod|sum)|errors parsing' \
        "$log.download" >&2 && fail
    skip "the modules cannot be fetched: $(tail -n 1 "$log.download")"
}

command -v go > /dev/null || skip "go is not installed"
if [ "$version" = 3.4 ]; then
    build_gopath
else
    build_module
fi
