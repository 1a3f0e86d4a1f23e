#!/bin/bash
# serve.sh [mysql] [mariadb]: starts a sandbox, says `ready FOLDER` on stdout, and holds it until its stdin ends.
#
# For each vendor a remote and a local server; beside them sshds that lead to the remote ones. Everything lives in one temporary
# folder on free ports. Whoever starts a sandbox keeps the other end of its stdin: when that process ends, in whatever way, the
# pipe closes, every process started here is killed and the folder is removed. FOLDER/<vendor>.env says where everything is.
# A line on the stdin names a server that was killed and is to be started again: `mysql-remote`, `mariadb-local`, `sshd`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=${DRIFTWARDEN_CACHE:-$repository/.cache}

# A session of its own: a Ctrl-C at the terminal is for the tests, which then close the pipe.
if [ -z "${DRIFTWARDEN_SANDBOX_SESSION:-}" ]; then
    DRIFTWARDEN_SANDBOX_SESSION=own exec setsid "${BASH_SOURCE[0]}" "$@"
fi
unset DRIFTWARDEN_SANDBOX_SESSION
[ $# -gt 0 ] || set -- mysql mariadb

"$repository/scripts/install.sh" </dev/null >&2
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
PATH=$PATH:/usr/sbin:/sbin

# What is left of a sandbox whose holder was killed outright.
for folder in "${TMPDIR:-/tmp}"/dw-sandbox.*/; do
    if [ -O "$folder" ] && [ -r "$folder/holder" ] && ! kill -0 "$(cat "$folder/holder")" 2>/dev/null; then rm -rf "$folder"; fi
done
folder=$(mktemp -d "${TMPDIR:-/tmp}/dw-sandbox.XXXXXX")
echo $$ >"$folder/holder"
exec 3<&0 </dev/null

descendants() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do
        descendants "$child"
        echo "$child"
    done
}

cleanup() {
    local status=$? process
    trap '' INT TERM HUP PIPE
    trap - EXIT
    exec 2>/dev/null
    # The servers' data is thrown away, so they need no orderly shutdown. A second round takes what the first saw being forked.
    for _ in 1 2; do
        for process in $(descendants $$); do kill -KILL "$process" || true; done
    done
    wait || true
    rm -rf "$folder"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
    echo "sandbox: $1" >&2
    [ -z "${2:-}" ] || tail -n 30 "$2" >&2 || true
    exit 1
}

# run LOG COMMAND...: starts a server that dies with this script, even if the script is killed. Sets `started`.
run() {
    local log=$1
    shift
    setpriv --pdeathsig KILL "$@" >>"$log" 2>&1 3<&- &
    started=$!
}

taken=' '
# Sets `port` to one on which nobody listens. Somebody may take it before it is used, so whoever uses it tries again.
free_port() {
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        case $taken in *" $port "*) continue ;; esac
        if ! (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    done
    taken+="$port "
}

program() {
    local vendor=$1 name=$2
    if [ -x "$cache/$vendor/bin/$name" ]; then echo "$cache/$vendor/bin/$name"; else command -v "$name"; fi
}

options=()
# Sets `options` to what every instance of a vendor is initialised and started with.
server_options() {
    options=(--no-defaults)
    [ "$(id -u)" != 0 ] || options+=(--user=root)
    # No waiting for the disk: what a killed server has written is in the system's cache, and no test takes the power away.
    options+=(--character-set-server=utf8mb4 --innodb-data-file-path=ibdata1:12M:autoextend --innodb-flush-method=nosync)
    case $1 in
        mysql) options+=(--mysqlx=0 --secure-file-priv= --skip-log-bin --innodb-redo-log-capacity=33554432) ;;
        mariadb) options+=(--innodb-log-file-size=33554432 --sync-frm=0) ;;
    esac
}

