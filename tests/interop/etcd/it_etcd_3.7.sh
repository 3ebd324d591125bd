#!/bin/sh
# A Ferry member among etcd 3.7 ones.
exec "$(dirname "$0")/it_etcd.sh" 3.7
