#!/bin/sh
# A Ferry member and an etcd 3.5 one.
exec "$(dirname "$0")/it_rafthttp.sh" 3.5
