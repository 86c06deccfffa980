#!/bin/sh
# Installs what tests and benchmarks need (Debian's rabbitmq-server, redis-server, chromium and wrk) where that is allowed: as
# root, with apt-get. Elsewhere it says which tests will be skipped; where CI is set, a missing server is a failure.
set -eu

missing() {
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null 2>&1 || printf ' rabbitmq-server'
    command -v redis-server >/dev/null 2>&1 || printf ' redis-server'
    [ -x /usr/bin/chromium ] || printf ' chromium'
    command -v wrk >/dev/null 2>&1 || printf ' wrk'
}

# Debian starts a service as soon as it is installed, unless a policy says no. The tests start servers of their own.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ -e "$policy" ] && return 0
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

install_packages() {
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $1
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Quire: installing$wanted for the tests ..."
    forbid_services
    # The package lists may be absent or too old to fetch from: then they are renewed once.
    install_packages "$wanted" || { apt-get update --quiet && install_packages "$wanted"; } || true
    wanted=$(missing)
    [ -n "$wanted" ] || exit 0
fi

echo "Quire: not on this machine:$wanted. Tests that need a missing one are skipped." >&2
echo "To run them: apt-get install --no-install-recommends$wanted (as root), or put the programs on PATH." >&2
if [ -n "${CI:-}" ]; then
    echo "CI is set: nothing may be skipped." >&2
    exit 1
fi
