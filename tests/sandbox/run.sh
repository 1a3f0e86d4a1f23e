#!/bin/bash
# run.sh [mysql] [mariadb] [-- COMMAND...]: starts a sandbox, runs COMMAND with DRIFTWARDEN_SANDBOX naming its folder, ends the sandbox.
#
# Without a COMMAND: all tests, by cargo-nextest where it is installed, and after them the one that reads the remote's log of the
# whole run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

vendors=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    vendors+=("$1")
    shift
done
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
    set -- all_tests
fi

# A test mostly waits for servers, so there are more at a time than there are processors.
all_tests() {
    local status=0 at_once=$(($(nproc) * 2))
    export DRIFTWARDEN_SANDBOX
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --no-fail-fast --test-threads "$at_once" || status=$?
    else
        RUST_TEST_THREADS=$at_once cargo test --no-fail-fast || status=$?
    fi
    cargo test --quiet --test integration -- --ignored production_was_only_ever_read || status=$?
    return "$status"
}

# The sandbox ends when this end of its stdin closes: at the end of this script, however that comes about.
coproc SERVE { exec "$here/serve.sh" ${vendors[@]+"${vendors[@]}"}; }
serve=$SERVE_PID
exec 7>&"${SERVE[1]}" 8<&"${SERVE[0]}" {SERVE[1]}>&- {SERVE[0]}<&-

read -r -u 8 word folder || { echo "the sandbox did not start" >&2; exit 1; }
[ "$word" = ready ] || { echo "the sandbox said: $word $folder" >&2; exit 1; }

status=0
trap : INT TERM
DRIFTWARDEN_SANDBOX=$folder "$@" 7>&- 8<&- || status=$?

exec 7>&-
wait "$serve" 2>/dev/null || true
exit "$status"
