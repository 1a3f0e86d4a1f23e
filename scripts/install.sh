#!/bin/bash
# Installs what the tests and the demo need and what is missing, and nothing else:
#
#   MariaDB's server and clients, OpenSSH's server and client   (system packages)
#   Chromium                                                    (system package, for the tests of the HTML page)
#   MySQL's server and clients                                  (unpacked into the cache, or the system's own if it is >= 8)
#
# Runs as root or as an ordinary user with sudo. No service of the machine is started, stopped or removed: what conflicts with an
# installed package is unpacked into the cache instead. With nothing missing it returns at once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DRIFTWARDEN_CACHE:-$root/.cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif have sudo; then sudo "$@"
    else say "needs root for: $*"; return 1
    fi
}

# Whether a system program of this name is MySQL (not MariaDB under MySQL's name) of version 8 or later, and not confined by
# AppArmor to the system's own data folder.
is_mysql() {
    local program version
    [ ! -e /etc/apparmor.d/usr.sbin.mysqld ] || return 1
    program=$(PATH=$PATH:/usr/sbin command -v "$1") || return 1
    case $(readlink -f "$program") in *mariadb*) return 1 ;; esac
    version=$("$program" --no-defaults --version 2>/dev/null) || return 1
    case $version in *MariaDB*) return 1 ;; esac
    [[ $version =~ Ver\ (8|9|[1-9][0-9])\. ]]
}

have_mysql() {
    [ -x "$cache/mysql/bin/mysqld" ] || { is_mysql mysqld && is_mysql mysql && is_mysql mysqldump; }
}
have_mariadb() {
    [ -x "$cache/mariadb/bin/mariadbd" ] || { have mariadbd && have mariadb && have mariadb-dump && have mariadb-install-db; }
}
have_ssh() { have sshd && have ssh && have ssh-keygen; }
have_chromium() {
    local program
    [ -z "${DRIFTWARDEN_NO_BROWSER:-}" ] || return 0
    for program in chromium chromium-browser google-chrome google-chrome-stable; do
        # Ubuntu's package is a stand-in for a snap: it is there and does not run.
        if have "$program" && "$program" --version >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

if have_mysql && have_mariadb && have_ssh && have_chromium; then exit 0; fi

exec 9>"$cache/install.lock"
flock 9
rm -rf "$cache"/unpack.*

[ -r /etc/os-release ] || die "this is neither Debian nor Ubuntu: install MySQL >= 8, MariaDB and OpenSSH's server by hand"
. /etc/os-release
case " ${ID:-} ${ID_LIKE:-} " in
    *" debian "* | *" ubuntu "*) ;;
    *) die "this is neither Debian nor Ubuntu: install MySQL >= 8, MariaDB and OpenSSH's server by hand" ;;
esac
have apt-get || die "apt-get is missing"

targets() { apt-get indextargets --format "$1" 'Created-By: Packages' "${@:2}" 2>/dev/null || true; }

update_lists() {
    [ -z "${lists_updated:-}" ] || return 0
    say "updating the package lists"
    as_root apt-get update -qq
    lists_updated=1
}

# Installs system packages without starting their services and without removing anything.
install_packages() {
    local guard=/usr/sbin/policy-rc.d guarded='' status=0
    say "installing $*"
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null && as_root chmod 755 "$guard" && guarded=1
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends --no-remove "$@" >&2 || status=$?
    if [ -n "$guarded" ]; then
        as_root rm -f "$guard"
        trap - EXIT
    fi
    return "$status"
}

# unpack FOLDER SOURCES PACKAGE...: downloads packages with all they depend on through an apt state of its own and unpacks them
# into FOLDER/root. The system's package state is neither read nor changed; the mirror is the machine's own.
unpack() {
    local folder=$1 sources=$2 work options sandbox_user=
    shift 2
    work=$(mktemp -d "$cache/unpack.XXXXXX")
    mkdir -p "$work"/apt/{state/lists/partial,cache/archives/partial,parts} "$work/root"
    : >"$work/apt/status"
    printf '%s\n' "$sources" >"$work/apt/sources.list"
    [ "$(id -u)" != 0 ] || sandbox_user=root
    options=(
        -o "Dir::State=$work/apt/state" -o "Dir::State::Lists=$work/apt/state/lists" -o "Dir::State::status=$work/apt/status"
        -o "Dir::Cache=$work/apt/cache" -o "Dir::Etc::SourceList=$work/apt/sources.list" -o "Dir::Etc::SourceParts=$work/apt/parts"
        -o "Dir::Etc::Preferences=/dev/null" -o "Dir::Etc::PreferencesParts=$work/apt/parts"
        -o "APT::Sandbox::User=$sandbox_user" -o Acquire::Languages=none -o Acquire::Retries=3
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::CNF::DefaultEnabled=false
        -o APT::Get::AllowUnauthenticated=false -o Debug::NoLocking=1
    )
    apt-get "${options[@]}" -qq update >&2 && apt-get "${options[@]}" -y -qq install --download-only --no-install-recommends "$@" >&2 ||
        { rm -rf "$work"; return 1; }
    local package
    # Folders that are links into /usr on today's systems: whatever a package puts into /lib belongs in /usr/lib.
    mkdir -p "$work"/root/usr/{lib,lib64,bin,sbin}
    for package in lib lib64 bin sbin; do ln -s "usr/$package" "$work/root/$package"; done
    for package in "$work"/apt/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner --keep-directory-symlink -C "$work/root"
    done
    rm -rf "$work/apt"
    rm -rf "$work"/root/usr/share/{doc,man,locale,i18n,lintian,perl*} "$work"/root/usr/lib/*/{perl*,gconv}
    find "$work/root/usr/bin" -type f ! -name mysql ! -name mysqldump ! -name 'mariadb*' ! -name my_print_defaults ! -name resolveip -delete
    mkdir "$work/bin"
    chmod 755 "$work"
    rm -rf "$folder"
    mv "$work" "$folder"
}

# wrapper FOLDER PROGRAM ARGUMENTS: FOLDER/bin/PROGRAM runs FOLDER/root's program through that folder's own loader and libraries.
wrapper() {
    local folder=$1 program=$2 arguments=$3 real loader libraries
    real=$(cd "$folder/root" && ls usr/sbin/"$program" usr/bin/"$program" 2>/dev/null | head -n 1 || true)
    loader=$(cd "$folder/root" && ls usr/lib/*-linux-gnu*/ld-linux*.so.* usr/lib*/ld-linux*.so.* 2>/dev/null | head -n 1 || true)
    [ -n "$real" ] && [ -n "$loader" ] || die "the unpacked packages hold no $program"
    libraries=$(cd "$folder/root" && find usr/lib -name '*.so.*' -printf '%h\n' | sort -u | sed 's,^,$root/,' | paste -sd:)
    cat >"$folder/bin/$program" <<WRAPPER
