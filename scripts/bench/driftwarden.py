"""driftwarden itself, in a folder of its own."""

import json
import pathlib
import shutil

from measure import run
from tables import DATABASE


class Driftwarden:
    def __init__(self, program, servers, proxy, limits=None):
        self.program, self.servers, self.proxy = program, servers, proxy
        self.folder = servers.sandbox.work / f"{servers.vendor}-{proxy.host}"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "config").mkdir(parents=True)
        config = {
            "ssh": {"host": proxy.host, "config_file": str(proxy.config)},
            "remote": {
                "port": int(servers.env["REMOTE_PORT"]),
                "user": servers.env["REMOTE_USER"],
                "password_env": "DRIFTWARDEN_REMOTE_PASSWORD",
            },
            "local": {
                "socket": servers.env["LOCAL_SOCKET"],
                "user": servers.env["LOCAL_USER"],
                "password_env": "DRIFTWARDEN_LOCAL_PASSWORD",
            },
            "databases": [DATABASE],
            "deletes": {"max_percent": 100, "min_rows": 0},
        }
        if limits:
            config["remote_limits"] = limits
        (self.folder / "config/config.json").write_text(json.dumps(config))

    def plan(self, *arguments):
        """Plans anew; the cost has the program's own figures."""
        shutil.rmtree(self.folder / "plans", ignore_errors=True)
        command = [self.program, "plan", "--json", "-q", *arguments]
        cost, output = self.run(command)
        self.plan_made = None
        if not cost.failed:
            self.plan_made = json.loads(output)
            cost.figures = self.plan_made.pop("figures", None)
        return cost

    def apply(self):
        """Approves everything and applies it."""
        plan = next(pathlib.Path(self.folder / "plans").glob("*.json"), None)
        if plan is None:
            cost, _ = self.run(["false"])
            return cost
        approved, _ = self.run([self.program, "approve", str(plan), "--all"])
        applied, _ = self.run([self.program, "apply", "-q", str(plan)])
        return approved + applied

    def run(self, command):
        return run(command, self.servers.environment("local"), self.folder, self.proxy)

    def strategy(self, table="t"):
        """How the last plan compared a table."""
        tables = (self.plan_made or {}).get("tables", [])
        return next((found["strategy"] for found in tables if found["table"] == f"{DATABASE}.{table}"), None)

    def rows(self):
        """The rows that the last plan changes."""
        return sum((self.plan_made or {}).get("summary", {}).get("rows", {}).values())
