#!/bin/bash
# Makes this machine able to run the platform and its tests; quick when nothing is missing.
#
#   dev/setup.sh          Debian packages (MariaDB, Redis, HAProxy, Python, Node, Chromium), Python's
#                         in .venv and JavaScript's in client/js/node_modules
#   dev/setup.sh run      what `make run` needs: the servers and Python
#   dev/setup.sh lint     Python and Node, without servers and browser
#   dev/setup.sh python   Python alone
#   dev/setup.sh peer     what `make bench-peer` needs: as `run`, and ejabberd
#
# Nothing that is already there is changed, and no server is left running.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
policy=/usr/sbin/policy-rc.d

say() { echo "setup: $*"; }

# Prints the first Python that is new enough.
find_python() {
    for candidate in python3 python3.11 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# Prints where Erlang keeps its MySQL driver; Debian has one folder for all architectures, or each.
find_erlang_mysql() {
    ls -d /usr/lib/erlang/lib/p1_mysql-* /usr/lib/*/erlang/lib/p1_mysql-* 2>/dev/null || true
}

missing_packages() {
    local python
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python)
        [ -n "$python" ] || echo python3
        [ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    fi
    if [ "$1" = all ] || [ "$1" = lint ]; then
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
    fi
    if [ "$1" = all ]; then
        command -v haproxy >/dev/null || echo haproxy # for the tests of deploy/
        command -v chromium >/dev/null || echo chromium # for the tests of the chat page
    fi
    if [ "$1" = peer ]; then
        command -v ejabberdctl >/dev/null || echo ejabberd
        [ -n "$(find_erlang_mysql)" ] || echo erlang-p1-mysql
    fi
    [ "$1" = all ] || [ "$1" = run ] || [ "$1" = peer ] || return 0
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || echo mariadb-server
    command -v redis-server >/dev/null || echo redis-server
}

refuse() {
    {
        echo "setup: $1. Install this yourself, then try again:"
        echo
        echo "    apt-get install --no-install-recommends $missing"
        echo
        echo "Needed: Python 3.11 or later with venv, MariaDB 10.6 or later, Redis 6.2 or later;"
        echo "for the tests HAProxy 2.6 or later, Node 18 or later with npm, and Chromium."
    } >&2
    exit 1
}

# Installs packages without their services starting: a policy-rc.d of our own while apt runs (one
# that exists is the administrator's and stays), and no start at boot afterwards.
install_packages() {
    local root=() made_policy=
    command -v apt-get >/dev/null || refuse "there is no apt-get here"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || refuse "not root, and there is no sudo"
        if ! sudo -n true 2>/dev/null; then
            [ -t 0 ] && sudo -v || refuse "not root, and sudo wants a password"
        fi
        root=(sudo)
    fi
    say "installing $missing"
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
        trap '"${root[@]}" rm -f "$policy"' EXIT
    fi
    "${root[@]}" apt-get update -qq || refuse "apt-get update failed"
    # shellcheck disable=SC2086
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $missing </dev/null >/dev/null || refuse "apt-get install failed"
    if [ -n "$made_policy" ]; then
        "${root[@]}" rm -f "$policy"
        trap - EXIT
    fi
    [ -d /run/systemd/system ] || return 0
    for package in $missing; do
        case $package in
            mariadb-server) "${root[@]}" systemctl disable --now --quiet mariadb || true ;;
            redis-server) "${root[@]}" systemctl disable --now --quiet redis-server || true ;;
            haproxy) "${root[@]}" systemctl disable --now --quiet haproxy || true ;;
            ejabberd) "${root[@]}" systemctl disable --now --quiet ejabberd || true ;;
        esac
    done
}

# Makes .venv match the requirement files; the stamp remembers what it was made from.
install_python_packages() {
    local python wanted
    wanted=$(cat requirements.txt requirements-dev.txt | sha256sum | cut -d' ' -f1)
    if [ -x .venv/bin/python ] && [ "$(cat .venv/stamp 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    python=$(find_python)
    .venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
    say "installing the Python packages into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
    .venv/bin/python -m pip --disable-pip-version-check check >/dev/null
    echo "$wanted" >.venv/stamp
}

# Makes client/js/node_modules match the lock file, in the same way.
install_node_packages() {
    local wanted stamp=client/js/node_modules/.stamp
    wanted=$(sha256sum <client/js/package-lock.json | cut -d' ' -f1)
    [ "$(cat $stamp 2>/dev/null)" = "$wanted" ] && return
    say "installing the JavaScript packages into client/js/node_modules"
    npm --prefix client/js ci --silent --no-audit --no-fund --no-progress
    echo "$wanted" >$stamp
}

wanted=${1:-all}
missing=$(missing_packages "$wanted" | sort -u | xargs)
[ -z "$missing" ] || install_packages
install_python_packages
case $wanted in all | lint) install_node_packages ;; esac
