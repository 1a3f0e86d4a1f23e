#!/bin/bash
# soak.sh: random drift and random faults for MINUTES (default 5), on VENDORS (default both, in turn). At the end of each loop both
# sides must be equal, and nothing may be left behind.
#
# SEED repeats a run's choices as far as timing lets it. The servers are its own: they are killed, stopped and restarted.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=${MINUTES:-5}
read -r -a vendors <<<"${VENDORS:-mysql mariadb}"
seed=${SEED:-$RANDOM}
RANDOM=$seed
bin=${BIN:-}
if [ -z "$bin" ]; then
    cargo build --quiet || exit 1
    bin=target/debug/driftwarden
fi
bin=$(realpath "$bin")

coproc SERVE { DRIFTWARDEN_SANDBOX_DURABLE=1 exec tests/sandbox/serve.sh "${vendors[@]}"; }
exec 7>&"${SERVE[1]}" 8<&"${SERVE[0]}" {SERVE[1]}>&- {SERVE[0]}<&-
read -r -u 8 word folder && [ "$word" = ready ] || { echo 'soak: the sandbox did not start' >&2; exit 1; }
project=$folder/soak
mkdir -p "$project/config" "$project/tmp" "$project/home"
export TMPDIR=$project/tmp HOME=$project/home DRIFTWARDEN_REMOTE_PASSWORD DRIFTWARDEN_LOCAL_PASSWORD
out=$project/out

load() {
    # shellcheck disable=SC1090
    . "$folder/$1.env"
    vendor=$1
    DRIFTWARDEN_REMOTE_PASSWORD=$REMOTE_PASSWORD DRIFTWARDEN_LOCAL_PASSWORD=$LOCAL_PASSWORD
}
remote() { "$CLIENT" --no-defaults -uroot -NB -S "$REMOTE_SOCKET" "$@"; }
local_() { MYSQL_PWD=$LOCAL_PASSWORD "$CLIENT" --no-defaults -uroot -NB -S "$LOCAL_SOCKET" "$@"; }
side() { if [ "$1" = remote ]; then remote "${@:2}"; else local_ "${@:2}"; fi; }
pick() { local all=("$@"); echo "${all[RANDOM % ${#all[@]}]}"; }
await() {
    for _ in $(seq 300); do
        side "$1" -e 'SELECT 1' >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "the $1 server did not come back"
}
fail() {
    echo "soak: FAILED in loop $loops (SEED=$seed, $vendor): $1" >&2
    [ ! -s "$out" ] || tail -n 40 "$out" >&2
    cp -r "$project" "${KEEP:-/tmp/driftwarden-soak-failed.$$}" 2>/dev/null
    exit 1
}

setup() {
    local one
    for one in remote local; do
        side "$one" <<'SQL' || fail 'the tables cannot be made'
CREATE DATABASE soak; USE soak;
CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(40), n INT, UNIQUE KEY (name));
CREATE TABLE child (id BIGINT PRIMARY KEY, parent_id INT, v TEXT, at DATETIME(6), KEY (parent_id), FOREIGN KEY (parent_id) REFERENCES parent (id));
CREATE TABLE words (w VARCHAR(60) PRIMARY KEY, f DOUBLE, j BLOB);
CREATE TABLE pairs (a INT, b VARCHAR(20), c DECIMAL(12,4), PRIMARY KEY (a, b));
CREATE TABLE bag (a INT, b VARCHAR(20));
CREATE TRIGGER t BEFORE UPDATE ON child FOR EACH ROW SET NEW.at = NEW.at;
SQL
    done
    cat >"$project/config/$vendor.json" <<JSON
{ "ssh": {"host": "prod", "config_file": "$SSH_CONFIG"}, "remote": {"port": $REMOTE_PORT, "user": "$REMOTE_USER"},
  "local": {"socket": "$LOCAL_SOCKET", "user": "$LOCAL_USER", "password_env": "DRIFTWARDEN_LOCAL_PASSWORD"},
  "databases": ["soak"], "deletes": {"max_percent": 100}, "plan": {"inline_rows": 50},
  "retry": {"delays": ["0s", "500ms", "2s", "5s", "10s"]}, "issues": {"git": false} }
JSON
}

