#!/bin/sh
# A Ferry member among etcd 3.5 ones.
exec "$(dirname "$0")/it_etcd.sh" 3.5