# Sets `template` to a data folder of this vendor and version that was initialised once and is copied for every instance.
make_template() {
    local vendor=$1 version work log
    version=$("$server" --no-defaults --version | sed 's/.*Ver //; s/ .*//; s/[^0-9A-Za-z.-]/_/g')
    template=$cache/data-$vendor-$version
    exec 8>"$cache/$vendor.lock"
    flock 8
    if [ ! -d "$template" ]; then
        work=$(mktemp -d "$cache/initialise.XXXXXX")
        log=$folder/$vendor-initialise.log
        if [ "$vendor" = mysql ]; then
            "$server" "${options[@]}" --initialize-insecure --datadir="$work/data" >"$log" 2>&1 8<&- 3<&- ||
                { rm -rf "$work"; fail "cannot initialise a $vendor data folder" "$log"; }
        else
            initialise_mariadb "$work" >"$log" 2>&1 8<&- 3<&- || { rm -rf "$work"; fail "cannot initialise a $vendor data folder" "$log"; }
        fi
        mv "$work/data" "$template"
        rm -rf "$work"
    fi
    exec 8<&-
}

initialise_mariadb() {
    local work=$1 share
    if [ "$server" = "$cache/mariadb/bin/mariadbd" ]; then
        share=$cache/mariadb/root/usr/share/mysql
        mkdir -p "$work/data/mysql"
        { printf 'create database if not exists mysql;\nuse mysql;\n'
          cat "$share"/{mysql,mariadb}_system_tables.sql "$share"/{mysql,mariadb}_performance_tables.sql \
              "$share"/{mysql,mariadb}_system_tables_data.sql "$share"/{fill_help_tables,maria_add_gis_sp_bootstrap}.sql \
              "$share"/{mysql,mariadb}_sys_schema.sql 2>/dev/null || true; } |
            "$server" "${options[@]}" --bootstrap --datadir="$work/data" --auth-root-authentication-method=normal
    else
        mariadb-install-db "${options[@]}" --datadir="$work/data" --auth-root-authentication-method=normal --skip-test-db
    fi
}

# Accounts, one statement a line. Production's root can log in only through the socket.
accounts() {
    local vendor=$1 side=$2
    if [ "$vendor" = mariadb ]; then
        printf '%s\n' "DROP USER IF EXISTS root@127.0.0.1, root@\`::1\`;" \
            "DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';" 'FLUSH PRIVILEGES;'
    fi
    if [ "$side" = local ]; then
        printf '%s\n' "CREATE USER root@127.0.0.1 IDENTIFIED BY '$local_password';" \
            "GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;" "ALTER USER root@localhost IDENTIFIED BY '$local_password';"
        return
    fi
    printf '%s\n' "CREATE USER readonly@'%' IDENTIFIED BY '$remote_password';" \
        "GRANT SELECT, SHOW VIEW, SHOW DATABASES, TRIGGER, EVENT, PROCESS, REPLICATION CLIENT ON *.* TO readonly@'%';"
    [ "$vendor" != mysql ] || echo "GRANT SHOW_ROUTINE ON *.* TO readonly@'%';"
}

# start_server VENDOR SIDE: appends to `waiting`; the caller waits for all of them at once.
start_server() {
    local vendor=$1 side=$2 name=$1-$2 extra=() flush=0
    # A folder of its own for temporary tables: MariaDB removes what it finds in there as it starts, another server's included.
    mkdir "$folder/$name" "$folder/$name/tmp"
    accounts "$vendor" "$side" >"$folder/$name/accounts.sql"
    cp -a --reflink=auto --sparse=always "$template" "$folder/$name/data"
    rm -f "$folder/$name/data/auto.cnf"
    # A server that is to be killed must keep what it has committed, as any real one does.
    [ -n "${DRIFTWARDEN_SANDBOX_DURABLE:-}" ] && flush=1
    [ "$side" = local ] || extra=(--general-log=1 --general-log-file="$folder/$name/general.log" --log-output=FILE)
    launch_server "$name" "${options[@]}" "${extra[@]}" --datadir="$folder/$name/data" --tmpdir="$folder/$name/tmp" --socket="$folder/$name/mysql.sock" \
        --bind-address=127.0.0.1 --skip-name-resolve --pid-file="$folder/$name/pid" --init-file="$folder/$name/accounts.sql" \
        --innodb-buffer-pool-size=134217728 --innodb-flush-log-at-trx-commit=$flush --innodb-doublewrite=OFF --max-connections=200 \
        --max-allowed-packet=67108864 --event-scheduler=OFF
}