# Random changes of one side: rows, and now and then the schema.
drift() {
    local one=$1 i statements='SET foreign_key_checks = 0; USE soak;'
    for ((i = 0; i < 3 + RANDOM % 6; i++)); do
        local at=$((RANDOM % 2000)) many=$((1 + RANDOM % 300)) now=$RANDOM
        case $((RANDOM % 11)) in
            0) statements+="INSERT IGNORE INTO parent (id, name, n) SELECT $at + seq, CONCAT('n', $now, seq), $now FROM $(numbers "$many") s;" ;;
            1) statements+="INSERT IGNORE INTO child (id, parent_id, v, at) SELECT $at * 1000 + seq, (SELECT MIN(id) FROM parent WHERE id >= seq), REPEAT('x', seq), NOW(6) FROM $(numbers "$many") s;" ;;
            2) statements+="UPDATE child SET v = CONCAT(v, '$now') WHERE id % 7 = $((RANDOM % 7));" ;;
            3) statements+="DELETE FROM child WHERE id % 5 = $((RANDOM % 5)) LIMIT $many;" ;;
            4) statements+="INSERT IGNORE INTO words (w, f, j) SELECT CONCAT('w', $at + seq), seq / 7, UNHEX(SHA2(seq, 256)) FROM $(numbers "$many") s;" ;;
            5) statements+="UPDATE words SET f = $now / 3, w = CONCAT(w, 'x') WHERE LENGTH(w) < 50 ORDER BY w LIMIT $((many / 10));" ;;
            6) statements+="INSERT IGNORE INTO pairs (a, b, c) SELECT seq % 40, CONCAT('b', $at + seq), seq / 3 FROM $(numbers "$many") s;" ;;
            7) statements+="DELETE FROM pairs WHERE a = $((RANDOM % 40)); DELETE FROM words ORDER BY w LIMIT $((many / 5));" ;;
            8) statements+="INSERT INTO bag (a, b) VALUES ($((RANDOM % 5)), 'x'), ($((RANDOM % 5)), 'y'); DELETE FROM bag WHERE a = $((RANDOM % 5)) LIMIT 2;" ;;
            9) statements+="UPDATE parent SET name = CONCAT('s', $now, id) WHERE id % 11 = $((RANDOM % 11));" ;;
            10) statements+="DELETE FROM parent WHERE id % 13 = $((RANDOM % 13)) AND id NOT IN (SELECT parent_id FROM child WHERE parent_id IS NOT NULL);" ;;
        esac
    done
    if [ $((RANDOM % 3)) = 0 ]; then
        local table column="c$((RANDOM % 4))"
        table=$(pick parent child words pairs bag)
        if [ "$(side "$one" -e "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'soak' AND TABLE_NAME = '$table' AND COLUMN_NAME = '$column'")" = 1 ]; then
            statements+="ALTER TABLE $table DROP COLUMN $column;"
        else
            statements+="ALTER TABLE $table ADD COLUMN $column $(pick INT 'VARCHAR(30) NOT NULL DEFAULT "d"' 'DATETIME DEFAULT NULL' 'DECIMAL(8,2)');"
        fi
    fi
    # An orphan could never be mended by rows alone.
    statements+="DELETE FROM child WHERE parent_id IS NOT NULL AND parent_id NOT IN (SELECT id FROM parent);"
    side "$one" -e "$statements" >"$out" 2>&1 || fail "drift on $one"
}
numbers() {
    echo "(SELECT x.n * 100 + y.n * 10 + z.n AS seq FROM (SELECT 0 n UNION SELECT 1 UNION SELECT 2) x," \
        "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) y," \
        "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) z LIMIT $1)"
}

kill_all() {
    local one=$1 how=$2 id
    for id in $(side "$one" -e "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER IN ('readonly', 'root')" 2>/dev/null); do
        side "$one" -e "KILL $how $id" 2>/dev/null
    done
}
master() { pgrep -f "^ssh.*$TMPDIR/driftwarden-.*master" | head -1; }
process() { cat "$folder/$vendor-$1/pid" 2>/dev/null; }

# Strikes once, some time after the program has begun; $1 is its process.
strike() {
    local victim=$1 what pid
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -0 "$victim" 2>/dev/null || return
    what=$2
    case $what in
        remote-connections) kill_all remote CONNECTION ;;
        remote-queries) kill_all remote QUERY ;;
        local-connections) kill_all local CONNECTION ;;
        local-queries) kill_all local QUERY ;;
        ssh-killed) pid=$(master); [ -z "$pid" ] || kill -KILL "$pid" ;;
        ssh-stopped) pid=$(master); [ -z "$pid" ] || kill -STOP "$pid" ;;
        remote-restarted) kill -KILL "$(process remote)"; echo "$vendor-remote" >&7 ;;
        local-restarted) kill -KILL "$(process local)"; echo "$vendor-local" >&7 ;;
        remote-paused) pid=$(process remote); kill -STOP "$pid"; sleep $((1 + RANDOM % 6)); kill -CONT "$pid" ;;
        local-paused) pid=$(process local); kill -STOP "$pid"; sleep $((1 + RANDOM % 6)); kill -CONT "$pid" ;;
        remote-frozen) pid=$(process remote); kill -STOP "$pid"; sleep 16; kill -CONT "$pid" ;;
        program-killed) kill -KILL "$victim" ;;
        program-stopped) kill -INT "$victim" ;;
    esac
}
faults=(remote-connections remote-queries local-connections local-queries ssh-killed ssh-stopped remote-restarted local-restarted
    remote-paused local-paused remote-frozen program-killed program-stopped)
