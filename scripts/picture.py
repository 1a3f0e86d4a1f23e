#!/usr/bin/env python3
"""picture.py SCENE... > docs/demo.svg: an animated SVG of terminal output, one scene after the other.

SCENE is a file whose first line is the command and whose other lines are its output with ANSI colours. Nothing in the picture is written by hand:
scripts/picture.sh runs the commands. Without animation (printed, or where motion is unwanted) the first scene stands."""
import html
import re
import sys

WIDTH, HEIGHT, LINE, CHAR = 104, 33, 18, 8.43
SECONDS = 7
COLORS = {"31": "#f85149", "32": "#3fb950", "33": "#d29922", "1": "#ffffff", "2": "#8b949e"}


def spans(line):
    """Yields (text, style) of a line with ANSI colours."""
    style = set()
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            for code in part[2:-1].split(";"):
                if code in ("", "0"):
                    style = set()
                else:
                    style.add(code)
        elif part:
            yield part, frozenset(style)


def text(line, row):
    out, used = [], 0
    for part, style in spans(line):
        part = part[: WIDTH - used]
        used += len(part)
        fill = next((COLORS[code] for code in ("31", "32", "33", "2", "1") if code in style), "#c9d1d9")
        weight = ' font-weight="700"' if "1" in style else ""
        out.append(f'<tspan fill="{fill}"{weight}>{html.escape(part)}</tspan>')
    return f'<text x="20" y="{58 + row * LINE}">{"".join(out)}</text>' if out else ""


scenes = []
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        command, *lines = file.read().rstrip("\n").split("\n")
    shown = [f"\x1b[2m$\x1b[0m \x1b[1m{command}\x1b[0m"] + lines
    if len(shown) > HEIGHT:
        shown = shown[: HEIGHT - 8] + ["\x1b[2m  …\x1b[0m"] + shown[-7:]
    scenes.append("\n".join(filter(None, (text(line, row) for row, line in enumerate(shown)))))

count = len(scenes)
total = SECONDS * count
share = 100 / count
width, height = int(40 + WIDTH * CHAR), 58 + HEIGHT * LINE
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
      'aria-label="driftwarden plan, review and apply in a terminal">')
print(f"""<style>
text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; }}
.scene {{ opacity: 0; }} .scene.first {{ opacity: 1; }}
@media (prefers-reduced-motion: no-preference) {{
.scene {{ animation: show {total}s infinite; }}
{"".join(f".s{n} {{ animation-delay: {n * SECONDS}s; }} " for n in range(count))}
@keyframes show {{ 0% {{ opacity: 1; }} {share - 1:.2f}% {{ opacity: 1; }} {share:.2f}% {{ opacity: 0; }} 100% {{ opacity: 0; }} }}
.scene.first {{ opacity: 0; }}
}}
</style>""")
print(f'<rect width="{width}" height="{height}" rx="10" fill="#0d1117"/>')
for x, fill in ((20, "#ff5f56"), (40, "#ffbd2e"), (60, "#27c93f")):
    print(f'<circle cx="{x}" cy="20" r="6" fill="{fill}"/>')
for number, scene in enumerate(scenes):
    print(f'<g class="scene s{number}{" first" if number == 0 else ""}">\n{scene}\n</g>')
print("</svg>")