launch_server() {
    local name=$1
    shift
    free_port
    run "$folder/$name/error.log" "$server" "$@" --port="$port"
    printf '%s\0' "$server" "$@" >"$folder/$name/command"
    echo "$port" >"$folder/$name/port"
    pids[$name]=$started
    waiting+=("$name")
}

declare -A pids
waiting=()
await_servers() {
    local name attempt tries
    for name in "${waiting[@]}"; do
        tries=0
        for ((attempt = 0; ; attempt++)); do
            if grep -q 'ready for connections' "$folder/$name/error.log" 2>/dev/null && [ -S "$folder/$name/mysql.sock" ]; then break; fi
            [ "$attempt" -lt 1200 ] || fail "$name did not start within a minute" "$folder/$name/error.log"
            if ! kill -0 "${pids[$name]}" 2>/dev/null; then
                grep -qi 'bind on tcp/ip port\|address already in use' "$folder/$name/error.log" && [ "$((++tries))" -lt 5 ] ||
                    fail "$name ended while starting" "$folder/$name/error.log"
                local again=()
                mapfile -d '' again <"$folder/$name/command"
                server=${again[0]}
                : >"$folder/$name/error.log"
                launch_server "$name" "${again[@]:1}"
            fi
            sleep 0.05
        done
    done
}

# start_sshd NAME OPTION...: an sshd of the current user; sets `port`.
start_sshd() {
    local name=$1 config=$folder/ssh/$1.conf log=$folder/ssh/$1.log attempt
    shift
    for ((attempt = 0; attempt < 5; attempt++)); do
        free_port
        { printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $folder/ssh/host_key" "PidFile $folder/ssh/$name.pid" \
            "AuthorizedKeysFile $folder/ssh/user_key.pub" 'StrictModes no' 'PasswordAuthentication no' \
            'KbdInteractiveAuthentication no' 'PermitRootLogin yes' 'UseDNS no' 'LogLevel VERBOSE' 'MaxStartups 200' \
            'MaxSessions 200' 'PrintMotd no' "$use_pam" "$@"
          [ -z "$penalties" ] || echo "$penalties"; } >"$config"
        : >"$log"
        run "$log" "$sshd" -D -e -f "$config"
        for _ in $(seq 200); do
            if grep -q 'Server listening on' "$log"; then return; fi
            kill -0 "$started" 2>/dev/null || break
            sleep 0.02
        done
    done
    fail "sshd ($name) did not start" "$log"
}

start_ssh() {
    local jump_port no_forward_port main_port closed_port user
    sshd=$(command -v sshd)
    user=$(id -un)
    mkdir "$folder/ssh"
    ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$folder/ssh/host_key"
    ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$folder/ssh/user_key"
    ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$folder/ssh/other_key"
    # An account with a locked password can log in by key only through PAM.
    use_pam='UsePAM no'
    if [ "$(id -u)" = 0 ]; then
        mkdir -p /run/sshd
        case $(getent shadow root | cut -d: -f2) in '!'*) use_pam='UsePAM yes' ;; esac
    fi
    penalties=''
    printf 'PerSourcePenalties no\nHostKey %s\n' "$folder/ssh/host_key" >"$folder/ssh/probe.conf"
    ! "$sshd" -t -f "$folder/ssh/probe.conf" 2>/dev/null || penalties='PerSourcePenalties no'

    start_sshd main 'AllowTcpForwarding yes' 'AllowStreamLocalForwarding yes'; main_port=$port
    start_sshd jump 'AllowTcpForwarding yes'; jump_port=$port
    start_sshd no-forward 'AllowTcpForwarding no' 'AllowStreamLocalForwarding no'; no_forward_port=$port
    free_port; closed_port=$port

    for port in "$main_port" "$jump_port" "$no_forward_port"; do
        echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$folder/ssh/host_key.pub")"
    done >"$folder/ssh/known_hosts"
    echo "[127.0.0.1]:$main_port $(cut -d' ' -f1,2 "$folder/ssh/other_key.pub")" >"$folder/ssh/changed_hosts"
    : >"$folder/ssh/no_hosts"
    cat >"$folder/ssh/config" <<CONFIG
