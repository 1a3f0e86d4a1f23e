"""make bench: the same data through driftwarden and through its peers, over the same ssh, on the same servers.

Environment:
  BENCH_SCALE    rows as a part of the full size (default 1: 2,000,000 rows compared, 3,000,000 copied, growth to 5,000,000)
  BENCH_VENDORS  mysql, mariadb or both (default: both)
  BENCH_ONLY     scenarios by name, with commas: copy, compare, keys, incremental, many, growth (default: all)
  BENCH_DELAYS   round trips in milliseconds, with commas (default: 0,50)
  BENCH_PEERS    0 leaves the other tools out, for a quick look at a change (default: 1)
  BENCH_PROGRAM  the driftwarden to measure (default: target/release/driftwarden)
  BENCH_OUT      the file to write (default: docs/benchmarks.md at full size, target/benchmarks.md otherwise)
"""

import os
import pathlib
import sys

import peers
import report
import scenarios
from sandbox import REPOSITORY, Sandbox


def main():
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    vendors = os.environ.get("BENCH_VENDORS", "mysql,mariadb").split(",")
    only = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    strangers = [name for name in only if name not in scenarios.ALL]
    if strangers:
        sys.exit(f"bench: BENCH_ONLY names {strangers}; there are {', '.join(scenarios.ALL)}")
    program = pathlib.Path(os.environ.get("BENCH_PROGRAM", REPOSITORY / "target/release/driftwarden")).resolve()
    if not program.exists():
        sys.exit(f"bench: {program} is not built")
    usual = REPOSITORY / ("docs/benchmarks.md" if scale == 1 and not only else "target/benchmarks.md")
    out = pathlib.Path(os.environ.get("BENCH_OUT", usual))

    facts = report.machine()
    facts["driftwarden"] = report.version([program, "--version"])
    facts["rustc"] = report.version(["rustc", "--version"])
    facts["scale"] = scale
    facts.update(peers.versions())
    sandbox = Sandbox(vendors)
    found = report.Report()
    try:
        for vendor, servers in sandbox.servers.items():
            facts[vendor] = servers.version
            for name, scenario in scenarios.ALL.items():
                if not only or name in only:
                    print(f"{vendor}: {name}", flush=True)
                    scenario(scenarios.Run(program, servers, found, scale))
    finally:
        sandbox.end()
        if found.sections:
            found.write(out, facts)
            print(f"written: {out}")


if __name__ == "__main__":
    main()
