#!/usr/bin/env bash
# See to it that PostgreSQL's programs are installed, for the one library of the benchmark that needs them. No server is started.
# Without them that library is left out of the results, with the reason.
set -euo pipefail
if ! command -v initdb >/dev/null && ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
    if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        as_root=$([ "$(id -u)" = 0 ] || echo sudo)
        echo "Installing postgresql ..."
        $as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends postgresql >/dev/null || true
    fi
fi