# The way to production, directly and through a jump host.
Host prod prod-via-jump
    Port $main_port
Host jump
    Port $jump_port
Host prod-via-jump
    ProxyJump jump

# What can go wrong on the way.
Host prod-no-forward
    Port $no_forward_port
Host prod-unknown-host
    Port $main_port
    UserKnownHostsFile $folder/ssh/no_hosts
Host prod-changed-host
    Port $main_port
    UserKnownHostsFile $folder/ssh/changed_hosts
Host prod-wrong-key
    Port $main_port
    IdentityFile $folder/ssh/other_key
Host prod-closed jump-closed
    Port $closed_port
Host prod-jump-down
    Port $main_port
    ProxyJump jump-closed

Host prod* jump*
    HostName 127.0.0.1
    User $user
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile $folder/ssh/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    LogLevel ERROR

Host prod* jump* !prod-wrong-key
    IdentityFile $folder/ssh/user_key
CONFIG
}

remote_password='remote-s3cret'
local_password='local-s3cret'

for vendor in "$@"; do
    case $vendor in
        mysql) server=$(program mysql mysqld) ;;
        mariadb) server=$(program mariadb mariadbd) ;;
        *) fail "unknown vendor: $vendor (mysql, mariadb)" ;;
    esac
    server_options "$vendor"
    make_template "$vendor"
    start_server "$vendor" remote
    start_server "$vendor" local
done
start_ssh
await_servers

for vendor in "$@"; do
    case $vendor in
        mysql) client=$(program mysql mysql) dump=$(program mysql mysqldump) ;;
        mariadb) client=$(program mariadb mariadb) dump=$(program mariadb mariadb-dump) ;;
    esac
    cat >"$folder/$vendor.env" <<ENV
FOLDER=$folder
VENDOR=$vendor
CLIENT=$client
DUMP=$dump
SSH_CONFIG=$folder/ssh/config
REMOTE_PORT=$(cat "$folder/$vendor-remote/port")
REMOTE_SOCKET=$folder/$vendor-remote/mysql.sock
REMOTE_LOG=$folder/$vendor-remote/general.log
REMOTE_USER=readonly
REMOTE_PASSWORD=$remote_password
LOCAL_PORT=$(cat "$folder/$vendor-local/port")
LOCAL_SOCKET=$folder/$vendor-local/mysql.sock
LOCAL_USER=root
LOCAL_PASSWORD=$local_password
ENV
done
echo "ready $folder"
exec >&2

# Whoever holds the stdin may have a server started again that it has killed: a line names it (`mysql-remote`, `sshd`).
again() {
    local words=()
    if [ "$1" = sshd ]; then
        sleep 0.2
        run "$folder/ssh/main.log" "$sshd" -D -e -f "$folder/ssh/main.conf"
    elif [ -e "$folder/$1/command" ]; then
        # Until it has ended for good, MySQL takes its socket for one in use and does not start.
        wait "${pids[$1]}" || true
        mapfile -d '' words <"$folder/$1/command"
        run "$folder/$1/error.log" "${words[@]}" --port="$(cat "$folder/$1/port")"
        pids[$1]=$started
    fi
}
# Traps run between two lines only.
while read -r -t 1 -u 3 line || [ $? -gt 128 ]; do
    [ -z "$line" ] || again "$line"
    line=
done
