#!/bin/sh
# A Ferry member and etcd 3.6 ones, each on a machine of its own.
exec "$(dirname "$0")/it_etcd.sh" 3.6 parted
