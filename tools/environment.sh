#!/usr/bin/env bash
# Make the virtual environment in $2 with the interpreter $1, and install the project and its tools into it.
set -euo pipefail
python=$1 venv=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "typedtasks needs Python 3.11 or later, and $python is $("$python" --version 2>&1 || true). Try: make PYTHON=/path/to/python3.11" >&2
    exit 2
fi

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # Debian packs the venv module apart from Python itself.
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "Installing python3-venv, which Debian's Python lacks ..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    else
        echo "Python's venv module is missing. Install it with: sudo apt-get install python3-venv" >&2
        exit 2
    fi
fi

echo "Making the environment in $venv ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
touch "$venv/.installed"
