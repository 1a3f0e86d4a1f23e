"""What was measured, as Markdown."""

import datetime
import pathlib
import platform
import subprocess

MARK = "<!-- Everything below this line is written by `make bench`. -->"


class Report:
    def __init__(self):
        self.sections = []

    def section(self, title, note, first, with_rows=True):
        section = Section(title, note, first, with_rows)
        self.sections.append(section)
        return section

    def write(self, path, facts):
        """Writes the results below the mark; what stands above it is kept."""
        head = "# Benchmarks\n"
        if path.exists():
            head = path.read_text().split(MARK)[0].rstrip() + "\n"
        lines = [head, MARK, "", "## The run", ""]
        lines += [f"- {name}: {value}" for name, value in facts.items()]
        for section in self.sections:
            lines += ["", *section.lines()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


class Section:
    """A table of runs; ratios are to the row named by `first`."""

    def __init__(self, title, note, first, with_rows):
        self.title, self.note, self.first, self.with_rows = title, note, first, with_rows
        self.rows = []

    def add(self, group, name, cost, rows=None):
        self.rows.append((group, name, cost, rows))
        print(f"  {self.title} | {group} | {name}: {brief(cost)}", flush=True)

    def lines(self):
        yield f"## {self.title}"
        yield ""
        if self.note:
            yield self.note
            yield ""
        yield "| what | how | rows | seconds | ratio | processor s | peak MB | tunnel MB | turns | round trips |"
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        for group, name, cost, rows in self.rows:
            if cost.failed:
                yield f"| {group} | {name} | | {cost.failed} | | | | | | |"
                continue
            base = next(
                (found.seconds for other, first, found, _ in self.rows if (other, first) == (group, self.first) and not found.failed),
                None,
            )
            ratio = f"{cost.seconds / base:.2f}" if base else ""
            trips = (cost.figures or {}).get("round_trips", "")
            counted = f"{rows:,}" if rows is not None else ""
            optional = [f"{value:.1f}" if value else "" for value in (cost.processor, cost.peak_mb, cost.tunnel_mb)]
            yield f"| {group} | {name} | {counted} | {cost.seconds:.2f} | {ratio} | {' | '.join(optional)} | {cost.turns or ''} | {trips} |"


def brief(cost):
    if cost.failed:
        return cost.failed
    return f"{cost.seconds:.2f} s, {cost.peak_mb:.0f} MB peak, {cost.tunnel_mb:.2f} MB over the tunnel"


def machine():
    """Processor, memory, system."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "unknown")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 1e6
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{text.count('processor')} processors ({model}), {memory:.0f} GB, {platform.system()} {platform.release()}",
        "load before the run": load,
    }


def version(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