declare -A struck survived

# Runs the program with a fault or none; sets `code`.
attempt() {
    local fault=$1 program striker=
    shift
    (cd "$project" && exec "$bin" --config "config/$vendor.json" "$@") >"$out" 2>&1 &
    program=$!
    if [ -n "$fault" ]; then
        strike "$program" "$fault" >/dev/null 2>&1 &
        striker=$!
    fi
    wait "$program" 2>/dev/null
    code=$?
    [ -z "$striker" ] || wait "$striker" 2>/dev/null
    await remote
    await local
    case $code in
        0) ;;
        1 | 4 | 130 | 137) [ "$code" -gt 4 ] || grep -q 'next: \|Run it again' "$out" || fail "exit $code without a next step" ;;
        *) fail "exit $code" ;;
    esac
    grep -q 'panicked' "$out" && fail 'a panic'
    return 0
}

# Runs the program until it ends well: at first with a fault.
until_done() {
    local fault tries
    fault=$(pick "${faults[@]}")
    struck[$fault]=$((${struck[$fault]:-0} + 1))
    injected=$((injected + 1))
    attempt "$fault" "$@"
    [ "$code" = 0 ] && survived[$fault]=$((${survived[$fault]:-0} + 1)) && at_once=$((at_once + 1))
    for ((tries = 0; code != 0; tries++)); do
        [ "$tries" -lt 5 ] || fail "does not end well without a fault either: $*"
        attempt '' "$@"
    done
}

equal() {
    local table one
    for table in parent child words pairs bag; do
        for one in remote local; do
            side "$one" soak -e "SET time_zone = '+00:00'; SHOW CREATE TABLE $table; SELECT * FROM $table ORDER BY 1, 2" |
                sed 's/ AUTO_INCREMENT=[0-9]*//' >"$project/$one.dump"
        done
        cmp -s "$project/remote.dump" "$project/local.dump" ||
            { diff "$project/remote.dump" "$project/local.dump" | head -20 >"$out"; fail "$table differs"; }
    done
    side local -e "SHOW TRIGGERS FROM soak" | grep -q '^t' || fail 'the trigger is not back'
}

nothing_left() {
    [ -z "$(local_ -e "SHOW DATABASES LIKE 'driftwarden\_scratch%'")" ] || fail 'a scratch schema is left'
    for _ in $(seq 100); do
        [ -z "$(find "$TMPDIR" -maxdepth 1 -name 'driftwarden-*')" ] && return
        sleep 0.1
    done
    fail 'a folder of an ssh master is left'
}

loops=0 injected=0 at_once=0
for vendor in "${vendors[@]}"; do
    load "$vendor"
    setup
done
end=$((SECONDS + minutes * 60))
while [ "$SECONDS" -lt "$end" ]; do
    load "${vendors[loops % ${#vendors[@]}]}"
    loops=$((loops + 1))
    drift remote
    drift local
    rm -rf "$project/plans"
    until_done plan --full-diff-all --out plans/p.json
    attempt '' approve plans/p.json --all
    [ "$code" = 0 ] || fail 'approve'
    until_done apply plans/p.json
    equal
    # A run that was killed is tidied up after by the next one.
    attempt '' plan --full-diff-all --detailed-exitcode --out plans/q.json
    [ "$code" = 0 ] || fail 'there is something left to plan'
    nothing_left
done
exec 7>&-
printf 'soak: %s loops in %s minutes on %s, %s faults injected, %s of them survived at once, the others by running it again; nothing lost (SEED=%s)\n' \
    "$loops" "$minutes" "${vendors[*]}" "$injected" "$at_once" "$seed"
for fault in "${faults[@]}"; do
    printf '  %-20s %3s injected, %3s survived at once\n' "$fault" "${struck[$fault]:-0}" "${survived[$fault]:-0}"
done
wait
