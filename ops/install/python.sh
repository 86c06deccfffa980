#!/bin/sh
# Names the Python to make the environment with: the first version that is there, from 3.11 on with its venv module, and
# of several builds of it the fastest. One that was compiled without its optimisations, as version managers mostly do,
# does four fifths of what Debian's does (docs/performance.md). PYTHON=/path/to/python chooses one.
set -eu
cd "$(dirname "$0")/../.."
IFS='
' # a name a line: folders may have spaces

usable() { # a Python that can make the environment; 3.10 has neither asyncio.timeout nor tomllib
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

with_venv() { # Debian ships venv without ensurepip unless python3-venv is installed
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

builds() { # every file of that name on PATH
    case $1 in */*) echo "$1" && return ;; esac
    echo "$PATH" | tr : '\n' | while read -r folder; do
        # Not the environment that is to be made: it is removed before.
        [ "$folder" = "$PWD/.venv/bin" ] || [ ! -x "$folder/$1" ] || echo "$folder/$1"
    done
}

micros() { # what a little work takes it
    "$1" -I -S -c 'import timeit; print(int(1e6 * min(timeit.repeat("[{**k, i: str(i)} for i in range(999)]", "k = {1: 2}", number=9, repeat=9))))'
}

find_python() {
    without_venv=""
    for candidate in ${PYTHON:-$(printf '%s\n' python3.11 python3.12 python3.13 python3.14 python3 python)}; do
        best=""
        for build in $(builds "$candidate"); do
            usable "$build" || continue
            if with_venv "$build"; then
                took=$(micros "$build") || continue
                if [ -z "$best" ] || [ $((20 * took)) -lt $((19 * least)) ]; then best=$build least=$took; fi
            else
                without_venv="$without_venv $build"
            fi
        done
        if [ -n "$best" ]; then
            echo "$best"
            return 0
        fi
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

find_python
