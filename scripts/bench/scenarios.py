"""What is measured."""

import dataclasses
import os
import typing

import peers
import tables
from driftwarden import Driftwarden
from measure import Cost
from report import Report
from sandbox import Servers

DELAYS = tuple(int(delay) for delay in os.environ.get("BENCH_DELAYS", "0,50").split(","))


@dataclasses.dataclass
class Run:
    program: typing.Any
    servers: Servers
    report: Report
    scale: float

    def rows(self, full):
        return max(1000, round(full * self.scale))

    def ours(self, delay, limits=None):
        return Driftwarden(self.program, self.servers, self.proxy(delay), limits)

    def proxy(self, delay):
        return self.servers.sandbox.proxy(delay)

    @property
    def folder(self):
        folder = self.servers.sandbox.work / "peers"
        folder.mkdir(exist_ok=True)
        return folder

    def title(self, text):
        return f"{self.servers.vendor}: {text}"


def copy(run):
    """A first copy into an empty local database."""
    rows = run.rows(3_000_000)
    tables.create(run.servers, "integer", rows)
    section = run.report.section(
        run.title(f"first copy of {rows:,} rows"), "Plan and apply together, against the peers.", "ssh mysqldump \\| mysql"
    )
    for delay in DELAYS:
        group = f"{delay} ms"
        if peers.WANTED:
            section.add(group, "ssh mysqldump \\| mysql", peers.dump_over_ssh(run.servers, run.proxy(delay), run.folder), rows)
            section.add(group, "mydumper + myloader, 2 threads", peers.my_dumper(run.servers, run.proxy(delay), run.folder), rows)
        run.servers.sql("local", f"DROP DATABASE IF EXISTS {tables.DATABASE}")
        ours = run.ours(delay)
        plan = ours.plan("--full-diff-all")
        apply = ours.apply() if not plan.failed else Cost(failed="not planned")
        section.add(group, "driftwarden plan", plan, rows)
        section.add(group, "driftwarden apply", apply, rows)
        section.add(group, "driftwarden, both", plan + apply, rows)
        check(run, ours, section, group)


def check(run, ours, section, group):
    """Nothing is worth its speed that is wrong: the next plan must be empty."""
    again = ours.plan("--full-diff-all")
    left = ours.rows()
    if again.failed or left:
        section.add(group, "driftwarden, checked again", Cost(failed=again.failed or f"{left} rows still differ"))


def compare(run):
    """A full comparison of a large table: no change, and drift of several shapes, found and mended."""
    rows = run.rows(2_000_000)
    tables.create(run.servers, "integer", rows)
    run.servers.copy_to_local(tables.DATABASE)
    compare_table(run, "integer", rows, "key", DELAYS)


def compare_table(run, kind, rows, what, delays, drifts=("scattered", "hot range", "a tenth")):
    section = run.report.section(
        run.title(f"full comparison of {rows:,} rows, {kind} {what}"),
        "The bare query is the 64-bit checksum of every row, on both servers at once, beside driftwarden's `plan`.",
        "bare query, both servers",
    )
    for delay in delays:
        group = f"{delay} ms, no change"
        ours = run.ours(delay)
        section.add(group, "bare query, both servers", peers.bare(run.servers, kind, run.folder), rows)
        section.add(group, "driftwarden plan", ours.plan("--full-diff-all"), rows)
        if peers.WANTED:
            section.add(group, "pt-table-sync --print", peers.table_sync(run.servers, run.proxy(delay), run.folder, False), rows)
        for how in drifts:
            group = f"{delay} ms, {how}"
            changed = tables.drift(run.servers, kind, rows, how)
            section.add(group, "bare query, both servers", peers.bare(run.servers, kind, run.folder), rows)
            section.add(group, "driftwarden plan", ours.plan("--full-diff-all"), changed)
            if ours.rows() != changed:
                section.add(group, "driftwarden plan", Cost(failed=f"found {ours.rows()} rows of {changed}"))
            if peers.WANTED:
                section.add(group, "pt-table-sync --print", peers.table_sync(run.servers, run.proxy(delay), run.folder, False), changed)
            section.add(group, "driftwarden apply", ours.apply(), changed)
            check(run, ours, section, group)


def keys(run):
    """The same over a composite and over a string key."""
    rows = run.rows(1_000_000)
    for kind in ("composite", "string"):
        tables.create(run.servers, kind, rows)
        run.servers.copy_to_local(tables.DATABASE)
        compare_table(run, kind, rows, "key", (0,), ("scattered", "hot range"))


def incremental(run):
    """A few changed rows by updated_at, in a small and in a large table."""
    section = run.report.section(
        run.title("incremental, 1,000 changed rows"), "By an indexed `updated_at`; it must not grow with the table.", ""
    )
    for full in (200_000, 2_000_000):
        rows = run.rows(full)
        tables.create(run.servers, "integer", rows)
        run.servers.copy_to_local(tables.DATABASE)
        for delay in DELAYS:
            ours = run.ours(delay)
            # The first one compares in full and sets the watermark.
            ours.plan("--full-diff-all")
            ours.apply()
            tables.touch(run.servers, rows, 1000)
            plan = ours.plan()
            if ours.strategy() != "incremental":
                plan = Cost(failed=f"the strategy is {ours.strategy()}")
            section.add(f"{rows:,} rows, {delay} ms", "driftwarden plan", plan, ours.rows())
            if not plan.failed:
                section.add(f"{rows:,} rows, {delay} ms", "driftwarden apply", ours.apply(), ours.rows())


def many(run):
    """Many tables without a change."""
    count = max(10, round(300 * min(1, run.scale * 10)))
    tables.create_many(run.servers, count)
    run.servers.copy_to_local(tables.DATABASE)
    section = run.report.section(run.title(f"no change, {count} tables"), "", "")
    for delay in DELAYS:
        ours = run.ours(delay)
        section.add(f"{delay} ms", "driftwarden plan, schema only", ours.plan("--schema-only"), 0)
        section.add(f"{delay} ms", "driftwarden plan", ours.plan("--full-diff-all"), 3 * count)


def growth(run):
    """How the full comparison grows with the table."""
    section = run.report.section(
        run.title("growth"), "A full comparison with 0.1 % scattered drift.", "bare query, both servers"
    )
    for full in (100_000, 300_000, 1_000_000, 3_000_000, 5_000_000):
        rows = run.rows(full)
        tables.create(run.servers, "integer", rows)
        run.servers.copy_to_local(tables.DATABASE)
        changed = tables.drift(run.servers, "integer", rows, "scattered")
        group = f"{rows:,} rows"
        ours = run.ours(0)
        section.add(group, "bare query, both servers", peers.bare(run.servers, "integer", run.folder), rows)
        section.add(group, "driftwarden plan", ours.plan("--full-diff-all"), changed)


ALL = {"copy": copy, "compare": compare, "keys": keys, "incremental": incremental, "many": many, "growth": growth}