#!/bin/sh
# Written by scripts/install.sh.
root=\$(dirname "\$(readlink -f "\$0")")/../root
root=\$(cd "\$root" && pwd -P)
[ "\$1" != --no-defaults ] || shift
exec "\$root/$loader" --library-path "$libraries" "\$root/$real" $arguments "\$@"
WRAPPER
    chmod 755 "$folder/bin/$program"
}

# The machine's own sources, for packages of its own release.
own_sources() {
    targets '$(REPO_URI) $(RELEASE) $(COMPONENT)' | sort -u | sed "s,^,deb [signed-by=$(keyring)] ,"
}

keyring() {
    local file
    for file in /usr/share/keyrings/"${ID:-debian}"-archive-keyring.gpg /usr/share/keyrings/"${ID:-debian}"-archive-keyring.pgp \
        /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/ubuntu-archive-keyring.gpg; do
        if [ -r "$file" ]; then printf '%s' "$file"; return; fi
    done
    die "no archive keyring in /usr/share/keyrings"
}

install_mysql() {
    local sources mirror server client
    [ -n "$(targets '$(REPO_URI)')" ] || update_lists
    if server=$(apt-cache search --names-only '^mysql-server-core(-[0-9.]+)?$' | awk '{print $1}' | sort -V | tail -n 1) && [ -n "$server" ]; then
        sources=$(own_sources)
    else
        # Debian carries MySQL in its development release only.
        mirror=$(targets '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' | sort -u | head -n 1)
        [ -n "$mirror" ] || die "no mirror of Debian's is configured on this machine"
        sources="deb [signed-by=$(keyring)] $mirror sid main"
        server=mysql-server-core
    fi
    client=${server/server/client}
    say "unpacking MySQL ($server) into $cache/mysql"
    unpack "$cache/mysql" "$sources" "$server" "$client"
    wrapper "$cache/mysql" mysql --no-defaults
    wrapper "$cache/mysql" mysqldump --no-defaults
    # Last: its presence says that the whole is complete.
    wrapper "$cache/mysql" mysqld '--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --plugin-dir="$root/usr/lib/mysql/plugin"'
    say "$("$cache/mysql/bin/mysqld" --version)"
}

install_mariadb() {
    [ -n "$(targets '$(REPO_URI)')" ] || update_lists
    # The core packages bring the programs without a service.
    if ! is_mysql mysqld && { install_packages mariadb-server-core mariadb-client ||
        { update_lists && install_packages mariadb-server-core mariadb-client; }; }; then return; fi
    say "unpacking MariaDB into $cache/mariadb"
    unpack "$cache/mariadb" "$(own_sources)" mariadb-server-core mariadb-client mariadb-client-core
    wrapper "$cache/mariadb" mariadb --no-defaults
    wrapper "$cache/mariadb" mariadb-dump --no-defaults
    wrapper "$cache/mariadb" mariadbd '--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --plugin-dir="$root/usr/lib/mysql/plugin"'
}

install_ssh() {
    [ -n "$(targets '$(REPO_URI)')" ] || update_lists
    install_packages openssh-server openssh-client || { update_lists && install_packages openssh-server openssh-client; }
}

install_chromium() {
    [ -n "$(targets '$(REPO_URI)')" ] || update_lists
    install_packages chromium || { update_lists && install_packages chromium; } || true
    have_chromium || say "NO CHROMIUM could be installed: the tests of the HTML page will fail and say so (DRIFTWARDEN_NO_BROWSER=1 goes without)"
}

have_ssh || install_ssh
have_mariadb || install_mariadb
have_mysql || install_mysql
have_chromium || install_chromium
