#!/bin/sh
# it_prometheus.sh - run it_prometheus, where promtool and prometheus are installed; TAP on standard output.
for program in promtool prometheus setpriv; do
    if ! command -v "$program" > /dev/null; then
        echo "1..0 # SKIP $program is not installed"
        exit 0
    fi
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
"${FERRY_BUILDDIR:-.}/it_prometheus" "$work"
