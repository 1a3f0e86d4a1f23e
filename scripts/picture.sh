#!/bin/bash
# picture.sh: runs plan, approve and apply on a small shop in a sandbox and writes what they print to docs/demo.svg.
#
# Starts servers of its own (tests/sandbox/run.sh) and ends them. DRIFTWARDEN_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${DRIFTWARDEN_SANDBOX:-}" ]; then
    if [ -z "${DRIFTWARDEN_BIN:-}" ]; then
        cargo build --release
        DRIFTWARDEN_BIN=$PWD/target/release/driftwarden
    fi
    export DRIFTWARDEN_BIN
    exec tests/sandbox/run.sh mysql -- scripts/picture.sh
fi

# shellcheck source=/dev/null
. "$DRIFTWARDEN_SANDBOX/mysql.env"
export DRIFTWARDEN_REMOTE_PASSWORD=$REMOTE_PASSWORD DRIFTWARDEN_LOCAL_PASSWORD=$LOCAL_PASSWORD
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
remote() { "$CLIENT" --no-defaults -uroot --socket="$REMOTE_SOCKET" --default-character-set=utf8mb4 "$@"; }
locally() { MYSQL_PWD=$LOCAL_PASSWORD "$CLIENT" --no-defaults -uroot --socket="$LOCAL_SOCKET" --default-character-set=utf8mb4 "$@"; }

database=picture
for side in remote locally; do
    "$side" -e "DROP DATABASE IF EXISTS $database; CREATE DATABASE $database CHARACTER SET utf8mb4"
done
remote $database <<'SQL'
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, email VARCHAR(80) NOT NULL, phone VARCHAR(30));
INSERT INTO customers VALUES (1, 'Ann', 'ann@example.com', '+43 1 111'), (2, 'Bo', 'bo@example.com', NULL), (4, 'Dörte', 'doerte@example.com', NULL);
CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, total DECIMAL(12,2) NOT NULL, status VARCHAR(10) NOT NULL);
INSERT INTO orders VALUES (1, 1, 10.00, 'shipped'), (2, 2, 7.50, 'paid'), (3, 4, 5.00, 'paid');
SQL
locally $database <<'SQL'
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, email VARCHAR(80) NOT NULL, fax VARCHAR(30));
INSERT INTO customers VALUES (1, 'Ann', 'ann@example.com', NULL), (2, 'Bob', 'bo@example.com', NULL), (3, 'Cid', 'cid@example.com', NULL);
CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT NOT NULL, total DECIMAL(12,2) NOT NULL, status VARCHAR(10) NOT NULL);
INSERT INTO orders VALUES (1, 1, 10.00, 'paid'), (2, 2, 7.50, 'paid');
SQL

cd "$work"
mkdir config
cat >config/config.json <<CONFIG
{ "ssh": { "host": "prod", "config_file": "$SSH_CONFIG" },
  "remote": { "port": $REMOTE_PORT, "user": "$REMOTE_USER", "password_env": "DRIFTWARDEN_REMOTE_PASSWORD" },
  "local": { "socket": "$LOCAL_SOCKET", "user": "$LOCAL_USER", "password_env": "DRIFTWARDEN_LOCAL_PASSWORD" },
  "databases": [{ "remote": "$database", "local": "$database" }] }
CONFIG
# scene NAME ARGUMENT...: runs driftwarden and keeps the command and what it printed, under the name that a shop has.
scene() {
    local name=$1
    shift
    { printf 'driftwarden %s\n' "$*"; "$DRIFTWARDEN_BIN" --color always "$@" 2>&1; } | sed "s/$database/shop/g" >"$name"
}
scene 1 plan --full-diff-all --out plans/today.json
scene 2 approve plans/today.json --safe
"$DRIFTWARDEN_BIN" approve plans/today.json "$database.customers.delete" >/dev/null
scene 3 deny plans/today.json "$database.customers.contract"
scene 4 apply plans/today.json
# The three short ones are one scene.
{ cat 2; printf '\n\033[2m$\033[0m \033[1m%s\033[0m\n' "$(head -n 1 3)"; tail -n +2 3; printf '\n\033[2m$\033[0m \033[1m%s\033[0m\n' "$(head -n 1 4)"; tail -n +2 4; } >5
python3 "$root/scripts/picture.py" 1 5 >"$root/docs/demo.svg"
for side in remote locally; do "$side" -e "DROP DATABASE $database"; done
