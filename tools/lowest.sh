#!/usr/bin/env bash
# Make an environment in $2/lowest with the interpreter $1 that has the lowest versions which pyproject.toml declares.
set -euo pipefail
python=$1 venv=$2 lowest=$2/lowest

if [ -e "$lowest/.installed" ] && [ "$lowest/.installed" -nt pyproject.toml ] && [ "$lowest/.installed" -nt tools/lowest.sh ]; then
    exit 0
fi
echo "Making the environment in $lowest ..."
"$python" -m venv --clear "$lowest"
"$venv/bin/python" tools/lowest.py >"$lowest/constraints.txt"
# What only the tests need is as in constraints.txt: older versions of it leave event loops open.
mapfile -t tools < <(grep -E "^(pytest-asyncio|hypothesis|jsonschema|trustme)==" constraints.txt)
"$lowest/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$lowest/constraints.txt" \
    --editable ".[codegen,encryption,examples,fast,mypy,testing]" "${tools[@]}"
touch "$lowest/.installed"
