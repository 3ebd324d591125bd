# tap.sh - TAP for the tests that are shell scripts; to be sourced.
#
# A script ends with finish, which prints the plan: a script that stops earlier counts as failed.
# work is a directory of the script's own, removed at its end.

set -u

srcdir=${FERRY_SRCDIR:?run this through make check}
builddir=${FERRY_BUILDDIR:?run this through make check}
# shellcheck disable=SC2034  # for the scripts
sanitize=${FERRY_SANITIZE:-}
n_results=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# result STATUS DESCRIPTION: report a test; if it failed, print $work/seen as well.
result()
{
    n_results=$((n_results + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n_results - $2"
    else
        echo "not ok $n_results - $2"
        [ ! -s "$work/seen" ] || sed 's/^/# /' "$work/seen"
    fi
}

# try DESCRIPTION COMMAND...: the command must succeed.
try()
{
    description=$1
    shift
    "$@" >"$work/seen" 2>&1
    result $? "$description"
}

# nothing DESCRIPTION: $work/seen must be empty.
nothing()
{
    test ! -s "$work/seen"
    result $? "$1"
}

skip() # DESCRIPTION REASON
{
    n_results=$((n_results + 1))
    echo "ok $n_results - $1 # SKIP $2"
}

skip_all() # REASON
{
    echo "1..0 # SKIP $1"
    exit 0
}

finish()
{
    echo "1..$n_results"
}

# cc ARGUMENT...: the compiler of the build, with its sanitizers.
cc()
{
    # shellcheck disable=SC2086  # words
    ${FERRY_CC:-cc} $sanitize "$@"
}
