"""The other ways to the same end, each as its users would run it through ssh. One that is not installed is said."""

import os
import shlex
import shutil
import socket
import subprocess
import time

from measure import Cost, run, together
from sandbox import PEER, PEER_PASSWORD
from tables import DATABASE, bare_query

# Whether the other tools are measured as well; the bare query always is.
WANTED = os.environ.get("BENCH_PEERS", "1") != "0"


def bare(servers, kind, folder):
    """The bare checksum query on both servers at once."""
    query = bare_query(kind)
    sides = ("remote", "local")
    commands = [servers.client(side) + ["--batch", DATABASE, "-e", query] for side in sides]
    return together(commands, [servers.environment(side) for side in sides], folder)


def dump_over_ssh(servers, proxy, folder):
    """ssh mysqldump | mysql, into a new local database."""
    servers.sql("local", f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}")
    options = ["--single-transaction", "--quick"]
    if servers.vendor == "mysql":
        options += ["--no-tablespaces", "--set-gtid-purged=OFF"]
    dump = shlex.join(servers.client("remote", "DUMP") + options + [DATABASE])
    ssh = shlex.join(["ssh", "-F", str(proxy.config), proxy.host, dump])
    load = shlex.join(servers.client("local") + [DATABASE])
    cost, _ = run(["bash", "-o", "pipefail", "-c", f"{ssh} | {load}"], servers.environment("local"), folder, proxy)
    return cost


class Forward:
    """A forwarded port to production, as peers that speak to two servers need it."""

    def __init__(self, servers, proxy):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        target = f"127.0.0.1:{self.port}:127.0.0.1:{servers.env['REMOTE_PORT']}"
        self.process = subprocess.Popen(
            ["ssh", "-F", str(proxy.config), "-N", "-o", "ExitOnForwardFailure=yes", "-L", target, proxy.host]
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def my_dumper(servers, proxy, folder):
    """mydumper through the tunnel, then myloader, two threads each."""
    if not (shutil.which("mydumper") and shutil.which("myloader")):
        return Cost(failed="not installed")
    servers.sql("local", f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}")
    dump = folder / "dump"
    shutil.rmtree(dump, ignore_errors=True)
    local = servers.env
    with Forward(servers, proxy) as forward:
        cost, _ = run(
            ["mydumper", "-h", "127.0.0.1", "-P", str(forward.port), "-u", PEER, "-p", PEER_PASSWORD]
            + ["-B", DATABASE, "-t", "2", "-r", "100000", "--no-locks", "-o", str(dump)],
            servers.environment("remote"),
            folder,
            proxy,
        )
    if cost.failed:
        return cost
    loaded, _ = run(
        ["myloader", "-h", "localhost", "-S", local["LOCAL_SOCKET"], "-u", local["LOCAL_USER"], "-p", local["LOCAL_PASSWORD"]]
        + ["-t", "2", "-o", "-d", str(dump), "-B", DATABASE],
        servers.environment("local"),
        folder,
        proxy,
    )
    shutil.rmtree(dump, ignore_errors=True)
    return cost + loaded


def table_sync(servers, proxy, folder, execute):
    """pt-table-sync from production to local: --print finds the differences, --execute mends them."""
    if not shutil.which("pt-table-sync"):
        return Cost(failed="not installed")
    env = servers.env
    with Forward(servers, proxy) as forward:
        source = f"h=127.0.0.1,P={forward.port},u={PEER},p={PEER_PASSWORD},D={DATABASE},t=t"
        target = f"h=localhost,S={env['LOCAL_SOCKET']},u={env['LOCAL_USER']},p={env['LOCAL_PASSWORD']},D={DATABASE},t=t"
        # 0 and 2 are its codes for "nothing to do" and "differences found".
        cost, _ = run(
            ["pt-table-sync", "--execute" if execute else "--print", "--no-check-slave", "--no-check-triggers"]
            + ["--transaction", source, target],
            servers.environment("local"),
            folder,
            proxy,
            codes=(0, 2),
            wanted=False,
        )
    return cost


def versions():
    """What the peers say of themselves."""
    found = {}
    for name in ("mydumper", "pt-table-sync", "ssh"):
        if not shutil.which(name):
            found[name] = "not installed"
            continue
        done = subprocess.run([name, "-V" if name == "ssh" else "--version"], capture_output=True, text=True, check=False)
        found[name] = (done.stdout or done.stderr).strip().splitlines()[0]
    return found
