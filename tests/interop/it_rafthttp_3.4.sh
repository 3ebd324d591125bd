#!/bin/sh
# A Ferry member and an etcd 3.4 one.
exec "$(dirname "$0")/it_rafthttp.sh" 3.4
