#!/bin/sh
# A RabbitMQ 4 for the fault tests, beside the one of this machine: Debian 13 (trixie) below a folder, in which a chroot runs it.
# As root on Debian or Ubuntu, once (370 MB, a minute); the next call finds it. Elsewhere it says what is skipped.
set -eu

cache=${QUIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quire}
root=$cache/rabbitmq-4
[ -x "$root/usr/lib/rabbitmq/bin/rabbitmq-server" ] && exit 0

skipped() {
    echo "Quire: no RabbitMQ 4 for the fault tests ($1): they run on this machine's RabbitMQ alone." >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || skipped "only root on Debian or Ubuntu can install one"

# Two that start at once wait for each other.
mkdir -p "$cache"
exec 9>"$cache/rabbitmq-4.lock"
flock 9
[ -x "$root/usr/lib/rabbitmq/bin/rabbitmq-server" ] && exit 0

echo "Quire: fetching RabbitMQ 4 (Debian 13) for the fault tests into $root ..."
command -v debootstrap >/dev/null 2>&1 ||
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends debootstrap >/dev/null ||
    { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends debootstrap; } ||
    skipped "debootstrap cannot be installed"
rm -rf "$root.part"
debootstrap --variant=minbase --include=rabbitmq-server trixie "$root.part" >"$cache/rabbitmq-4.log" 2>&1 ||
    skipped "debootstrap failed, see $cache/rabbitmq-4.log"
rm -rf "$root.part/var/cache/apt/archives"
mv "$root.part" "$root"
