#!/bin/sh
# Runs one of web/package.json's scripts (build, check, test, client, ...) with whatever Node there is, after installing
# what package-lock.json names. Where there is no Node it says so and does nothing; where CI is set that is a failure.
#   ops/install/shop.sh build
set -eu
cd "$(dirname "$0")/../.."

if ! node=$(ops/install/node.sh); then
    echo "Quire: no Node for the shop, so no \`npm run $1\` (Node 20.19 or newer from https://nodejs.org does it); all else runs without." >&2
    [ -z "${CI:-}" ]
    exit
fi
PATH=$node:$PATH
export PATH
cd web
installed=node_modules/.installed
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ] || [ package.json -nt "$installed" ]; then
    npm ci --no-audit --no-fund --loglevel=error </dev/null
    touch "$installed"
fi
exec npm run --silent "$@"
