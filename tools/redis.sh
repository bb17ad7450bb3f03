#!/usr/bin/env bash
# See to it that there is a redis-server of 7.0 or later on PATH. No server is started: the tests start their own.
set -euo pipefail
wanted="typedtasks' tests need redis-server 7.0 or later on PATH"

if ! command -v redis-server >/dev/null; then
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        as_root=$([ "$(id -u)" = 0 ] || echo sudo)
        echo "Installing redis-server ..."
        # The package starts a service where it can; the tests do not use it.
        $as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq redis-server >/dev/null
    else
        echo "$wanted. Install it, for example with: sudo apt-get install redis-server" >&2
        exit 2
    fi
fi

version=$(redis-server --version | sed -E 's/.*v=([0-9]+)\..*/\1/')
if [ "$version" -lt 7 ]; then
    echo "$wanted; found version $version." >&2
    exit 2
fi
