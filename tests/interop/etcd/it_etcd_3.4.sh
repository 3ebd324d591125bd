#!/bin/sh
# A Ferry member among etcd 3.4 ones.
exec "$(dirname "$0")/it_etcd.sh" 3.4
