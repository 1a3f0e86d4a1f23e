#!/bin/bash
# demo.sh: a shop with 200,000 rows on a production server, an older copy of it on a local one; plan, show, approve, apply, plan.
#
# Starts servers of its own (tests/sandbox/run.sh) and ends them. DEMO_VENDOR=mariadb has it on MariaDB instead of MySQL;
# DRIFTWARDEN_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

vendor=${DEMO_VENDOR:-mysql}
case $vendor in
    mysql | mariadb) ;;
    *) echo "demo: DEMO_VENDOR is mysql or mariadb, not $vendor" >&2; exit 1 ;;
esac
if [ -z "${DRIFTWARDEN_SANDBOX:-}" ]; then
    if [ -z "${DRIFTWARDEN_BIN:-}" ]; then
        cargo build --release
        DRIFTWARDEN_BIN=$PWD/target/release/driftwarden
    fi
    export DRIFTWARDEN_BIN
    exec tests/sandbox/run.sh "$vendor" -- scripts/demo.sh
fi

# shellcheck source=/dev/null
. "$DRIFTWARDEN_SANDBOX/$vendor.env"
export DRIFTWARDEN_REMOTE_PASSWORD=$REMOTE_PASSWORD DRIFTWARDEN_LOCAL_PASSWORD=$LOCAL_PASSWORD
demo=$PWD/demo
output=$demo/output
bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

title() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }
remote() { "$CLIENT" --no-defaults -uroot --socket="$REMOTE_SOCKET" --default-character-set=utf8mb4 "$@"; }
locally() { MYSQL_PWD=$LOCAL_PASSWORD "$CLIENT" --no-defaults -uroot --socket="$LOCAL_SOCKET" --default-character-set=utf8mb4 "$@"; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f s", to - from }'; }

# step [-n LINES] ARGUMENT...: runs driftwarden as a user would and says how long it took; of a long output, shows the first LINES
# lines and the last ones. Sets `took`.
step() {
    local lines=1000 last=12 all begun status=0 shown=$output/step.txt
    if [ "$1" = -n ]; then lines=$2; shift 2; fi
    printf '%s$ driftwarden %s%s\n' "$bold" "$*" "$plain"
    begun=$EPOCHREALTIME
    "$DRIFTWARDEN_BIN" "$@" >"$shown" 2>&1 || status=$?
    took=$(seconds "$begun" "$EPOCHREALTIME")
    all=$(wc -l <"$shown")
    if [ "$all" -le $((lines + last)) ]; then
        cut -c1-160 "$shown"
    else
        head -n "$lines" "$shown" | cut -c1-160
        say "… $((all - lines - last)) more lines …"
        tail -n "$last" "$shown" | cut -c1-160
    fi
    say "[exit code $status, $took]"
    return "$status"
}

rm -rf "$output"
mkdir -p "$output/config"
cd "$output"

title 'Two servers: production behind ssh, and a local copy that has drifted'
begun=$EPOCHREALTIME
fill() {
    "$1" -e 'CREATE DATABASE shop CHARACTER SET utf8mb4'
    "$1" shop <"$demo/schema.sql"
    "$1" shop <"$demo/data.sql"
}
fill remote &
filling=$!
fill locally
wait "$filling"
locally shop <"$demo/drift.sql"
rows=0
for table in $(remote -NB shop -e "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = 'BASE TABLE'"); do
    rows=$((rows + $(remote -NB shop -e "SELECT COUNT(*) FROM \`$table\`")))
done
say "12 tables with $rows rows, filled in $(seconds "$begun" "$EPOCHREALTIME")"

cat >config/config.json <<CONFIG
{
  "ssh": { "host": "prod", "config_file": "$SSH_CONFIG" },
  "remote": { "port": $REMOTE_PORT, "user": "$REMOTE_USER", "password_env": "DRIFTWARDEN_REMOTE_PASSWORD" },
  "local": { "socket": "$LOCAL_SOCKET", "user": "$LOCAL_USER", "password_env": "DRIFTWARDEN_LOCAL_PASSWORD" },
  "databases": ["shop"]
}
CONFIG

title 'Plan: what differs, and what would make it equal'
step -n 48 plan --full-diff-all --out plans/demo.json
planned=$took

title 'Show: one table of the plan'
step show plans/demo.json --table shop.products --limit 3
"$DRIFTWARDEN_BIN" show plans/demo.json --format html >report.html

title 'Apply without approval: nothing happens'
step apply plans/demo.json || true

title 'Approve, then apply'
step approve plans/demo.json --all
step apply plans/demo.json
applied=$took

title 'A second plan'
step plan --full-diff-all --detailed-exitcode --out plans/second.json
rm -f step.txt

title 'Done'
printf '%s\n' "$rows rows compared over ssh and planned in $planned, applied in $applied; both sides are equal." \
    'The plan:            demo/output/plans/demo.json' 'The plan as a page:  demo/output/report.html'
