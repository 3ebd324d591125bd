#!/bin/sh
# build-etcd.sh VERSION - print the directory in which etcd and etcdctl VERSION (3.4, 3.5, 3.6 or 3.7) are.
# build-etcd.sh load - print the directory in which etcd-load is, the program that puts many values.
#
# 3.4 is Debian's.  The others are built from etcd's own modules, whose versions and sums stand in servers/, and kept in
# ${XDG_CACHE_HOME:-~/.cache}/ferry: they take minutes to build, and no build directory's end makes them any older.
# Ends with 77 and a reason on standard output when what it takes is not here: no package, no Go, one too old, or no way
# to the modules; with 1 when it fails otherwise.
set -eu

version=$1
here=$(cd "$(dirname "$0")" && pwd)

skip()
{
    echo "$*"
    exit 77
}

debian()
{
    for program in etcd etcdctl; do
        command -v $program > /dev/null || skip "$program is not installed (Debian: etcd-server, etcd-client)"
    done
    dir=$(dirname "$(command -v etcd)")
    [ "$dir" = "$(dirname "$(command -v etcdctl)")" ] || skip "etcd and etcdctl are not in one directory"
    have=$(etcd --version | sed -n 's/^etcd Version: //p')
    case $have in
    "$version".*) echo "$dir" ;;
    *) skip "the etcd that is installed is $have" ;;
    esac
}

# from_modules SOURCES PREFIX PROGRAM...: what go.mod asks for must be met by the Go that is here: it fetches no other.
from_modules()
{
    sources=$1 cache=${XDG_CACHE_HOME:-$HOME/.cache}/ferry
    name=$2-$(cat "$sources"/* | sha256sum | cut -c 1-12)
    shift 2
    if [ -d "$cache/$name" ]; then
        echo "$cache/$name"
        return
    fi
    command -v go > /dev/null || skip "go is not installed"
    have=$(go env GOVERSION)
    have=${have#go}
    need=$(sed -n 's/^go //p' "$sources/go.mod")
    oldest=$(printf '%s\n' "$have" "$need" | sort -V | head -n 1)
    [ "$oldest" = "$need" ] || skip "go $have is older than the $need of the etcd module"

    export GO111MODULE=on GOTOOLCHAIN=local GOFLAGS=-mod=readonly
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    cd "$sources"
    if ! build "$@" > "$new/log" 2>&1; then
        # Was it the code or the way to the modules?  A sum that does not match is never a reason to skip.
        if go mod download > "$new/download" 2>&1 ||
            grep -E 'checksum mismatch|SECURITY ERROR|missing go.sum entry|updates to go.(mod|sum)|errors parsing' \
                "$new/download" >&2; then
            cat "$new/log" >&2
            exit 1
        fi
        skip "the modules cannot be fetched: $(tail -n 1 "$new/download")"
    fi
    # Two builds at once end in the same: the first to be done is taken, and mv would put the other inside it.
    mv -T "$new" "$cache/$name" 2> /dev/null || [ -d "$cache/$name" ]
    echo "$cache/$name"
}

build() # PROGRAM=PACKAGE...
{
    for each; do
        go build -buildvcs=false -trimpath -ldflags='-s -w' -o "$new/${each%=*}" "${each#*=}" || return
    done
}

case $version in
load) from_modules "$here/load" load etcd-load=. ;;
3.4) debian ;;
*)
    pins=$here/servers/v3${version#3.}
    exact=$(sed -n 's,^.*go.etcd.io/etcd/server/v3 v\([0-9.]*\).*,\1,p' "$pins/go.mod")
    from_modules "$pins" "etcd-$exact" etcd=go.etcd.io/etcd/server/v3 etcdctl=go.etcd.io/etcd/etcdctl/v3
    ;;
esac
