"""The servers that are measured: the tests' sandbox, set to what a developer's machine would have, and ways to it."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

# A data folder for tests has a tiny log and logs every statement.
SETTINGS = {
    "mysql": "SET GLOBAL innodb_redo_log_capacity = 1073741824; SET GLOBAL innodb_buffer_pool_size = 1073741824; "
    "SET GLOBAL general_log = OFF; SET GLOBAL local_infile = ON;",
    "mariadb": "SET GLOBAL innodb_log_file_size = 1073741824; SET GLOBAL innodb_buffer_pool_size = 1073741824; "
    "SET GLOBAL general_log = OFF;",
}

# What peers log in to production as: they want more than driftwarden's account has.
PEER, PEER_PASSWORD = "peer", "peer-s3cret"
PEER_ACCOUNT = f"""CREATE USER '{PEER}'@'%' IDENTIFIED BY '{PEER_PASSWORD}';
    GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO
    '{PEER}'@'%'"""


class Sandbox:
    """All vendors' servers. Ends with this process: the sandbox holds on to our end of a pipe."""

    def __init__(self, vendors):
        self.process = subprocess.Popen(
            [REPOSITORY / "tests/sandbox/serve.sh", *vendors], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            sys.exit("bench: the sandbox did not start")
        self.folder = pathlib.Path(line.split()[1])
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="dw-bench."))
        self.servers = {vendor: Servers(self, vendor) for vendor in vendors}
        self.proxies = {}

    def proxy(self, delay):
        """The proxy in front of sshd that makes `delay` milliseconds of round trip."""
        if delay not in self.proxies:
            self.proxies[delay] = Proxy(self, delay)
        return self.proxies[delay]

    def end(self):
        for proxy in self.proxies.values():
            proxy.process.stdin.close()
        self.process.stdin.close()
        self.process.wait()
        subprocess.run(["rm", "-rf", self.work], check=False)


class Proxy:
    """A delayed way to sshd: `host` in the ssh config `config`."""

    def __init__(self, sandbox, delay):
        text = (sandbox.folder / "ssh/config").read_text()
        main = re.search(r"Host prod prod-via-jump\s+Port (\d+)", text).group(1)
        self.process = subprocess.Popen(
            [sys.executable, HERE / "proxy.py", main, str(delay / 2)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        port = self.process.stdout.readline().strip()
        self.host = f"prod-bench-{delay}"
        self.config = sandbox.work / f"ssh-{delay}"
        alias = f"[127.0.0.1]:{main}"
        head = f"Host {self.host}\n    Port {port}\n    HostKeyAlias {alias}\n"
        self.config.write_text(head + text)

    def passed(self):
        """What passed since the last time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Servers:
    """One vendor's production and local server."""

    def __init__(self, sandbox, vendor):
        self.sandbox, self.vendor = sandbox, vendor
        lines = (sandbox.folder / f"{vendor}.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines if "=" in line)
        for side in ("remote", "local"):
            self.sql(side, SETTINGS[vendor])
        self.sql("remote", PEER_ACCOUNT)
        self.version = self.value("local", "SELECT @@version")

    def client(self, side, program="CLIENT"):
        """The command line of a client program, for either side."""
        socket = self.env[f"{side.upper()}_SOCKET"]
        return [self.env[program], "--no-defaults", "-uroot", f"--socket={socket}"]

    def environment(self, side):
        password = self.env["LOCAL_PASSWORD"] if side == "local" else ""
        return {
            **os.environ,
            "MYSQL_PWD": password,
            "DRIFTWARDEN_REMOTE_PASSWORD": self.env["REMOTE_PASSWORD"],
            "DRIFTWARDEN_LOCAL_PASSWORD": self.env["LOCAL_PASSWORD"],
        }

    def sql(self, side, text, database=None):
        command = self.client(side) + ["--batch", "--skip-column-names"] + ([database] if database else [])
        done = subprocess.run(command, input=text, text=True, capture_output=True, env=self.environment(side), check=False)
        if done.returncode:
            sys.exit(f"bench: {self.vendor} {side}: {done.stderr.strip()}\n{text[:400]}")
        return done.stdout

    def value(self, side, text, database=None):
        return self.sql(side, text, database).strip()

    def copy_to_local(self, database):
        """Makes local equal to production, past the tunnel and past what is measured."""
        self.sql("local", f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}")
        dump = subprocess.Popen(
            self.client("remote", "DUMP") + ["--single-transaction", "--quick", "--no-tablespaces", "--set-gtid-purged=OFF", database]
            if self.vendor == "mysql"
            else self.client("remote", "DUMP") + ["--single-transaction", "--quick", database],
            stdout=subprocess.PIPE,
            env=self.environment("remote"),
        )
        subprocess.run(self.client("local") + [database], stdin=dump.stdout, env=self.environment("local"), check=True)
        if dump.wait():
            sys.exit("bench: copying production to local failed")
        for side in ("remote", "local"):
            tables = self.sql(side, f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'").split()
            self.sql(side, "ANALYZE TABLE " + ", ".join(tables[:20]), database)
