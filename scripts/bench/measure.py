"""Runs commands and says what they cost: seconds, processor seconds, peak memory, and what passed the tunnel."""

import dataclasses
import os
import subprocess
import time
import typing


@dataclasses.dataclass
class Cost:
    """What a run cost. `failed` says why it came to nothing."""

    seconds: float = 0.0
    processor: float = 0.0
    peak_mb: float = 0.0
    tunnel_mb: float = 0.0
    turns: int = 0
    figures: typing.Optional[dict] = None
    failed: typing.Optional[str] = None

    def __add__(self, other):
        return Cost(
            self.seconds + other.seconds,
            self.processor + other.processor,
            max(self.peak_mb, other.peak_mb),
            self.tunnel_mb + other.tunnel_mb,
            self.turns + other.turns,
            other.figures or self.figures,
            self.failed or other.failed,
        )


def run(command, environment, folder, proxy=None, codes=(0,), wanted=True):
    """Runs one command. Returns its cost, and its output where it is wanted. Peak memory is the command's own and that of
    its children, but no less than this program's: a child begins as its copy. So large outputs must not be read here."""
    if proxy:
        proxy.passed()
    output = folder / "output"
    start = time.monotonic()
    with output.open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    if proxy:
        passed = proxy.passed()
        cost.tunnel_mb = (passed["up"] + passed["down"]) / 1e6
        cost.turns = passed["turns"]
    if process.returncode not in codes:
        lines = (folder / "errors").read_text(errors="replace").strip().splitlines()
        # DBI's last words say nothing of what went wrong.
        told = [line for line in lines if "DESTROY" not in line]
        cost.failed = f"exit {process.returncode}: {told[0][:160] if told else 'no message'}"
    return cost, output.read_text(errors="replace") if wanted else ""


def together(commands, environments, folder):
    """Runs commands at the same time, and returns the seconds until the last has ended."""
    start = time.monotonic()
    running = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment, cwd=folder)
        for command, environment in zip(commands, environments)
    ]
    codes = [process.wait() for process in running]
    cost = Cost(time.monotonic() - start)
    if any(codes):
        cost.failed = f"exit codes {codes}"
    return cost
