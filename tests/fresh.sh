#!/usr/bin/env bash
# Do the README's commands work on a machine that has nothing? Makes a bare Debian 12 root, clones this project's HEAD into
# it with nothing beside it, and runs the commands there.
#   tests/fresh.sh          ./deploy/quickstart.sh (one or two minutes)
#   tests/fresh.sh --all    ./tests/run.sh as well, with CI set: nothing but the optional corpora may be skipped
#   tests/fresh.sh COMMAND… that command instead, in the clone's folder: tests/fresh.sh env CI=true ./tests/run.sh --quick
#   --keep                  leaves the root behind and prints where it is
# The root gets what every package manager of this machine is told: apt's sources and proxy settings, pip's and Maven's
# settings, proxy variables, trusted certificates (Java's store is made from the same ones when Java is installed).
# Needs root, mmdebstrap and Debian's package sources; where one of them is missing the script says so and ends with 3.
# Exit 0: every command worked. 1: a command failed. 2: wrong usage. 3: cannot run here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=no keep=no
while [ $# -gt 0 ]; do
    case $1 in
        --all) all=yes ;;
        --keep) keep=yes ;;
        -*) echo "usage: tests/fresh.sh [--all] [--keep] [COMMAND...]" >&2; exit 2 ;;
        *) break ;;
    esac
    shift
done

say() { printf 'fresh: %s\n' "$*"; }
cannot() { printf 'fresh: cannot run here: %s\n' "$*" >&2; exit 3; }

[ "$(id -u)" -eq 0 ] || cannot "root is needed to make a root file system"
command -v mmdebstrap >/dev/null || cannot "mmdebstrap is not installed: apt-get install mmdebstrap"
command -v unshare >/dev/null || cannot "unshare is not installed: apt-get install util-linux"
[ -z "$(git status --porcelain --untracked-files=no)" ] || say "changes that are not committed are not in the clone"

# Debian's own sources; a machine's other sources (of tools that Foreset does not need) stay out of a bare root.
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list; do
    if grep -qsE '^(deb |Suites:)(.* )?bookworm( |$)' "$file"; then sources+=("$file"); fi
done
[ ${#sources[@]} -gt 0 ] || cannot "no apt source of Debian 12 (bookworm) in /etc/apt"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/foreset-fresh.XXXXXX")
chmod 755 "$root"
cleanup() {
    if [ "$keep" = yes ]; then
        say "the root stays in $root"
    else
        rm -rf "$root"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# copy PATH...: files and folders of this machine's settings, those that are there
copy() {
    local path
    for path in "$@"; do
        [ -e "$path" ] || continue
        mkdir -p "$root$(dirname "$path")"
        cp -rL "$path" "$root$(dirname "$path")/"
    done
}

make_root() {
    local try
    for try in 1 2 3; do
        mmdebstrap --quiet --variant=apt --include=ca-certificates,git bookworm "$root" "${sources[@]}" && break
        [ "$try" -lt 3 ] || return 1
        say "try $try of 3 to make the root failed"
        find "$root" -mindepth 1 -delete
    done
    copy /etc/resolv.conf /etc/hosts /etc/pip.conf /usr/local/share/ca-certificates
    copy "$HOME/.m2/settings.xml" "$HOME/.config/pip"
    for file in /etc/apt/apt.conf.d/*; do
        if grep -qsi proxy "$file"; then copy "$file"; fi
    done
    chroot "$root" update-ca-certificates >/dev/null 2>&1
    git clone --quiet --no-hardlinks "$PWD" "$root/opt/foreset"
}

# inside COMMAND...: in the root, with file systems and process ids of its own, so that nothing stays behind
inside() {
    local kept=() name
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL MAVEN_OPTS FORESET_TEST_JOBS; do
        [ -z "${!name:-}" ] || kept+=("$name=${!name}")
    done
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        root=$1; shift
        mount --make-rprivate /
        mount --bind "$root" "$root"   # ip netns wants the root to be a mount
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/run"
        exec chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 FORESET_FRESH=1 "$@"
    ' inside "$root" "${kept[@]}" bash -c 'cd /opt/foreset && exec "$@"' inside "$@"
}

# run NAME COMMAND...
run() {
    local name=$1 begin=$SECONDS status=0
    shift
    inside "$@" || status=$?
    say "$name: $([ $status -eq 0 ] && echo "worked" || echo "exit $status"), $((SECONDS - begin)) s"
    return $status
}

# One function, read before it runs: whoever edits this file meanwhile changes no run that is under way.
main() {
    local begin=$SECONDS failed=0
    make_root || { say "no bare root could be made"; exit 1; }
    say "a bare Debian 12 with git in $((SECONDS - begin)) s; $(git rev-parse --short HEAD) cloned"
    if [ $# -gt 0 ]; then
        run "$*" "$@"
        exit
    fi
    run "./deploy/quickstart.sh" ./deploy/quickstart.sh || failed=1
    if [ $all = yes ]; then
        run "./tests/run.sh" env CI=true ./tests/run.sh || failed=1
    fi
    exit $failed
}

main "$@"
