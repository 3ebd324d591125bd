#!/bin/sh
# root.sh - a Debian 13 system in a directory, to build and test in.
#
#   root.sh can                    succeed if this machine can make one; otherwise print the reason and fail
#   root.sh make ROOT PACKAGE...   make it, or bring it up to date, with these packages
#   root.sh run ROOT COMMAND...    run a command in it
#   root.sh remove ROOT            remove it
#
# Everything that needs mounts runs in a mount namespace and a process namespace of its own: when the command ends, or
# is killed, the kernel removes its mounts and kills its processes.  Nothing is ever mounted outside.
set -u

suite=trixie

say()
{
    printf 'root.sh: %s\n' "$*" >&2
}

# COMMAND... in new namespaces.  --kill-child: if unshare is killed, so is everything inside.
isolated()
{
    unshare --mount --pid --fork --kill-child "$@"
}

can()
{
    if [ "$(id -u)" -ne 0 ]; then
        echo "making a Debian root needs root"
    elif ! command -v debootstrap >/dev/null; then
        echo "debootstrap is not installed"
    elif ! command -v unshare >/dev/null; then
        echo "unshare (util-linux) is not installed"
    elif ! isolated sh -c 'mount -t tmpfs probe /mnt && mount -t proc proc /proc' >/dev/null 2>&1; then
        echo "mounting in a namespace is not permitted here"
    else
        return 0
    fi
    return 1
}

# The mirror from which apt gets Debian's packages here; nothing where apt uses none, as on Ubuntu: then debootstrap
# uses its own.
mirror()
{
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian \(http.*\)/\1/p' | grep -v security | head -n 1
}

# apt in the root uses the same proxies and checks as here.
copy_apt_settings() # ROOT
{
    apt-config dump | grep -E '^Acquire::(Check|http|https|Retries)' >"$1/etc/apt/apt.conf.d/50ferry"
    cat >>"$1/etc/apt/apt.conf.d/50ferry" <<'END'
Acquire::Languages "none";
APT::Install-Recommends "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
END
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" # packages start no services
    chmod +x "$1/usr/sbin/policy-rc.d"
}

has_mounts() # ROOT
{
    awk -v root="$1/" 'index($5 "/", root) == 1 { found = 1 } END { exit !found }' /proc/self/mountinfo
}

remove() # ROOT
{
    [ -d "$1" ] || return 0
    root=$(cd "$1" && pwd -P) || return 1
    if has_mounts "$root"; then
        say "something is mounted below $root: not removed"
        return 1
    fi
    rm -rf --one-file-system "$root"
}

make_root() # ROOT PACKAGE...
{
    root=$1
    shift
    if [ "$(cat "$root/made-with" 2>/dev/null)" = "$suite $*" ]; then
        return 0
    fi
    if [ ! -f "$root/debootstrap-done" ]; then
        remove "$root" || return 1
        mkdir -p "$root" || return 1
        # shellcheck disable=SC2046  # one word or none
        isolated debootstrap --variant=minbase "$suite" "$root" $(mirror) || return 1
        touch "$root/debootstrap-done"
    fi
    rm -f "$root/made-with"
    copy_apt_settings "$root" || return 1
    run "$root" sh -c 'apt-get -q update && apt-get -q -y install "$@"' sh "$@" || return 1
    echo "$suite $*" >"$root/made-with"
}

run() # ROOT COMMAND...
{
    cp /etc/resolv.conf /etc/hosts "$1/etc/" 2>/dev/null || : # as they are now
    # shellcheck disable=SC2016  # expanded by the inner shell
    isolated sh -c '
        root=$1
        shift
        # A mount point itself, so that programs in it can change the propagation of /.
        mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
            mount --rbind /sys "$root/sys" && mount -t tmpfs tmp "$root/tmp" && mount -t tmpfs run "$root/run" || exit 1
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
            DEBIAN_FRONTEND=noninteractive "$@"' sh "$@"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
can) can ;;
make) make_root "$@" ;;
run) run "$@" ;;
remove) remove "$@" ;;
*)
    say "usage: root.sh can | make ROOT PACKAGE... | run ROOT COMMAND... | remove ROOT"
    exit 2
    ;;
esac
